"""Pictures are shrunk and embedded; a file that is no picture never stops a report."""

import base64
import io
import os
import struct
import zlib

import numpy as np
import pytest
from compare_support import make_run
from PIL import Image

from nolab.compare.records import read_runs
from nolab.compare.report.pictures import embedded, pictures


def png(width=8, height=8, colour=(200, 30, 30), form="PNG", mode="RGB"):
    content = io.BytesIO()
    Image.new("RGB", (width, height), colour).convert(mode).save(content, form)
    return content.getvalue()


def claims(width, height):
    """A PNG whose header claims a size."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [header, b"IDAT" + zlib.compress(b"\0" * 1000), b"IEND"]
    framed = (struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def decoded(uri):
    kind, _, content = uri.partition(",")
    assert kind == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(content)))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "1"])
def test_a_picture_is_at_most_1000_pixels_wide(tmp_path, mode):
    file = tmp_path / "a.png"
    file.write_bytes(png(1500, 600, mode=mode))
    image = decoded(embedded(file))
    assert (image.format, image.size) == ("WEBP", (1000, 400))
    reference = np.asarray(Image.open(file).convert("RGB").resize((1000, 400))).astype(int)
    assert np.abs(np.asarray(image.convert("RGB")).astype(int) - reference).mean() < 6


def test_a_small_picture_keeps_its_size(tmp_path):
    (tmp_path / "a.png").write_bytes(png(30, 20))
    assert decoded(embedded(tmp_path / "a.png")).size == (30, 20)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"<svg onload='alert(1)'/>",
        png(64, 64)[:-30],
        png(64, 64)[:40],
        png(form="GIF"),
        png(form="JPEG"),
        claims(40, 40),
        claims(0, 5),
        png(7000, 7000, mode="1"),
        claims(12_000, 12_000),
        claims(2**31 - 1, 2**31 - 1),
        png(64, 64).replace(b"IDAT", b"iDAT"),
    ],
    ids=range(13),
)
def test_a_file_that_is_no_picture_is_passed_over(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    assert embedded(tmp_path / "a.png") is None


def test_what_is_no_file_is_passed_over(tmp_path):
    os.mkfifo(tmp_path / "fifo.png")  # to open it would wait for ever
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "folder.png").mkdir()
    for name in ("fifo.png", "loop.png", "folder.png", "missing.png"):
        assert embedded(tmp_path / name) is None


def test_the_front_comes_first_and_then_the_best(tmp_path):
    # (seconds, error): b and d are the front.
    for name, seconds, error in [
        ("a", 9, 0.3),
        ("b", 1, 0.5),
        ("c", 8, 0.2),
        ("d", 5, 0.1),
        ("e", 2, None),
        ("f", 9, 0.15),
    ]:
        folder = make_run(tmp_path / name, seconds=seconds, error=error) / "plots"
        folder.mkdir()
        (folder / "prediction.png").write_bytes(b"broken" if name == "f" else png())
    runs = read_runs([tmp_path]).runs
    assert ["abcdef"[place] for place in pictures(runs, 9)] == list("dbcae")
    assert ["abcdef"[place] for place in pictures(runs, 3)] == list("dbc")
    assert pictures(runs, 0) == {}
