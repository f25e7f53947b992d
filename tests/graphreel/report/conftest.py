"""Headless Chromium over the DevTools pipe: no driver, no further package."""

import base64
import contextlib
import importlib
import json
import os
import select
import shutil
import subprocess
import sys
import time

import pytest

from graphreel.report import questions

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
    "--remote-debugging-pipe",
)  # fmt: skip


class Browser:
    """One tab. Commands are JSON with a zero byte behind, written to the browser's file 3 and read from its file 4."""

    def __init__(self, program, profile):
        command_read, self._write = os.pipe()
        self._read, answer_write = os.pipe()
        pipes = f'exec "$@" 3<&{command_read} 4>&{answer_write}'
        line = ["bash", "-c", pipes, "bash", program, *_SWITCHES, f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(
            line, pass_fds=(command_read, answer_write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(command_read)
        os.close(answer_write)
        self._buffer, self._number, self._session = b"", 0, None
        self.events = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                return answer["result"]
            self.events.append(answer)

    def _next(self, timeout=60.0):
        deadline = time.monotonic() + timeout
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, "Chromium does not answer"
            piece = os.read(self._read, 1 << 16)
            assert piece, "Chromium has ended"
            self._buffer += piece
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def open(self, path, width=1280, height=900, dark=False):
        """Load a file and wait until it stands, pictures included."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        self.call("Page.navigate", url=path.resolve().as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())

    def evaluate(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def screenshot(self, path, whole=True):
        picture = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(picture["data"]))

    def close(self):
        self._session = None
        with contextlib.suppress(AssertionError, OSError):
            self.call("Browser.close")
        os.close(self._write)
        os.close(self._read)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    program = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"none of {', '.join(_NAMES)} is installed")
    running = Browser(program, tmp_path_factory.mktemp("chromium"))
    yield running
    running.close()


MEASURE = """from dataclasses import dataclass
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Sizes:
    width: int = 3


SIZES = {{"quick": Sizes(), "full": Sizes(9)}}
SECONDS = {{"quick": 1.0, "full": 7200.0}}
USES = {uses}


def measure(sizes, workspace):
    with open(workspace.trainings.folder.parent / "ran.txt", "a") as file:
        file.write("{name} ")
{body}
    return {{"x": 2, "data": workspace.on_disk}}


def verdicts(numbers):
    return {{"a": "{verdict}"}}
"""
PAGE = """{% set title = "TITLE" %}
{% macro asked() %}
What?

## Equations
A step:

$$
h = \\tanh(W x)
y = h
$$

## a
Three.
{% endmacro %}
{% macro found() %}
It is ${{ x }}$, not <3>.

## a
Two.
SHOWN
{% endmacro %}
"""


@pytest.fixture
def add_question(tmp_path_factory, monkeypatch):
    """Lay a question's folder into an otherwise empty report."""
    place = tmp_path_factory.mktemp("questions")
    monkeypatch.setattr(questions, "__path__", [str(place)])

    def forget():
        names = [name for name in sys.modules if name.startswith(f"{questions.__name__}.")]
        return {name: sys.modules.pop(name) for name in names}

    real = forget()

    def add(folder, title, body="", verdict="confirmed", shown="", uses="()"):
        forget()
        importlib.invalidate_caches()
        (place / folder).mkdir(exist_ok=True)
        name = folder.replace("q", "Q").replace("_", ".")
        measure = MEASURE.format(body=body, verdict=verdict, uses=uses, name=name)
        (place / folder / "measure.py").write_text(measure)
        (place / folder / "page.md.jinja").write_text(PAGE.replace("TITLE", title).replace("SHOWN", shown))

    yield add
    forget()
    sys.modules.update(real)
