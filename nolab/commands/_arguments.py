"""What the commands that read finished runs share on their command line."""

import argparse
from typing import NoReturn

from nolab.errors import InputError


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see {self.prog} --help")


def make_parser(command: str, description: str) -> argparse.ArgumentParser:
    """A parser whose mistakes are bad input like any other."""
    return _Parser(prog=f"nolab {command}", description=description, allow_abbrev=False)


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """RUN, --checkpoint, --device and --trust."""
    parser.add_argument("run", metavar="RUN", help="a run directory")
    parser.add_argument(
        "--checkpoint", default="last", choices=("last", "best", "previous"), help="default: last"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<index>")
    parser.add_argument(
        "--trust", action="store_true", help="import the code outside nolab that the run's config names"
    )
