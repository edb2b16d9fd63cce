"""Code outside nolab that a run's config names."""

import re
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from nolab.errors import InputError
from nolab.runs import refuse_code


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({"model": {"name": "mine.low_rank"}}, "model is code outside nolab (mine.low_rank)"),
        ({"sampling": {"estimator": "mine.x"}}, "sampling is code outside nolab (mine.x)"),
        ({"points": {"scheme": "mine.x"}}, "points is code outside nolab (mine.x)"),
        ({"dataset": {"problem": "mine.x"}}, "dataset is code outside nolab (mine.x)"),
        (
            {
                "sampling": {
                    "estimator": "curriculum",
                    "phases": [{"estimator": "fine"}, {"estimator": "mine.x"}],
                }
            },
            "sampling.phases[1] is code outside nolab (mine.x)",
        ),
        (
            {"model": {"name": "fno", "deep": [{"deeper": {"_target_": "os.system"}}]}},
            "model.deep[0].deeper is code outside",
        ),
        ({"a": "mine.x", "sampling": {"estimator": "${a}"}}, "sampling is code outside nolab (mine.x)"),
    ],
)
def test_code_is_found_at_any_depth(config, code):
    with pytest.raises(InputError, match=re.escape(code)):
        refuse_code(OmegaConf.create(config), Path("run"), "--trust")


def test_what_only_looks_like_code_is_no_code():
    plain = {
        "name": "v1.2",
        "model": {"name": "fno"},
        "optimizer": {"name": "a.b"},
        "dataset": {"path": "x.npz"},
    }
    refuse_code(OmegaConf.create(plain), Path("run"), "--trust")
