"""How many samples each split takes, and from which on; no sample is in two of them."""

from nolab.data.importers.contents import UNSPLIT
from nolab.data.importers.options import FileOptions
from nolab.errors import InputError


def divide(held: dict[str, int], options: FileOptions) -> dict[str, range]:
    """Samples of each split, as numbers within its file.

    Parameters
    ----------
    held : number of samples that the file holds, per split; UNSPLIT alone where it has none.

    Raises
    ------
    InputError : more samples are asked for than there are, or a split is missing.
    """
    if set(held) == {UNSPLIT}:
        return _cut(held[UNSPLIT], options)
    if missing := {"train", "test"} - set(held):
        raise InputError(
            f"dataset.path: {options.path} has no {' and no '.join(sorted(missing))} split, but: {', '.join(held)}; "
            "name the files with dataset.path=… and dataset.test_path=…"
        )
    asked = {"train": options.n_train, "test": options.n_test}
    for split, count in asked.items():
        if count is not None and count > held[split]:
            raise InputError(
                f"dataset.n_{split}: {count} is more than the {held[split]} samples of {options.path}"
            )
    ordered = sorted(held, key=("train", "valid", "test").index)
    return {split: range(asked.get(split) or held[split]) for split in ordered}


def _cut(held: int, options: FileOptions) -> dict[str, range]:
    n_train, n_test = options.n_train, options.n_test
    if n_train is None:
        n_train = held - (n_test or 0)
    if n_test is None:
        n_test = held - n_train
    if n_train < 1 or n_test < 1 or n_train + n_test > held:
        raise InputError(
            f"dataset.n_train, dataset.n_test: {options.path} holds {held} samples; {max(n_train, 0)} to train (the "
            f"first) and {max(n_test, 0)} to test (the last) are not two sets without a common sample"
        )
    return {"train": range(n_train), "test": range(held - n_test, held)}
