"""Where data is looked for, and where a download and our own cache go."""

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path


def cache_folder() -> Path:
    """`~/.cache/graphreel`, or `$XDG_CACHE_HOME/graphreel` where that is set. It need not exist yet."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "graphreel"


def search_folders() -> list[Path]:
    """The folders in the order in which they are searched: `$GRAPHREEL_DATA` where it is set, then the cache."""
    given = os.environ.get("GRAPHREEL_DATA")
    return ([Path(given).expanduser()] if given else []) + [cache_folder()]


def find(*relative: str) -> Path | None:
    """The first existing path of the given ones below the search folders, or None."""
    for folder in search_folders():
        for name in relative:
            if (folder / name).exists():
                return folder / name
    return None


def fetch(download: Callable[[], object], host: str, missing: str, instead: str, timeout: float = 3.0) -> None:
    """Run a download, or say at once and in one sentence what to do without one.

    Dataset classes retry for a minute or more without a network, so the host is asked for first.

    Args:
        download: called without arguments once the host answers.
        host: the server that the download asks.
        missing: which files are wanted, as the start of the sentence.
        instead: which embedded data set does the same job.
        timeout: seconds to wait for the host; each answer during the download may take ten times as long.

    Raises:
        FileNotFoundError: there is no network, or the download failed.
    """
    folder = os.environ.get("GRAPHREEL_DATA") or "$GRAPHREEL_DATA"
    advice = f"{missing}: put them there by hand (below {folder} or {cache_folder()}), or use {instead}"
    before = socket.getdefaulttimeout()
    proxied = os.environ.get("https_proxy") or os.environ.get("HTTPS_PROXY")
    try:
        if not proxied:
            _greet(host, timeout)
        socket.setdefaulttimeout(10 * timeout)
        download()
    except Exception as error:  # whatever a dataset class raises when it has no network
        raise FileNotFoundError(f"{advice} (no download from {host}: {error})") from error
    finally:
        socket.setdefaulttimeout(before)


def _greet(host: str, timeout: float) -> None:
    """Connect and hang up, within the timeout: looking up a name can take far longer where nobody answers."""
    outcome: list[OSError | None] = []

    def connect() -> None:
        try:
            socket.create_connection((host, 443), timeout=timeout).close()
            outcome.append(None)
        except OSError as error:
            outcome.append(error)

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(timeout)
    if not outcome:
        raise TimeoutError(f"no answer within {timeout:g} s")
    if outcome[0] is not None:
        raise outcome[0]
