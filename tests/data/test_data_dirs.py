"""Where data is looked for, and what is said at once where it cannot be had."""

import threading
from pathlib import Path

import pytest

from graphreel.data.data_dirs import cache_folder, fetch, find, search_folders


def test_the_given_folder_comes_before_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAPHREEL_DATA", str(tmp_path / "given"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert search_folders() == [tmp_path / "given", tmp_path / "xdg" / "graphreel"]
    for folder in search_folders():
        folder.mkdir(parents=True)
    assert find("a", "b") is None
    (cache_folder() / "a").touch()
    assert find("a", "b") == cache_folder() / "a"
    (tmp_path / "given" / "b").touch()
    assert find("a", "b") == tmp_path / "given" / "b"


def test_without_variables(monkeypatch):
    monkeypatch.delenv("GRAPHREEL_DATA", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert search_folders() == [Path.home() / ".cache" / "graphreel"]


def test_a_name_server_that_does_not_answer_costs_no_more_than_the_timeout(monkeypatch):
    released = threading.Event()

    def never(address, timeout):
        released.wait(30)
        raise OSError

    monkeypatch.delenv("https_proxy", raising=False)
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    monkeypatch.setattr("socket.create_connection", never)
    sentence = r"x needs y: put them there by hand .*, or use z \(no download from h\.org: no answer within 0\.1 s\)"
    with pytest.raises(FileNotFoundError, match=sentence):
        fetch(lambda: pytest.fail("downloaded"), "h.org", "x needs y", "z", timeout=0.1)
    assert not released.is_set()
    released.set()


def test_a_failed_download_is_the_same_sentence(monkeypatch):
    def broken():
        raise RuntimeError("404")

    monkeypatch.setenv("https_proxy", "http://proxy.invalid")  # behind a proxy the host itself is not asked
    with pytest.raises(FileNotFoundError, match=r"x needs y: .* or use z \(no download from h\.org: 404\)"):
        fetch(broken, "h.org", "x needs y", "z")
