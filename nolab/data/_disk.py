"""What a disk can hold at all: found before samples are listed one by one."""

import shutil
from pathlib import Path

from nolab.errors import InputError


def check_disk(folder: Path, size: int) -> None:
    """Refuse data that the disk of `folder` could not hold if it were empty.

    Raises
    ------
    InputError : the bytes that are needed and those that there are.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if size > (total := shutil.disk_usage(there).total):
        raise InputError(
            f"dataset: its store takes {size / 2**30:.3g} GiB, the disk of data_dir={folder} has {total / 2**30:.3g}; "
            "ask for fewer samples (dataset.n_train, dataset.n_test), or choose another data_dir"
        )
