"""Error against cost of finished runs, seeds aggregated, as a Markdown table.

    python scripts/tabulate_runs.py outputs/darcy_races [--by precision.mode …] [--name NAME]

Runs are grouped by estimator and δ, or by the config keys after --by. With --name, the table and the
figures go to scripts/results/NAME.md and NAME.json.
"""

import argparse
from pathlib import Path
from statistics import median

from _measuring import RESULTS, finished_runs, middle, write_result
from omegaconf import OmegaConf


def group_of(run, keys):
    if keys:
        return ", ".join(str(OmegaConf.select(run.config, key)) for key in keys)
    sampling = run.config.sampling
    scheme = f" {sampling.scheme}" if sampling.estimator == "mlmc" else ""
    delta = f", δ = {sampling.delta:g}" if "delta" in sampling else ""
    return f"{sampling.estimator}{scheme}{delta}"


def table(groups, head):
    levels = [k for k in next(iter(groups.values()))[0].summary if k.startswith("final/rel_l2/")]
    shown = [*levels, "cost/train_s", "cost/steps", "cost/fine_equivalents", "cost/flops"]
    lines = [
        f"| {head} | seeds | " + " | ".join(k.removeprefix("final/rel_l2/") for k in shown) + " |",
        "|---" * (len(shown) + 2) + "|",
    ]
    finest = [k for k in levels if next(iter(groups.values()))[0].summary[k] is not None][-1]
    for name, runs in sorted(groups.items(), key=lambda item: median(r.summary[finest] for r in item[1])):
        forms = ["{:.4f}"] * len(levels) + ["{:.1f}", "{:.0f}", "{:.0f}", "{:.3g}"]
        cells = [middle([r.summary[k] for r in runs], form) for k, form in zip(shown, forms, strict=True)]
        lines.append(f"| {name} | {len(runs)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name")
    parser.add_argument("--by", nargs="+", default=[], metavar="KEY")
    options = parser.parse_args()
    groups = {}
    for run in finished_runs(options.folder):
        groups.setdefault(group_of(run, options.by), []).append(run)
    text = table(groups, ", ".join(options.by) or "estimator")
    print(text)
    if options.name:
        (RESULTS / f"{options.name}.md").write_text(text + "\n")
        figures = {name: [run.summary for run in members] for name, members in groups.items()}
        print(write_result(options.name, {"runs": figures}))


if __name__ == "__main__":
    main()
