"""Accuracy of runs that differ in batch size, N_eval, scheme and scope: at their end, and on the way.

    python scripts/tabulate_points.py outputs/NAME [--seconds 60 120] [--steps 300] [--name RESULT]

Every row is one setting, its seeds aggregated (median, range). `--seconds` and `--steps` add the
relative L2 of the last evaluation up to that many training seconds or steps: equal wall-clock and
equal steps from the same runs. With --name, table and figures go to scripts/results/.
"""

import argparse
import json
from pathlib import Path

from _measuring import RESULTS, finished_runs, middle, write_result


def setting(run):
    """What distinguishes the runs, as a sortable row head."""
    points, n_out = (
        run.config.points,
        next(v for k, v in run.summary.items() if k.startswith("points/neval/")),
    )
    every = points.scheme == "all" or points.get("neval") is None
    scheme = "all points" if every else f"{points.scheme}, {points.get('scope', '')}"
    return run.config.sampling.batch_size, n_out, scheme


def curve(run):
    """(seconds, steps, relative L2) of every evaluation."""
    with open(run.path / "metrics.jsonl", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    return [(r["cost/train_s"], r["step"], r["eval/rel_l2"]) for r in records if "eval/rel_l2" in r]


def last_before(run, column, limit):
    """Relative L2 of the last evaluation whose seconds (column 0) or steps (1) do not exceed `limit`."""
    known = [row[2] for row in curve(run) if row[column] <= limit * (1 + 1e-3)]
    return known[-1] if known else None


def table(groups, seconds, steps):
    """Markdown, one line per setting."""
    heads = ["batch", "N_eval", "points", "seeds", "final MSE", "final rel. L2", "R²", "train s", "steps"]
    heads += [f"rel. L2 at {s:g} s" for s in seconds] + [f"rel. L2 at step {n}" for n in steps]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for (batch, n, scheme), runs in sorted(groups.items()):
        finals = [[r.summary[k] for r in runs] for k in ("final/mse", "final/rel_l2")]
        cells = [str(batch), str(n), scheme, str(len(runs)), *map(middle, finals)]
        cells.append(middle([r.summary["final/r2"] for r in runs], "{:.4f}"))
        cells.append(middle([r.summary["cost/train_s"] for r in runs], "{:.0f}"))
        cells.append(middle([r.summary["cost/steps"] for r in runs], "{:.0f}"))
        cells += [middle([last_before(r, 0, s) for r in runs]) for s in seconds]
        cells += [middle([last_before(r, 1, s) for r in runs]) for s in steps]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, nargs="*", default=[])
    parser.add_argument("--steps", type=int, nargs="*", default=[])
    parser.add_argument("--name")
    options = parser.parse_args()
    groups = {}
    for run in finished_runs(options.folder):
        groups.setdefault(setting(run), []).append(run)
    text = table(groups, options.seconds, options.steps)
    print(text)
    if options.name:
        (RESULTS / f"{options.name}.md").write_text(text + "\n")
        figures = [
            {"setting": list(key), "seed": run.config.seed, "summary": run.summary, "curve": curve(run)}
            for key, members in sorted(groups.items())
            for run in members
        ]
        print(write_result(options.name, {"runs": figures}))


if __name__ == "__main__":
    main()
