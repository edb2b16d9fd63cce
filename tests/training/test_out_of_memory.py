"""Memory that does not suffice ends in what a step needs and what to change.

CUDA's allocator is stood in for by its exceptions; the CPU's is the real one.
"""

import os
import re
import subprocess
import sys

import numpy as np
import out_of_memory_support as support
import pytest
import torch
from omegaconf import OmegaConf

import nolab
from nolab.training import step_memory
from nolab.training.memory import OutOfMemory, is_out_of_memory, shown

WEIGHTS = 4 * 2  # a 1×1 convolution of one channel, float32


def greedy(tiny, *overrides, most=2, where="training"):
    """A run of the greedy model, at the finest level unless the overrides say otherwise."""
    config = nolab.compose(tiny("sampling=fine", "sampling.batch_size=2", *overrides))
    model = {"_target_": "out_of_memory_support.Greedy", "most": most, "where": where}
    OmegaConf.update(config, "model", model, merge=False)
    return config


def refusal(*call):
    with pytest.raises(OutOfMemory) as caught:
        nolab.train(*call)
    return str(caught.value)


def real(allocate):
    with pytest.raises((RuntimeError, MemoryError)) as caught:
        allocate()
    return caught.value


class TestRecognition:
    @pytest.mark.parametrize(
        "error",
        [
            real(lambda: torch.empty(2**50)),
            real(lambda: np.empty(2**50)),
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
            RuntimeError("CUDA error: out of memory"),
            RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
            RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_allocators_errors(self, error):
        assert is_out_of_memory(error)

    @pytest.mark.parametrize(
        "error", [RuntimeError("shapes differ"), ValueError("out of memory"), OutOfMemory("out of memory")]
    )
    def test_nothing_else(self, error):
        assert not is_out_of_memory(error)


class TestStep:
    def test_it_says_what_a_step_needs_and_what_fits(self, tiny, monkeypatch, tmp_path):
        one = nolab.train(greedy(tiny, "sampling.batch_size=1")).summary["cost/saved_gib"] * 2**30
        free = (
            WEIGHTS + 2 * WEIGHTS + int(3 * one) - 1
        )  # gradients, the optimizer's moments, nearly three samples
        monkeypatch.setattr(step_memory, "free_memory", lambda device: free)
        monkeypatch.setattr(step_memory, "total_memory", lambda device: 2**20)
        said = refusal(greedy(tiny, "sampling.batch_size=8"))
        assert said.startswith("out of memory on cpu at step 0, which evaluates 8 samples at 17x17 (")
        assert f"({shown(one)} for the backward of one, {shown(8 * one)} for all)" in said
        assert "weights 8 B, gradients 8 B, optimizer 16 B" in said
        assert f"{shown(free)} of 1 MiB were free before the first step, " in said
        helps = said.partition("What helps: ")[2].split("; ")
        assert helps == [
            "sampling.batch_size=1 (now 8, and 2 have just run without room to spare)",
            "precision=amp_bf16",
            "dataset.finest=9 (leaves 17x17 out)",
            "a device with more memory",
        ]
        assert nolab.train(greedy(tiny, "sampling.batch_size=2")).finished

    def test_of_several_levels_the_largest_counts(self, tiny, monkeypatch):
        monkeypatch.setattr(step_memory, "free_memory", lambda device: 0)
        said = refusal(greedy(tiny, "sampling=mlmc", "sampling.batch_size=2", "delta=3", most=3))
        terms = re.findall(r"(\d+) samples at (\w+) \(", said)
        assert sorted(terms) == [("2", "17x17"), ("6", "9x9")]
        assert "batch_size" not in said  # none fits

    @pytest.mark.parametrize(("most", "fits"), [(7, 4), (3, 2), (1, 1)])
    def test_a_batch_that_fits_by_the_measurement_alone_is_not_named(self, tiny, most, fits):
        """There is memory for all, and yet more than `most` samples do not run."""
        assert f"sampling.batch_size={max(1, fits // 2)} (now 8, and {fits} have" in refusal(
            greedy(tiny, "sampling.batch_size=8", most=most)
        )

    def test_where_not_one_sample_fits_it_says_so(self, tiny):
        said = refusal(greedy(tiny, most=0))
        assert "2 samples at 17x17 (where not even one fits)" in said
        assert "batch_size" not in said

    def test_data_that_take_much_can_live_elsewhere(self, tiny, monkeypatch):
        data = 16 * 4 * (2 * 289 + 1 + 2 * 81 + 1)
        monkeypatch.setattr(step_memory, "total_memory", lambda device: 9 * data)
        said = refusal(greedy(tiny, "sampling.batch_size=8"))
        assert f"+dataset.residency=stream (the data take {shown(data)})" in said
        assert "residency" not in refusal(greedy(tiny, "sampling.batch_size=8", "+dataset.residency=stream"))

    def test_blocks_that_can_be_recomputed_are(self, tiny, monkeypatch):
        """The optimizer's step fails, as it does where its moments do not fit."""

        def fail(*_):
            raise torch.OutOfMemoryError("CUDA out of memory.")

        monkeypatch.setattr("nolab.training.optimizer._AdamW.step", fail)
        assert "checkpointing=true" in refusal(nolab.compose(tiny()))
        assert "checkpointing=true" not in refusal(nolab.compose(tiny("checkpointing=true")))

    def test_what_the_step_held_is_free_before_anything_is_measured(self, tiny, monkeypatch):
        support.HELD.clear()
        found = []
        original = step_memory.measure_need

        def measure(*arguments):
            found.extend(held() for held in support.HELD)
            return original(*arguments)

        monkeypatch.setattr(step_memory, "measure_need", measure)
        refusal(greedy(tiny, "sampling.batch_size=8"))
        assert found == [None]

    def test_a_checkpoint_stays_and_goes_on(self, tiny, monkeypatch, tmp_path):
        from nolab.training.trainer import Trainer

        original = Trainer._step

        def step(self, share):
            if self.progress.step == 3:
                torch.empty(2**50)
            original(self, share)

        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "_step", step)
            said = refusal(nolab.compose(tiny()))
        (run_dir,) = (tmp_path / "outputs" / "train").iterdir()
        assert "at step 3" in said
        assert said.endswith(f"to go on where there is more memory: nolab train resume={run_dir} device=…")
        assert not (run_dir / "summary.json").exists()
        assert nolab.resume(run_dir).summary["cost/steps"] == 4

    def test_other_errors_pass(self, tiny, monkeypatch):
        def fail(*_):
            raise RuntimeError("shapes differ")

        monkeypatch.setattr("nolab.training.optimizer._AdamW.step", fail)
        with pytest.raises(RuntimeError, match=r"^shapes differ$"):
            nolab.train(nolab.compose(tiny()))


def test_an_evaluation_that_does_not_fit_is_named(tiny):
    said = refusal(greedy(tiny, most=3, where="evaluation"))
    assert said.startswith("out of memory: the evaluation of 4 sample(s) at 9x9 together can't be had, ")
    assert "are free on cpu" in said


def test_a_model_that_does_not_fit_is_named_before_anything_is_generated(tiny, tmp_path, monkeypatch):
    def full(*_, **__):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")

    monkeypatch.setattr("nolab.training.setup.build_model", full)
    said = refusal(nolab.compose(tiny(f"data_dir={tmp_path / 'none'}")))
    assert said.startswith("out of memory: the model's parameters can't be had, ")
    assert not (tmp_path / "none").exists()


LIMITED = """
import resource, sys
from nolab.cli import main
import nolab.training.train
from nolab.metrics.resources import free_memory
import torch

with open("/proc/self/statm") as sizes:
    mapped = int(sizes.read().split()[0]) * resource.getpagesize()
limit = mapped + int(sys.argv[1]) * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
assert free_memory(torch.device("cpu")) <= int(sys.argv[1]) * 2**20
nolab.training.execution.draw_pictures = lambda *_: None
sys.exit(main(["train", *sys.argv[2:]]))
"""


@pytest.mark.slow
def test_the_batch_that_is_named_fits_under_a_real_limit(tiny, tmp_path):
    nolab.train(
        nolab.compose(tiny("dataset.n_train=512", "dataset.resolution=65", "dataset.finest=65"))
    )  # data

    def run(batch):
        overrides = tiny(
            "dataset.n_train=512", "dataset.resolution=65", "dataset.finest=65", "sampling=fine",
            "model.hidden_channels=32", f"sampling.batch_size={batch}",
        )  # fmt: skip
        return subprocess.run(
            [sys.executable, "-c", LIMITED, "900", *overrides],
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=300,
        )

    failed = run(512)
    assert failed.returncode == 1, failed.stderr
    said = failed.stderr.splitlines()[-1]
    assert said.startswith("nolab: out of memory on cpu at step 0, which evaluates 512 samples at 65x65 (")
    assert "Traceback" not in failed.stderr
    largest = int(re.search(r"sampling.batch_size=(\d+) \(now 512,", said)[1])
    assert 8 <= largest < 512
    assert run(largest).returncode == 0
