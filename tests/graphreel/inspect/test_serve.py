"""A run served on this machine: what is dropped is answered, what is foreign is refused."""

import contextlib
import socket
import threading
import time
import urllib.error
import urllib.request

import pytest
import uvicorn

from graphreel.experiments import start
from graphreel.experiments.graph_settings import GnnSettings
from graphreel.experiments.text_settings import TextSettings
from graphreel.inspect.serve import build_app


@contextlib.contextmanager
def serving(run):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(build_app(run), host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def post(url, body, **headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture(scope="module")
def text_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    (folder / "book.txt").write_text("the cat sat on the mat and the dog ran to the log " * 200)
    settings = TextSettings.resolve(str(folder / "book.txt"), {"steps": 2, "hidden": 8})
    return start(settings, folder / "run", quiet=True).path


def test_a_prompt_goes_on_in_the_browser(browser, text_run):
    with serving(text_run) as url:
        browser.open_address(url)
        browser.evaluate(
            "document.getElementById('prompt').value = 'the cat'; document.querySelector('#write button').click()"
        )
        for _ in range(600):
            said = browser.evaluate(
                "(document.getElementById('said') || document.querySelector('.bad') || {}).textContent"
            )
            if said:
                break
            time.sleep(0.1)
        assert said.startswith("the cat") and len(said) > 300


def test_a_table_of_classes_comes_back_and_foreign_files_are_refused(tmp_path):
    run = start(GnnSettings.resolve("six-node", {"epochs": 2}), tmp_path / "run", quiet=True).path
    with serving(run) as url:
        code, said = post(f"{url}/ask?name=../../x.exe", b"MZ", Origin=url)
        assert code == 400 and "expects one of .csv" in said and ".exe" in said
        code, said = post(f"{url}/ask?name=x.csv", b"a,b\n1,2\n", Origin=url)
        assert code == 400 and "upload.csv" in said and "Traceback" not in said
        assert post(f"{url}/ask?name=x.csv", b"", Origin="http://elsewhere")[0] == 403
        assert post(f"{url}/ask?name=x.csv", b"", Origin=url, Host="elsewhere")[0] == 400
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{url}/answers/..%2f..%2f/passwd")


def test_a_run_without_a_checkpoint_is_a_sentence(text_run, tmp_path):
    (tmp_path / "config.json").write_text((text_run / "config.json").read_text())
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        build_app(tmp_path)
