"""The page: template, style, Plotly, data and script in one file that needs no network."""

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from importlib import resources
from typing import Any

from plotly.offline import get_plotlyjs

_PAGE = "page"


def page(data: Mapping[str, Any]) -> str:
    """The HTML of a report of :func:`~nolab.compare.report.data.report_data`."""
    plotly, script = get_plotlyjs(), _file("report.js")
    parts = {
        "policy": _policy(plotly, script),
        "title": html.escape(_printable(data["title"])),
        "style": _file("report.css"),
        "plotly": plotly,
        "data": embedded_json(data),
        "script": script,
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], _file("report.html"))


def embedded_json(data: Mapping[str, Any]) -> str:
    """ASCII JSON that can't end the script element that holds it."""
    return json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _policy(*scripts: str) -> str:
    """A content security policy: nothing is fetched, and no script runs but these."""
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _file(name: str) -> str:
    return (resources.files(__package__) / _PAGE / name).read_text(encoding="utf-8")


def _printable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
