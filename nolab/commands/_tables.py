"""Tables on a terminal or in a file."""

from typing import TextIO

from rich.console import Console
from rich.table import Table

from nolab.errors import printable


def print_table(columns: list[str], rows: list[list[str]], file: TextIO) -> None:
    """A plain table; columns of figures to the right, text and the first column to the left."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for i, column in enumerate(columns):
        figures = i > 0 and any(row[i][:1].isdigit() for row in rows)
        last = i == len(columns) - 1  # may be long: the choices of a group
        table.add_column(column, justify="right" if figures else "left", no_wrap=not last, overflow="fold")
    for row in rows:
        table.add_row(*map(printable, row))
    plain = {"file": file, "markup": False, "emoji": False}  # brackets in cells are meant, e.g. units
    console = Console(**plain)
    if not console.is_terminal:
        console = Console(**plain, width=200)
    console.print(table)
