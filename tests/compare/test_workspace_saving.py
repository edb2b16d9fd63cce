"""Saving a W&B workspace ends with an address or one line, whatever the server does."""

import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

SAVE = """
import json, sys, time
from nolab.compare.workspace import save_workspace
for entity, project in json.loads(sys.argv[1]):
    start = time.monotonic()
    try:
        answer = ["saved", save_workspace(entity, project)]
    except Exception as error:
        answer = [type(error).__name__, str(error)]
    print(json.dumps([*answer, time.monotonic() - start]), flush=True)
"""
ALONE = {"WANDB_API_KEY": "", "NETRC": "/nonexistent", "HOME": "/nonexistent", "WANDB_HTTP_TIMEOUT": "2"}


def test_without_a_login_it_does_not_ask(tmp_path):
    ours, terminal = pty.openpty()  # on a terminal wandb would ask for a key
    command = [sys.executable, "-c", SAVE, json.dumps([("me", "mine")])]
    environment = {**os.environ, **ALONE}
    with subprocess.Popen(
        command, stdin=terminal, stdout=terminal, stderr=terminal, env=environment
    ) as process:
        try:
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()  # it is waiting for a key
    os.close(terminal)
    kind, message, _ = json.loads(os.read(ours, 10_000).decode().splitlines()[-1])
    os.close(ours)
    assert (kind, message) == ("InputError", "W&B: not logged in; run `wandb login`, or set WANDB_API_KEY")


class Server(BaseHTTPRequestHandler):
    """W&B's server as far as a workspace needs it; the project's name says what it does."""

    views: list[dict]
    over: threading.Event

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        asked = json.loads(body) if self.path == "/graphql" else {"query": ""}
        if "upsertView" not in asked["query"]:
            return self.answer(200, {"data": {"viewer": {"id": "u", "entity": "me", "username": "me"}}})
        variables = asked["variables"]
        if variables["projectName"] == "unknown":
            return self.answer(404, {"errors": [{"message": "project not found"}]})
        if variables["projectName"] == "hanging":
            self.over.wait(60)
            return None
        self.views.append(variables)
        return self.answer(
            200, {"data": {"upsertView": {"view": {"id": "V", "name": "nw-abc-v"}, "inserted": True}}}
        )

    def answer(self, code: int, content: dict) -> None:
        text = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[tuple[str, list[dict]]]:
    """Address of a server and the views that it was given."""
    views: list[dict] = []
    over = threading.Event()
    handler = type("Handler", (Server,), {"views": views, "over": over})
    running = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    running.daemon_threads = True
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}", views
    over.set()
    running.shutdown()
    thread.join()
    running.server_close()


def test_saving_gives_the_address_or_one_line_and_never_hangs(server):
    address, views = server
    projects = [("us", "mine"), (None, "mine"), ("us", "unknown"), ("us", "hanging")]
    done = subprocess.run(
        [sys.executable, "-c", SAVE, json.dumps(projects)],
        env={**os.environ, **ALONE, "WANDB_API_KEY": "k" * 40, "WANDB_BASE_URL": address},
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    saved, default, unknown, hanging = (json.loads(line) for line in done.stdout.splitlines())
    assert saved[:2] == ["saved", f"{address}/us/mine?nw=abc"]
    assert default[:2] == ["saved", f"{address}/me/mine?nw=abc"]
    assert [(view["entityName"], view["projectName"], view["displayName"]) for view in views] == [
        ("us", "mine", "nolab"),
        ("me", "mine", "nolab"),
    ]
    assert views[0]["spec"].count('"viewType"') == 13
    assert unknown[0] == "InputError"
    assert "us/unknown (project not found)" in unknown[1]
    assert hanging[0] == "RunFailure"
    assert hanging[1].startswith("W&B does not answer (")
    assert hanging[2] < 30
    assert not any("\n" in answer[1] for answer in (unknown, hanging))
