"""Example 1 of arXiv 2409.13280 with the trunk's coordinates in [0, 1], as other codes give them.

    python scripts/points_unit_coordinates.py [SETTING ...]

nolab's trunks see 2s - 1 instead of s in [0, 1], which lowers the error; this script undoes it, to compare
with figures that were measured the other way. A setting is a comma-separated list of overrides, and
each runs with seeds 0, 1, 2; then: python scripts/tabulate_points.py outputs/points_unit_coordinates
"""

import sys

import nolab
from nolab.models import _deeponet

SETTINGS = ("neval=null", "neval=10", "points=stratified,points.scope=shared,neval=10", "neval=1")


def main() -> None:
    _deeponet.features = lambda position, domain, frequencies: position
    common = ["experiment=deeponet_dynamical", "name=points_unit_coordinates", "tracking=none"]
    for setting in sys.argv[1:] or SETTINGS:
        for seed in range(3):
            nolab.train(nolab.compose([*common, f"seed={seed}", "evaluation.times=2", *setting.split(",")]))


if __name__ == "__main__":
    main()
