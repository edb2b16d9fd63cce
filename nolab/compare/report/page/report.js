"use strict";
(() => {
  // ---------------------------------------------------------------- the data: columns over the runs
  const report = JSON.parse(document.getElementById("data").textContent);
  const { runs, keys, figures } = report;
  const everyRun = runs.id.map((_, i) => i);
  const at = (column, i) => ("all" in column ? column.all : column.each[i]);
  const ERROR = "final/rel_l2";
  const SEED = "seed";
  const MAIN_FIGURES = [
    ERROR, "cost/train_s", "cost/steps", "cost/fine_equivalents", "cost/flops", "cost/peak_mem_gib", "target/train_s",
  ];
  const largerIsBetter = (name) => /(^|\/)r2(\/|$)/.test(name);
  const title = (name) => report.titles[name] ?? name;

  const state = { shown: everyRun, sort: { column: null, descending: false } };

  // ---------------------------------------------------------------- DOM and text
  const byId = (id) => document.getElementById(id);

  /** An element with text and children; `data` never becomes markup. */
  function element(tag, { text, className, ...attributes } = {}, ...children) {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  const pair = (name, value) => element("div", {}, element("dt", { text: name }), element("dd", { text: value }));

  /** A number for reading: 4 digits, an exponent where it would be long, a dash where there is none. */
  function shortNumber(value) {
    if (value === null || value === undefined || !Number.isFinite(value)) return "–";
    const size = Math.abs(value);
    if (size !== 0 && (size >= 1e6 || size < 1e-4)) return value.toExponential(2).replace("e+", "e");
    return size >= 1e4 ? value.toFixed(0) : String(Number(value.toPrecision(4)));
  }

  /** The same for a column of figures: zeros at the end stay, so that digits stand under each other. */
  function figureText(value) {
    const text = shortNumber(value);
    return Number.isInteger(value) || text.includes("e") || text === "–" || Math.abs(value) >= 1e4 ? text : value.toPrecision(4);
  }

  /** Text for Plotly, whose labels know some tags. */
  const plain = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const cut = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);
  const plural = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;

  // ---------------------------------------------------------------- statistics
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

  /** Quantile by linear interpolation; infinities are misses and stay so. */
  function quantile(sorted, share) {
    const place = share * (sorted.length - 1);
    const low = sorted[Math.floor(place)];
    const high = sorted[Math.ceil(place)];
    return low === high ? low : low + (high - low) * (place % 1);
  }

  function spread(values) {
    const sorted = [...values].sort((a, b) => a - b);
    return { low: quantile(sorted, 0.25), median: quantile(sorted, 0.5), high: quantile(sorted, 0.75) };
  }

  /** Points that no other is as good as in both figures and better in one, by growing x. */
  function paretoFront(points, xName, yName) {
    const cost = (name) => (largerIsBetter(name) ? (value) => -value : (value) => value);
    const [costX, costY] = [cost(xName), cost(yName)];
    const sorted = [...points].sort((a, b) => costX(a.x) - costX(b.x) || costY(a.y) - costY(b.y));
    let best = { x: NaN, y: Infinity };
    const front = sorted.filter((point) => {
      const now = { x: costX(point.x), y: costY(point.y) };
      if (now.y < best.y) best = now;
      else return now.x === best.x && now.y === best.y;
      return true;
    });
    return front.sort((a, b) => a.x - b.x);
  }

  /** Variance between the groups' means over the total variance, and what chance alone gives on average. */
  function explained(values, labels) {
    const groups = Map.groupBy(values.keys(), (i) => labels[i]);
    const middle = mean(values);
    const total = values.reduce((sum, value) => sum + (value - middle) ** 2, 0);
    let between = 0;
    for (const members of groups.values()) {
      between += members.length * (mean(members.map((i) => values[i])) - middle) ** 2;
    }
    return {
      share: total > 0 ? between / total : 0,
      chance: values.length > 1 ? (groups.size - 1) / (values.length - 1) : 0,
      groups: groups.size,
    };
  }

  // ---------------------------------------------------------------- the filter
  const haystacks = everyRun.map((i) =>
    [runs.id[i], ...(runs.overrides[i] ?? []), ...Object.entries(keys).map(([key, texts]) => `${key}=${texts[i]}`)]
      .join("\n")
      .toLowerCase(),
  );

  /** How to read a figure, a key that varies, or any key of the config; undefined for another word. */
  function reader(name) {
    if (Object.hasOwn(figures, name)) return (i) => figures[name][i];
    if (Object.hasOwn(keys, name)) return (i) => keys[name][i];
    if (Object.hasOwn(report.config, name)) return (i) => at(report.config[name], i);
    return undefined;
  }

  const numeric = (value) => (value === null || value === "" ? NaN : Number(value));
  const COMPARE = {
    "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b,
  };

  /** Whether run i meets one word of the filter. */
  function condition(word) {
    const [, name, sign, given] = /^([^<>=]+)(<=|>=|<|>|=)(.*)$/.exec(word) ?? [];
    const read = name && reader(name);
    if (!read) return (i) => haystacks[i].includes(word.toLowerCase());
    if (given === "") return () => true; // still being typed
    if (sign !== "=") return (i) => COMPARE[sign](numeric(read(i)), numeric(given));
    const allowed = [given, ...given.split(",")];
    return (i) => allowed.some((text) => text === String(read(i)) || numeric(text) === numeric(read(i)));
  }

  /** The runs for which every word of the text holds; double quotes keep blanks together. */
  function matching(text) {
    const words = text.match(/(?:"[^"]*"|\S)+/g) ?? [];
    const conditions = words.map((word) => condition(word.replaceAll('"', "")));
    return everyRun.filter((i) => conditions.every((holds) => holds(i)));
  }

  // ---------------------------------------------------------------- colours
  const probe = element("span", { hidden: "" });
  document.body.append(probe);

  /** A colour of the style sheet as the theme now has it. */
  function themed(name) {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  }

  const isDark = () => {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };

  const PALETTE = 8;
  const SYMBOLS = ["circle", "diamond", "square", "triangle-up", "cross", "triangle-down"];
  const GLYPHS = {
    circle: "M6 1.5a4.5 4.5 0 1 0 .01 0z", diamond: "M6 .5 11.5 6 6 11.5.5 6z", square: "M2 2h8v8H2z",
    "triangle-up": "M6 1 11 10.5H1z", cross: "M4 1h4v3h3v4H8v3H4V8H1V4h3z", "triangle-down": "M6 11 1 1.5h10z",
  };
  const VIRIDIS = ["#440154", "#482475", "#414487", "#355f8d", "#2a788e", "#21918c", "#22a884", "#44bf70", "#7ad151",
    "#bddf26", "#fde725"];
  /** The part of the scale that can be told from the page. */
  const scale = () => (isDark() ? VIRIDIS.slice(2) : VIRIDIS.slice(0, 10));
  const CONTINUOUS_FROM = 7;

  /** Numbers first and by size, then words; null last. */
  function compareTexts(a, b) {
    const [x, y] = [numeric(a), numeric(b)];
    if (a === "null" || b === "null") return (a === "null") - (b === "null");
    if (Number.isFinite(x) && Number.isFinite(y)) return x - y;
    return Number.isFinite(y) - Number.isFinite(x) || (a < b ? -1 : a > b ? 1 : 0);
  }

  /** The classes of colour of the key chosen, the same whatever the filter: `{of(i), classes, ramp?}`. */
  function colouring(key) {
    if (!key) return { of: () => 0, classes: [{ label: "", colour: themed("c0"), symbol: "circle" }] };
    const texts = keys[key];
    const values = [...new Set(texts)].sort(compareTexts);
    const numbers = values.map(Number).filter(Number.isFinite);
    const isNumeric = values.every((text) => text === "null" || Number.isFinite(Number(text)));
    return isNumeric && numbers.length >= CONTINUOUS_FROM ? ramp(texts, numbers) : palette(texts, values);
  }

  function palette(texts, values) {
    const classes = values.map((label, k) => ({
      label, colour: themed(`c${k % PALETTE}`), symbol: SYMBOLS[Math.floor(k / PALETTE) % SYMBOLS.length],
    }));
    return { of: (i) => values.indexOf(texts[i]), classes };
  }

  function ramp(texts, numbers) {
    const [low, high] = [numbers[0], numbers.at(-1)];
    const log = low > 0 && high > 20 * low;
    const place = (x) => (log ? Math.log(x / low) / Math.log(high / low) : (x - low) / (high - low));
    const colours = scale();
    const classes = colours.map((colour) => ({ label: "", colour, symbol: "circle" }));
    classes.push({ label: "null", colour: themed("none"), symbol: "circle" });
    const of = (i) => {
      const number = numeric(texts[i]);
      if (!Number.isFinite(number)) return colours.length;
      return Math.min(colours.length - 1, Math.floor(place(number) * colours.length));
    };
    return { of, classes, ramp: { low, high, log, colours }, hasNull: texts.includes("null") };
  }

  function swatch({ colour, symbol }) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("width", "12");
    svg.setAttribute("height", "12");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", GLYPHS[symbol]);
    path.setAttribute("fill", colour);
    svg.append(path);
    return svg;
  }

  function drawLegend(coloured) {
    const entry = (one) => element("span", {}, swatch(one), one.label);
    const key = byId("colour").value;
    if (!key) return byId("legend").replaceChildren();
    const entries = [element("span", { className: "muted", text: key })];
    if (coloured.ramp) {
      const { low, high, log, colours } = coloured.ramp;
      const bar = element("span", { className: "ramp" });
      bar.style.background = `linear-gradient(to right, ${colours.join(", ")})`;
      const scaleName = element("span", { className: "muted", text: log ? "(log)" : "" });
      entries.push(element("span", {}, shortNumber(low), bar, shortNumber(high), scaleName));
      if (coloured.hasNull) entries.push(entry(coloured.classes.at(-1)));
    } else {
      entries.push(...coloured.classes.map(entry));
    }
    byId("legend").replaceChildren(...entries);
  }

  // ---------------------------------------------------------------- charts
  const PLOT_OPTIONS = {
    responsive: true, displaylogo: false, modeBarButtons: [["toImage", "resetScale2d"]],
    toImageButtonOptions: { format: "svg", filename: "nolab" },
  };

  function plotLayout(more) {
    const ink = themed("ink");
    return {
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: ink },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      margin: { l: 58, r: 14, t: 10, b: 46 }, hovermode: "closest", hoverdistance: 12, showlegend: false,
      hoverlabel: {
        align: "left", bgcolor: themed("panel"), bordercolor: themed("line"), font: { color: ink, size: 12 },
        namelength: 0,
      },
      modebar: { bgcolor: "rgba(0,0,0,0)" },
      ...more,
    };
  }

  /** An axis with a quiet grid; on a log axis ticks are written in full. */
  function axis(text, values, log, more = {}, room = 9) {
    const style = {
      type: log ? "log" : "linear", exponentformat: "power",
      title: { text: plain(text), standoff: 8, font: { size: 12, color: themed("muted") } },
      gridcolor: themed("grid"), linecolor: themed("muted"), tickcolor: themed("muted"), zeroline: false,
      showline: true, ticks: "outside", ticklen: 4, automargin: true, ...more,
    };
    return log ? { ...style, ...logTicks(values.filter((value) => value > 0), room) } : style;
  }

  const LOG_STEPS = [[1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8], [1, 1.5, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]];

  /** The densest round ticks of which at most `room` lie among the values. */
  function logTicks(values, room) {
    if (!values.length) return {};
    const low = values.reduce((a, b) => Math.min(a, b));
    const high = values.reduce((a, b) => Math.max(a, b));
    const powers = [];
    for (let power = Math.floor(Math.log10(low)) - 1; power <= Math.log10(high) + 1; power += 1) powers.push(power);
    const ticks = (steps) => powers.flatMap((power) => steps.map((step) => Number((step * 10 ** power).toPrecision(3))));
    const inside = (tick) => tick >= 0.8 * low && tick <= 1.25 * high;
    const candidates = (high > 1.2 * low ? LOG_STEPS : LOG_STEPS.slice(2)).map(ticks);
    const every = Math.ceil(powers.length / room);
    candidates.push(ticks([1]).filter((_, k) => k % every === 0));
    const tickvals = candidates.find((some) => some.filter(inside).length <= room) ?? candidates.at(-1);
    return { tickvals, ticktext: tickvals.map(shortNumber) };
  }

  /** Whether numbers are better told apart on a log axis. */
  function wideSpan(values) {
    const low = values.reduce((a, b) => Math.min(a, b), Infinity);
    return low > 0 && values.reduce((a, b) => Math.max(a, b), 0) > 5 * low;
  }

  /** Lines that tell a run in a hover label. */
  function runLines(i) {
    const settings = runs.overrides[i] ?? Object.entries(keys).map(([key, texts]) => `${key}=${texts[i]}`);
    const lines = settings.slice(0, 10).map((text) => plain(cut(text, 64)));
    if (settings.length > 10) lines.push(`and ${settings.length - 10} more`);
    return [`<b>${plain(cut(runs.id[i], 64))}</b>`, ...lines];
  }

  const figureLine = (name, value) => `${plain(name)}: <b>${shortNumber(value)}</b>`;

  // ---------------------------------------------------------------- scatter
  /** Points of the runs shown that have both figures. */
  function runPoints(xName, yName) {
    const has = (i) => figures[xName][i] !== null && figures[yName][i] !== null;
    return state.shown.filter(has).map((i) => ({ x: figures[xName][i], y: figures[yName][i], run: i }));
  }

  /** Medians and quartiles over the runs that differ in nothing but their seed. */
  function medianPoints(xName, yName) {
    const swept = Object.keys(keys).filter((key) => key !== SEED);
    const label = (i) => JSON.stringify(swept.map((key) => keys[key][i]));
    const points = [];
    for (const members of Map.groupBy(state.shown, label).values()) {
      const x = spreadOf(xName, members);
      const y = spreadOf(yName, members);
      if (!x || !y || !Number.isFinite(x.median) || !Number.isFinite(y.median)) continue;
      const words = swept.map((key) => `${key}=${keys[key][members[0]]}`);
      points.push({ x: x.median, y: y.median, bars: { x, y }, run: members[0], members, words });
    }
    return points;
  }

  /** Spread of a figure; a run without an error is a miss, not left out. */
  function spreadOf(name, members) {
    const missed = largerIsBetter(name) ? -Infinity : Infinity;
    const isError = /^(final|best)\//.test(name);
    const values = members.map((i) => figures[name][i] ?? (isError ? missed : null)).filter((value) => value !== null);
    return values.length ? spread(values) : null;
  }

  function pointText(point, xName, yName) {
    const both = [figureLine(yName, point.y), figureLine(xName, point.x)];
    if (!point.members) {
      const more = [ERROR, "cost/train_s", "cost/steps"].filter((n) => n !== xName && n !== yName && figures[n]);
      return [...runLines(point.run), ...both, ...more.map((n) => figureLine(n, figures[n][point.run]))].join("<br>");
    }
    const words = point.words.length ? point.words.map((word) => plain(cut(word, 64))) : ["all runs"];
    return [`<b>median of ${plural(point.members.length, "run")}</b>`, ...words, ...both].join("<br>");
  }

  const bars = (points, side) => {
    const reach = (from, to) => (Number.isFinite(to - from) ? to - from : 0);
    return {
      type: "data", symmetric: false, thickness: 1, width: 3, color: themed("muted"),
      array: points.map((p) => reach(p[side], p.bars[side].high)),
      arrayminus: points.map((p) => reach(p.bars[side].low, p[side])),
    };
  };

  function scatterTraces(points, coloured, xName, yName) {
    const small = points.length > 150;
    return [...Map.groupBy(points, (point) => coloured.of(point.run))].map(([k, members]) => ({
      type: "scatter", mode: "markers", name: "points",
      x: members.map((p) => p.x), y: members.map((p) => p.y), customdata: members,
      hovertext: members.map((p) => pointText(p, xName, yName)), hoverinfo: "text",
      marker: {
        color: coloured.classes[k].colour, symbol: coloured.classes[k].symbol, size: small ? 7 : 9,
        opacity: small ? 0.75 : 0.95, line: { color: themed("panel"), width: small ? 0.5 : 1 },
      },
      ...(members[0].members ? { error_x: bars(members, "x"), error_y: bars(members, "y") } : {}),
    }));
  }

  function frontTrace(front, xName) {
    return {
      type: "scatter", mode: "lines+markers", name: "front", hoverinfo: "skip", opacity: 0.85,
      x: front.map((p) => p.x), y: front.map((p) => p.y), customdata: front,
      line: { color: themed("front"), width: 1.3, shape: largerIsBetter(xName) ? "vh" : "hv" },
      marker: { symbol: "circle-open", size: 14, color: themed("front"), line: { width: 1.3 } },
    };
  }

  function drawScatter(coloured) {
    const [xName, yName] = [byId("x").value, byId("y").value];
    const medians = byId("points").value === "medians";
    const points = medians ? medianPoints(xName, yName) : runPoints(xName, yName);
    const shared = medians && byId("colour").value === SEED; // a median has no seed of its own
    const front = paretoFront(points.filter(onAxes), xName, yName);
    const layout = plotLayout({
      xaxis: axis(title(xName), points.map((p) => p.x), byId("x-log").checked),
      yaxis: axis(title(yName), points.map((p) => p.y), byId("y-log").checked),
    });
    const missing = state.shown.length - points.reduce((sum, p) => sum + (p.members?.length ?? 1), 0);
    byId("scatter-note").textContent =
      `${plural(points.length, medians ? "median" : "run")}, ${front.length} on the front (line)` +
      (missing ? `; ${plural(missing, "run")} without these figures` : "") +
      (medians ? ". Bars: quartiles over the seeds." : ". Click a point for its run.");
    const traces = [frontTrace(front, xName), ...scatterTraces(points, shared ? colouring("") : coloured, xName, yName)];
    return draw("scatter", traces, layout, ({ run, members, words }) => {
      if (!members) location.hash = hashOf(run);
      else setFilter(words.map((word) => (/\s/.test(word) ? `"${word}"` : word)).join(" "));
    });
  }

  /** Whether the axes show a point: a log axis has no place for zero. */
  const onAxes = (point) => (!byId("x-log").checked || point.x > 0) && (!byId("y-log").checked || point.y > 0);

  function draw(id, traces, layout, onClick) {
    const chart = byId(id);
    return Plotly.react(chart, traces, layout, PLOT_OPTIONS).then(() => {
      chart.removeAllListeners("plotly_click");
      if (onClick) chart.on("plotly_click", (event) => onClick(event.points[0].customdata));
    });
  }

  // ---------------------------------------------------------------- learning curves
  /** The run's columns that hold a curve's name. */
  const curveOf = (i, name) => (name.startsWith("train/") ? report.curves[i].train : report.curves[i].eval);

  /** One trace for all runs of a colour, with gaps between them: hundreds of runs stay quick. */
  function curveTrace(members, style, xName, yName, markers) {
    const trace = { x: [], y: [], customdata: [], hovertext: [] };
    for (const i of members) {
      const columns = curveOf(i, yName);
      const text = runLines(i).join("<br>");
      columns[xName].forEach((x, k) => {
        trace.x.push(x);
        trace.y.push(columns[yName][k]);
        trace.customdata.push({ run: i });
        trace.hovertext.push(`${text}<br>${figureLine(yName, columns[yName][k])} at ${shortNumber(x)}`);
      });
      trace.x.push(null);
      trace.y.push(null);
      trace.customdata.push(null);
      trace.hovertext.push("");
    }
    return {
      ...trace, type: "scatter", mode: markers ? "lines+markers" : "lines", name: "curves", hoverinfo: "text",
      connectgaps: false, opacity: members.length > 40 ? 0.55 : 0.9,
      line: { color: style.colour, width: markers ? 1.5 : 1 }, marker: { color: style.colour, size: 4 },
    };
  }

  function drawCurves(coloured) {
    const [xName, yName] = [byId("curve-x").value, byId("curve-y").value];
    if (!yName) return null;
    const members = state.shown.filter((i) => curveOf(i, yName)[yName] && curveOf(i, yName)[xName]);
    const groups = [...Map.groupBy(members, coloured.of)].sort(([a], [b]) => a - b);
    const markers = members.length <= 24 && !yName.startsWith("train/");
    const traces = groups.map(([k, some]) => curveTrace(some, coloured.classes[k], xName, yName, markers));
    const values = traces.flatMap((trace) => trace.y).filter((value) => value !== null);
    byId("curves-note").textContent =
      plural(members.length, "run") + (yName.startsWith("train/") ? "; 60 records of each at most." : ".");
    const xTitle = byId("curve-x").selectedOptions[0].textContent;
    const layout = plotLayout({
      xaxis: axis(xTitle, [], false, { rangemode: "tozero" }),
      yaxis: axis(yName, values, true),
    });
    return draw("curves", traces, layout, ({ run }) => { location.hash = hashOf(run); });
  }

  // ---------------------------------------------------------------- what matters
  /** The keys that vary among the runs, those first that explain most of a figure's logarithm. */
  function importance(name, members) {
    const positive = members.filter((i) => figures[name]?.[i] > 0);
    const values = positive.map((i) => Math.log(figures[name][i]));
    const all = Object.keys(keys).map((key) => ({ key, ...explained(values, positive.map((i) => keys[key][i])) }));
    return all.filter(({ groups }) => groups > 1).sort((a, b) => b.share - a.share);
  }

  function drawMatters() {
    const name = byId("y").value;
    byId("matters-figure").textContent = name;
    const none = element("li", { className: "muted", text: "No key varies among the runs shown." });
    const bars = importance(name, state.shown).map(matterRow);
    byId("matters").replaceChildren(...(bars.length ? bars : [none]));
  }

  function matterRow({ key, share, chance, groups }) {
    const fill = element("span", { className: "fill" });
    fill.style.width = `${100 * share}%`;
    const tick = element("span", { className: "tick" });
    tick.style.left = `${100 * Math.min(1, chance)}%`;
    const text = `${(100 * share).toFixed(0)} %`;
    const label = `${plural(groups, "value")}, by chance ${(100 * chance).toFixed(0)} %`;
    return element(
      "li", { className: key === SEED ? "seed" : "", title: label },
      element("span", { className: "name", text: key }),
      element("span", { className: "track" }, fill, tick),
      element("span", { className: "figure", text }),
    );
  }

  // ---------------------------------------------------------------- the table
  const columns = [
    { name: "run", value: (i) => runs.id[i] },
    ...Object.keys(keys).map((key) => ({ name: key, value: (i) => keys[key][i] })),
    ...MAIN_FIGURES.filter((name) => figures[name]).map((name) => ({
      name, figure: true, value: (i) => figures[name][i],
    })),
  ];
  const rows = [];

  function buildTable() {
    const head = element("tr", {}, element("th", {}, element("span", { "aria-label": "on the front" })));
    for (const column of columns) {
      const button = element("button", { type: "button", text: column.name });
      button.addEventListener("click", () => sortBy(column));
      column.header = element("th", { scope: "col", className: column.figure ? "number" : "" }, button);
      if (column.figure) column.header.title = title(column.name);
      head.append(column.header);
    }
    byId("table").tHead.append(head);
    rows.push(...everyRun.map(buildRow));
    byId("table").tBodies[0].append(...rows);
  }

  function buildRow(i) {
    const link = element("a", { href: `#${hashOf(i)}`, text: runs.id[i], title: runs.path[i] });
    const row = element("tr", { "data-run": i }, element("td", { className: "mark" }), element("td", {}, link));
    for (const column of columns.slice(1)) {
      const value = column.value(i);
      const text = column.figure ? figureText(value) : value;
      row.append(element("td", { text, title: text, className: column.figure ? "number" : "" }));
    }
    row.addEventListener("click", () => { location.hash = hashOf(i); });
    return row;
  }

  function sortBy(column) {
    const again = state.sort.column === column;
    state.sort = { column, descending: again && !state.sort.descending };
    for (const { header } of columns) header.removeAttribute("aria-sort");
    column.header.setAttribute("aria-sort", state.sort.descending ? "descending" : "ascending");
    const sign = state.sort.descending ? -1 : 1;
    const missing = (value) => value === null || value === "null";
    const order = [...everyRun].sort((i, j) => {
      const [a, b] = [column.value(i), column.value(j)];
      if (missing(a) || missing(b)) return missing(a) - missing(b) || i - j;
      return sign * (column.figure ? a - b : compareTexts(a, b)) || i - j;
    });
    byId("table").tBodies[0].append(...order.map((i) => rows[i]));
  }

  function drawTable() {
    const [xName, yName] = [byId("x").value, byId("y").value];
    const front = new Set(paretoFront(runPoints(xName, yName).filter(onAxes), xName, yName).map((p) => p.run));
    const shown = new Set(state.shown);
    rows.forEach((row, i) => {
      row.hidden = !shown.has(i);
      row.classList.toggle("front", front.has(i));
      row.cells[0].textContent = front.has(i) ? "●" : "";
    });
  }

  // ---------------------------------------------------------------- pictures
  const pictured = report.pictures.map(({ run }) => run);

  function buildPictures() {
    byId("pictures").hidden = !pictured.length;
    byId("pictures-note").textContent =
      `${pictured.length} of ${plural(runs.id.length, "run")}: the front of error and training seconds first, ` +
      "then the best by error. More with --pictures.";
    byId("pictures").querySelector(".gallery").append(...report.pictures.map(buildPicture));
  }

  function buildPicture({ run: i, uri }) {
    const image = element("img", { src: uri, alt: "", decoding: "async" });
    const button = element("button", { type: "button", "aria-label": `details of ${runs.id[i]}` }, image);
    button.addEventListener("click", () => { location.hash = hashOf(i); });
    const settings = Object.keys(keys).map((key) => `${key}=${keys[key][i]}`).join(" ");
    const caption = element("figcaption", { text: settings || runs.id[i] });
    if (figures[ERROR]) caption.append(element("span", { className: "muted", text: ` · ${shortNumber(figures[ERROR][i])}` }));
    return element("figure", { "data-run": i }, button, caption);
  }

  function drawPictures() {
    const shown = new Set(state.shown);
    for (const figure of byId("pictures").querySelectorAll("figure")) figure.hidden = !shown.has(Number(figure.dataset.run));
  }

  // ---------------------------------------------------------------- a run's details
  const hashOf = (i) => `run=${encodeURIComponent(runs.id[i])}`;

  /** The run that the address names, -1 for none. */
  function runOfAddress() {
    if (!location.hash.startsWith("#run=")) return -1;
    try {
      return runs.id.indexOf(decodeURIComponent(location.hash.slice(5)));
    } catch {
      return -1;
    }
  }

  function openAddressed() {
    const i = runOfAddress();
    if (i < 0) return byId("details").close();
    fillDetails(i);
    if (!byId("details").open) byId("details").showModal();
    byId("details").scrollTop = 0;
    return drawDetails(i);
  }

  function fillDetails(i) {
    byId("run-id").textContent = runs.id[i];
    byId("run-path").textContent = runs.path[i];
    const overrides = runs.overrides[i];
    const chips = (overrides ?? []).map((text) => element("code", { text }));
    const none = overrides ? "The default config, nothing overridden." : "Its overrides were not recorded.";
    byId("run-overrides").replaceChildren(...(chips.length ? chips : [element("span", { className: "muted", text: none })]));
    byId("command").textContent = runs.command[i];
    byId("copy").textContent = "Copy";
    const named = Object.keys(figures).filter((name) => figures[name][i] !== null);
    byId("run-figures").replaceChildren(...named.map((name) => pair(name, figureText(figures[name][i]))));
    byId("run-environment").replaceChildren(...texts(report.environment, i));
    byId("run-config").replaceChildren(...texts(report.config, i));
    fillPicture(i);
    fillLevels(i);
  }

  const texts = (table, i) =>
    Object.entries(table).filter(([, column]) => at(column, i) !== null).map(([name, column]) => pair(name, at(column, i)));

  function fillPicture(i) {
    const uri = report.pictures.find(({ run }) => run === i)?.uri;
    byId("run-picture").hidden = !uri;
    byId("no-picture").hidden = Boolean(uri);
    if (uri) byId("run-picture").src = uri;
    else byId("run-picture").removeAttribute("src");
    byId("no-picture").textContent =
      `None here: ${plural(pictured.length, "run")} of ${runs.id.length} have theirs in this report (--pictures).`;
  }

  // ---------------------------------------------------------------- levels
  const LEVEL_FIGURES = [
    { head: "error", prefix: ERROR },
    { head: "samples", prefix: "cost/samples" },
    { head: "ms per sample", prefix: "mlmc/C", factor: 1000 },
    { head: "samples per step", prefix: "mlmc/n" },
    { head: "variance", prefix: "mlmc/V" },
  ];
  const points = (level) => level.split("x").reduce((product, size) => product * Number(size), 1);

  /** Levels of a run, coarsest first, each with its figures and its share of the cost. */
  function levelsOf(i) {
    const names = new Set();
    for (const { prefix } of LEVEL_FIGURES) {
      for (const name of Object.keys(figures)) {
        if (name.startsWith(`${prefix}/`) && figures[name][i] !== null) names.add(name.slice(prefix.length + 1));
      }
    }
    const levels = [...names].sort((a, b) => points(a) - points(b) || compareTexts(a, b)).map((name) => ({
      name,
      figures: LEVEL_FIGURES.map(({ prefix, factor = 1 }) => {
        const value = figures[`${prefix}/${name}`]?.[i] ?? null;
        return value === null ? null : factor * value;
      }),
    }));
    const costs = levels.map(({ figures: [, samples, each] }) => (samples === null || each === null ? null : samples * each));
    const total = costs.reduce((sum, cost) => sum + (cost ?? 0), 0);
    return levels.map((level, k) => ({ ...level, share: costs[k] === null || !total ? null : costs[k] / total }));
  }

  function fillLevels(i) {
    const levels = levelsOf(i);
    const used = LEVEL_FIGURES.map((_, k) => k).filter((k) => levels.some((level) => level.figures[k] !== null));
    byId("run-levels").hidden = !levels.length;
    const table = byId("run-levels").querySelector("table");
    const heads = ["level", ...used.map((k) => LEVEL_FIGURES[k].head), "share of cost"];
    const head = element("tr", {}, ...heads.map((text, k) => element("th", { text, className: k ? "number" : "" })));
    table.tHead.replaceChildren(head);
    table.tBodies[0].replaceChildren(...levels.map((level) => levelRow(level, used)));
  }

  function levelRow(level, used) {
    const numbers = used.map((k) => element("td", { text: figureText(level.figures[k]), className: "number" }));
    const share = element("td", { className: "number", text: level.share === null ? "–" : `${(100 * level.share).toFixed(0)} %` });
    return element("tr", {}, element("td", { text: level.name }), ...numbers, share);
  }

  /** Small charts side by side: what a level costs, and each of its figures on a log axis. */
  function drawLevels(i) {
    const levels = levelsOf(i);
    const charts = [
      { head: "share of cost", values: levels.map((level) => level.share), bar: true },
      ...LEVEL_FIGURES.map(({ head }, k) => ({ head, values: levels.map((level) => level.figures[k]) })),
    ].filter(({ values }) => values.some((value) => value !== null));
    const perRow = byId("details").clientWidth < 600 ? 2 : 3;
    const lines = Math.ceil(charts.length / perRow);
    const names = levels.map((level) => plain(level.name));
    const traces = charts.map((chart, k) => levelTrace(chart, names, k ? k + 1 : ""));
    const layout = plotLayout({
      grid: { rows: lines, columns: perRow, pattern: "independent", xgap: 0.28, ygap: 0.42 },
      margin: { l: 48, r: 10, t: 24, b: 30 },
      annotations: charts.map(({ head }, k) => ({
        text: head, showarrow: false, xref: `x${k ? k + 1 : ""} domain`, yref: `y${k ? k + 1 : ""} domain`,
        x: 0, y: 1.02, xanchor: "left", yanchor: "bottom", font: { size: 12, color: themed("muted") },
      })),
    });
    charts.forEach(({ values, bar }, k) => {
      layout[`xaxis${k ? k + 1 : ""}`] = axis("", [], false, { type: "category", tickangle: 0 });
      layout[`yaxis${k ? k + 1 : ""}`] = axis("", values, !bar, bar ? { tickformat: ".0%", rangemode: "tozero" } : {}, 4);
    });
    byId("levels-chart").style.height = `${60 + 130 * lines}px`;
    return draw("levels-chart", traces, layout);
  }

  function levelTrace({ values, bar }, names, number) {
    const colour = themed("c0");
    const style = bar ? { type: "bar", width: 0.5 } : { type: "scatter", mode: "lines+markers", line: { color: colour, width: 1.5 } };
    return {
      ...style, x: names, y: values, xaxis: `x${number}`, yaxis: `y${number}`, marker: { color: colour, size: 6 },
      hoverinfo: "text", hovertext: values.map((value, k) => `${names[k]}: ${shortNumber(value)}`),
    };
  }

  function drawRunCurves(i) {
    const sets = [report.curves[i].train, report.curves[i].eval];
    const x = "cost/train_s";
    const curves = sets.flatMap((set) =>
      Object.keys(set).filter((name) => set[x] && /^(eval\/|train\/loss$)/.test(name)).map((name) => ({ name, x: set[x], y: set[name] })),
    );
    byId("run-curves").hidden = !curves.length;
    if (!curves.length) return null;
    const colour = ({ name }, k) => (name.startsWith("train/") ? themed("none") : themed(`c${(k + PALETTE - 1) % PALETTE}`));
    const traces = curves.map((curve, k) => ({
      type: "scatter", x: curve.x, y: curve.y, name: plain(curve.name), opacity: 0.9,
      mode: curve.name.startsWith("train/") ? "lines" : "lines+markers",
      line: { color: colour(curve, k), width: 1.5, dash: curve.name.split("/").length > 2 ? "dot" : "solid" },
      marker: { size: 4 }, hoverinfo: "text",
      hovertext: curve.y.map((y, n) => `${plain(curve.name)}: <b>${shortNumber(y)}</b><br>at ${shortNumber(curve.x[n])} s`),
    }));
    const layout = plotLayout({
      xaxis: axis("training seconds", [], false, { rangemode: "tozero" }),
      yaxis: axis("", curves.flatMap((curve) => curve.y).filter((y) => y > 0), true),
      showlegend: true, legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, font: { size: 11 } },
      margin: { l: 50, r: 10, t: 30, b: 44 },
    });
    return draw("run-chart", traces, layout);
  }

  /** Both charts of the details; they may have been drawn last in a window of another width. */
  async function drawDetails(i) {
    await Promise.all([drawLevels(i), drawRunCurves(i)]);
    const seen = ["levels-chart", "run-chart"].map(byId).filter((chart) => chart.offsetWidth > 0 && chart.data);
    return Promise.all(seen.map((chart) => Plotly.Plots.resize(chart)));
  }

  async function copyCommand() {
    const text = byId("command").textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch { // no permission, or an old browser: select it and copy the selection
      getSelection().selectAllChildren(byId("command"));
      document.execCommand("copy");
    }
    byId("copy").textContent = "Copied";
  }

  // ---------------------------------------------------------------- head and controls
  function fillHead() {
    byId("title").textContent = report.title;
    const skipped = report.skipped.length;
    byId("facts").textContent = [
      `${plural(runs.id.length, "finished run")}${skipped ? `, ${skipped} skipped` : ""}`, report.source.join(" "),
      report.date, `nolab ${report.version}`,
    ].join(" · ");
    byId("sweep").replaceChildren(...Object.entries(keys).map(([key, texts]) => pair(key, sweptValues(texts))));
    byId("skipped").hidden = !skipped;
    byId("skipped").querySelector("summary").textContent = `${plural(skipped, "run")} skipped`;
    byId("skipped").querySelector("ul").append(
      ...report.skipped.map(({ name, reason }) => element("li", { text: `${name}: ${reason}` })),
    );
  }

  function sweptValues(texts) {
    const values = [...new Set(texts)].sort(compareTexts);
    if (values.length <= 8) return values.join(", ");
    return `${values.slice(0, 3).join(", ")}, … ${values.at(-1)} (${values.length} values)`;
  }

  function fillSelect(id, names, chosen) {
    const options = names.map((name) => element("option", { value: name, text: title(name), title: name }));
    byId(id).replaceChildren(...options);
    if (names.includes(chosen)) byId(id).value = chosen;
  }

  function fillControls() {
    const names = Object.keys(figures);
    fillSelect("x", names, "cost/train_s");
    fillSelect("y", names, ERROR);
    const curves = new Set(report.curves.flatMap(({ train, eval: errors }) => [...Object.keys(errors), ...Object.keys(train)]));
    fillSelect("curve-y", [...curves].filter((name) => /^(eval|train)\//.test(name)), "eval/rel_l2");
    const none = element("option", { value: "", text: "none" });
    byId("colour").replaceChildren(none, ...Object.keys(keys).map((key) => element("option", { value: key, text: key })));
    byId("colour").value = importance(ERROR, everyRun).find(({ key }) => key !== SEED)?.key ?? "";
    suggestLog("x");
    suggestLog("y");
  }

  /** A log axis where numbers span more than 5×; none where some are not positive. */
  function suggestLog(side) {
    const values = (figures[byId(side).value] ?? []).filter((value) => value !== null);
    byId(`${side}-log`).checked = wideSpan(values);
    byId(`${side}-log`).disabled = values.some((value) => value <= 0);
  }

  function setFilter(text) {
    byId("filter").value = text;
    drawAll();
  }

  function drawAll() {
    state.shown = matching(byId("filter").value);
    byId("shown").textContent = `${state.shown.length} of ${plural(runs.id.length, "run")}`;
    const coloured = colouring(byId("colour").value);
    drawLegend(coloured);
    drawTable();
    drawPictures();
    drawMatters();
    return Promise.all([drawScatter(coloured), drawCurves(coloured)]);
  }

  function showTheme() {
    byId("theme").textContent = isDark() ? "Light" : "Dark";
    byId("theme").setAttribute("aria-pressed", String(isDark()));
  }

  function redraw() {
    showTheme();
    drawAll();
    if (byId("details").open) drawDetails(runOfAddress());
  }

  function listen() {
    let waiting;
    byId("filter").addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(drawAll, 120);
    });
    for (const id of ["filter", "colour", "x-log", "y-log", "points", "curve-x", "curve-y"]) byId(id).addEventListener("change", drawAll);
    for (const side of ["x", "y"]) {
      byId(side).addEventListener("change", () => {
        suggestLog(side);
        drawAll();
      });
    }
    byId("theme").addEventListener("click", () => {
      document.documentElement.dataset.theme = isDark() ? "light" : "dark";
      redraw();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    byId("copy").addEventListener("click", copyCommand);
    const details = byId("details");
    byId("close").addEventListener("click", () => details.close());
    details.addEventListener("click", (event) => { if (event.target === details) details.close(); });
    details.addEventListener("close", () => {
      if (location.hash) history.replaceState(null, "", location.pathname + location.search);
    });
    addEventListener("hashchange", openAddressed);
  }

  fillHead();
  fillControls();
  buildTable();
  sortBy(columns.find(({ name }) => name === ERROR) ?? columns[0]);
  buildPictures();
  listen();
  showTheme();
  drawAll().then(openAddressed).then(() => { document.documentElement.dataset.ready = "yes"; });
})();
