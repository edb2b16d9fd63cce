"""The device of a run, and the memory of its tensors."""

import platform
import subprocess
import sys

import pytest

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
    assert page_faults("keep") < 1000 < page_faults("give back")
