"""The device of a run, and the memory of its tensors."""

import platform
import subprocess
import sys

import pytest
import torch

from nolab import device
from nolab.device import choose_device, prefer_gpu

PROGRAM = """
import resource, sys, torch
from nolab.device import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
def use():
    for _ in range(10):
        torch.empty(2**24).fill_(1.0)  # 64 MiB, 16384 pages
use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(how):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, timeout=60, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_freed_memory_is_used_again():
    # Usually none; what else the process allocates at that moment may take a part of a freed block.
    assert 4 * page_faults("keep") < page_faults("give back")


class TestPreferredGpu:
    @pytest.fixture
    def gpus(self, monkeypatch):
        """Let this process see `count` GPUs."""
        monkeypatch.setattr(device, "_auto_cuda", None)

        def see(count):
            monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
            monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

        return see

    def test_it_is_what_auto_takes_and_nothing_else(self, gpus):
        gpus(4)
        assert choose_device("auto") == torch.device("cuda", 0)
        prefer_gpu(lambda count: count - 1)
        assert choose_device("auto") == torch.device("cuda", 3)
        assert choose_device("cuda") == torch.device("cuda", 0)
        assert choose_device("cuda:2") == torch.device("cuda", 2)
        assert choose_device("cpu") == torch.device("cpu")

    def test_it_is_settled_once(self, gpus):
        gpus(2)
        prefer_gpu(lambda count: 0)  # the first is a choice too
        prefer_gpu(lambda count: 1)
        assert choose_device("auto") == torch.device("cuda", 0)

    @pytest.mark.parametrize("count", [0, 1])
    def test_nothing_is_chosen_where_there_is_no_choice(self, gpus, count):
        gpus(count)
        prefer_gpu(lambda _: pytest.fail("asked"))
        assert choose_device("auto").type == ("cuda" if count else "cpu")
