"""Tables on a terminal or in a file."""

from typing import TextIO

from rich.console import Console
from rich.table import Table


def print_table(columns: list[str], rows: list[list[str]], file: TextIO) -> None:
    """A plain table; the first column to the left, figures to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console = Console(file=file)
    if not console.is_terminal:
        console = Console(file=file, width=200)
    console.print(table)
