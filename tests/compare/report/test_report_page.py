"""One file: nothing in it is fetched, and no text of a run becomes markup."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest
from compare_support import make_run
from report_support import make_data

from nolab.compare.records import read_runs
from nolab.compare.report.page import page

HOSTILE = "</script><script>alert(1)</script><!--<script><img src=x onerror=alert(2)>{{data}}&lt;\ud800\u2028"


class Elements(HTMLParser):
    """Start tags, and the texts of scripts as a browser would cut them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self.inside = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.inside = tag == "script"
        if self.inside:
            self.scripts.append("")

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.scripts[-1] += data


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    make_run(folder / "a", ["delta=4"])
    run = make_run(folder / "b")
    environment = json.loads((run / "environment.json").read_text())
    (run / "environment.json").write_text(json.dumps({**environment, "overrides": [f"+x={HOSTILE}"]}))
    data = make_data(read_runs([folder]))
    return page({**data, "title": HOSTILE})


def test_texts_of_runs_stay_inside_the_data(text):
    elements = Elements(text)
    assert len(elements.scripts) == 3
    assert json.loads(elements.scripts[0])["runs"]["overrides"][1] == [f"+x={HOSTILE}"]
    assert "<" not in elements.scripts[0]
    assert [tag for tag, _ in elements.tags].count("img") == 1  # the one for the run's picture


def test_only_its_own_scripts_may_run_and_nothing_is_fetched(text):
    elements = Elements(text)
    (policy,) = [a["content"] for _, a in elements.tags if a.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.split(maxsplit=1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data: blob:"
    digests = [hashlib.sha256(script.encode()).digest() for script in elements.scripts[1:]]
    assert rules["script-src"].split() == [f"'sha256-{base64.b64encode(d).decode()}'" for d in digests]
    assert not [a for _, a in elements.tags if {"src", "href", "onload", "onerror", "onclick"} & set(a)]
    assert text.index("Content-Security-Policy") < text.index("<style")


def test_every_placeholder_is_filled_once(text):
    without_data = text.replace(Elements(text).scripts[0], "")
    assert re.findall(r"\{\{\w+\}\}", without_data) == ["{{data}}"]  # the title's own
    text.encode("utf-8")
