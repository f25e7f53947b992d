"""Which tests are slow, when the long campaigns run, and a browser to look at pages with."""

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# tests that train, compile or run commands lie in these places, others are marked where they stand
SLOW = (
    "combined/test_attention_page.py",
    "data/clips/test_digits.py",
    "data/clips/test_videos.py",
    "data/graphs/test_imports.py",
    "data/graphs/test_neighbor_sampler.py",
    "data/graphs/test_planetoid.py",
    "data/test_examples.py",
    "gnn/conv/test_compiled.py",
    "graphreel/cli",
    "graphreel/experiments",
    "graphreel/inspect",
    "graphreel/report",
    "graphreel/training",
    "rnn/analysis/test_gradient_norms.py",
    "rnn/analysis/test_plot_gates.py",
    "rnn/layers/test_compiled.py",
)


@pytest.hookimpl(tryfirst=True)  # before -m is applied
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE) and item.path.relative_to(HERE).as_posix().startswith(SLOW):
            item.add_marker(pytest.mark.slow)
    # campaigns that take long run where they are asked for by name
    if "attack" not in config.getoption("-m"):
        long = [item for item in items if item.get_closest_marker("attack")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


_NAMES = ("chromium", "chromium-browser", "google-chrome")
_SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
    "--remote-debugging-pipe",
)  # fmt: skip


class Browser:
    """Headless Chromium over the DevTools pipe, one tab: no driver, no further package.

    Commands are JSON with a zero byte behind, written to the browser's file 3 and read from its file 4.
    """

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
        self._navigate(path.resolve().as_uri())

    def open_address(self, url):
        """Load what a server has."""
        self.events.clear()
        self._navigate(url)

    def _navigate(self, url):
        self.call("Page.navigate", url=url)
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
