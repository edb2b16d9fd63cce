"""The front in a terminal: a letter for each group, readable without colour."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from string import ascii_lowercase, ascii_uppercase

from nolab.compare.axes import title
from nolab.compare.comparison import Comparison
from nolab.compare.groups import Group
from nolab.compare.scale import Scale, tick_texts

LETTERS = ascii_uppercase + ascii_lowercase
NO_LETTER = "+"
"""Stands for every group after the 52nd."""

WIDTH, HEIGHT = 80, 16
"""Columns of the whole plot, rows between its axes."""

_NEAR = ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (0, 2), (0, -2), (1, 1), (-1, -1), (1, -1), (-1, 1))


@dataclass(frozen=True)
class Glyphs:
    """Characters beyond the letters."""

    front: str
    step: str
    vertical: str
    horizontal: str
    corner: str
    tick_y: str
    tick_x: str
    dash: str
    times: str


UNICODE = Glyphs("●", "·", "│", "─", "└", "┤", "┴", "–", "×")
ASCII = Glyphs("*", ".", "|", "-", "+", "+", "+", "-", "x")


def glyphs_for(encoding: str | None) -> Glyphs:
    """The characters that an output with this encoding can show."""
    try:
        "".join(vars(UNICODE).values()).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE


def letter(index: int) -> str:
    """What stands for a group in plot and table."""
    return LETTERS[index] if index < len(LETTERS) else NO_LETTER


def draw(comparison: Comparison, glyphs: Glyphs = UNICODE) -> str:
    """The groups' medians and their front in at most 80 columns; groups without finite medians left out."""
    drawn = [group for group in comparison.groups if group.drawable]
    if not drawn:
        return "nothing to draw: no group has a finite median"
    x = Scale.of([group.x.median for group in drawn])
    y = Scale.of([group.y.median for group in drawn])
    rows = {_row(y, tick): text for tick, text in _labelled(y.ticks(6))}
    gutter = max(map(len, rows.values())) + 1
    canvas = [[" "] * (WIDTH - gutter - 1) for _ in range(HEIGHT)]
    _draw_front(canvas, comparison.front_groups, x, y, glyphs.step)
    _draw_letters(canvas, comparison, x, y)
    lines = [title(comparison.options.y)]
    for row, cells in enumerate(canvas):
        edge = glyphs.tick_y if row in rows else glyphs.vertical
        lines.append(f"{rows.get(row, ''):>{gutter}}{edge}{''.join(cells)}".rstrip())
    lines += _bottom(x, len(canvas[0]), gutter, glyphs)
    lines.append(title(comparison.options.x).rjust(WIDTH))
    return "\n".join(lines)


def _labelled(ticks: Sequence[float]) -> list[tuple[float, str]]:
    return list(zip(ticks, tick_texts(ticks), strict=True))


def _row(y: Scale, value: float) -> int:
    return round((1 - y.place(value)) * (HEIGHT - 1))


def _column(x: Scale, value: float, columns: int) -> int:
    return round(x.place(value) * (columns - 1))


def _draw_front(canvas: list[list[str]], front: Sequence[Group], x: Scale, y: Scale, dot: str) -> None:
    columns = len(canvas[0])
    corners = [(_row(y, group.y.median), _column(x, group.x.median, columns)) for group in front]
    if not corners:
        return
    # What the front allows lies above and right of it: it comes from the top and leaves to the right.
    corners = [(0, corners[0][1]), *corners, (corners[-1][0], columns - 1)]
    for (row, column), (next_row, next_column) in pairwise(corners):
        for between in range(column, next_column + 1):
            canvas[row][between] = dot
        for between in range(row, next_row + 1):
            canvas[between][next_column] = dot


def _draw_letters(canvas: list[list[str]], comparison: Comparison, x: Scale, y: Scale) -> None:
    columns = len(canvas[0])
    groups = list(enumerate(zip(comparison.groups, comparison.front, strict=True)))
    # The front takes its places first; a letter whose place is taken moves to a free one beside it.
    for index, (group, _) in sorted(groups, key=lambda item: not item[1][1]):
        if not group.drawable:
            continue
        row, column = _row(y, group.y.median), _column(x, group.x.median, columns)
        for down, right in _NEAR:
            r, c = row + down, column + right
            if 0 <= r < HEIGHT and 0 <= c < columns and not _taken(canvas[r][c]):
                canvas[r][c] = letter(index)
                break


def _taken(cell: str) -> bool:
    return cell in LETTERS or cell == NO_LETTER


def _bottom(x: Scale, columns: int, gutter: int, glyphs: Glyphs) -> list[str]:
    axis, labels = [glyphs.horizontal] * columns, [" "] * columns
    for tick, text in _labelled(x.ticks(7)):
        column = _column(x, tick, columns)
        start = min(max(column - len(text) // 2, 0), columns - len(text))
        if any(cell != " " for cell in labels[max(start - 1, 0) : start + len(text) + 1]):
            continue
        axis[column] = glyphs.tick_x
        labels[start : start + len(text)] = text
    indent = " " * gutter
    return [f"{indent}{glyphs.corner}{''.join(axis)}", f"{indent} {''.join(labels)}".rstrip()]
