import subprocess
import sys

import pytest

from graphreel.__main__ import run
from graphreel.training.run_folder import RunFolder


@pytest.fixture
def broken(tmp_path):
    """A file; while it exists, Q1.1 fails."""
    return tmp_path / "full.disk"


@pytest.fixture(autouse=True)
def folders(add_question, broken):
    fails = f"""
    import os
    if os.path.exists({str(broken)!r}):
        raise OSError(28, "No space left on device")
"""
    add_question("q1_1", "A title", fails, shown="\nWidth {{ sizes.width }}.")
    add_question("q3_5", "Another")


@pytest.mark.parametrize(("mode", "said"), [([], "Width 3."), (["--quick"], "Width 3."), (["--full"], "Width 9.")])
def test_it_makes_a_page_and_says_where(tmp_path, capsys, mode, said):
    assert run(["report", *mode, "--out", str(tmp_path / "page")]) == 0
    told = capsys.readouterr().out
    assert "It is 2, not <3>." in told and str(tmp_path / "page" / "index.html") in told.replace("\n", "")
    assert said in (tmp_path / "page" / "index.html").read_text()


def test_data_on_disk_are_for_the_full_report(tmp_path, monkeypatch):
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "grimms_fairy_tales.txt").write_text("Once upon a time.")
    monkeypatch.setenv("GRAPHREEL_DATA", str(tmp_path))
    for mode, said in (("--quick", "All data come with the packages"), ("--full", "on disk: Grimm&#39;s fairy tales")):
        assert run(["report", mode, "--out", str(tmp_path / mode)]) == 0
        assert said in " ".join((tmp_path / mode / "index.html").read_text().split())


def test_a_failed_section_is_named_and_the_exit_code_is_1(tmp_path, capsys, broken):
    broken.touch()
    assert run(["report", "--out", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert captured.err == "graphreel: failed: Q1.1 (the page says why); the same command tries again\n"
    assert "OSError: [Errno 28] No space left on device" in (tmp_path / "index.html").read_text()
    broken.unlink()
    assert run(["report", "--out", str(tmp_path), "--quiet"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--quick", "--full"], "report expects --quick or --full, got both"),
        (["--only", "Q7"], "--only expects one of Q1.1, Q3.5, got 'Q7'"),
        (["--out", __file__], "--out expects a folder, got the file"),
    ],
)
def test_bad_arguments_are_one_sentence(tmp_path, capsys, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    assert run(["report", *arguments]) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err and captured.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["index.html", "report.json"])
def test_what_no_report_left_is_not_written_over(tmp_path, capsys, name):
    (tmp_path / name).write_text("mine")
    assert run(["report", "--out", str(tmp_path), "--overwrite"]) == 2
    assert f"holds {name}, which no report left there" in capsys.readouterr().err
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {name: "mine"}


def test_one_process_makes_a_report(tmp_path, capsys, monkeypatch):
    with RunFolder(tmp_path).locked():
        assert run(["report", "--out", str(tmp_path)]) == 2
    assert "is in use by another" in capsys.readouterr().err
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert run(["report", "--out", str(tmp_path)]) == 2
    assert "torchrun" in capsys.readouterr().err and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["--help"], ["--only", "Q9"], ["--out", __file__]])
def test_help_and_wrong_arguments_import_neither_torch_nor_matplotlib(arguments):
    code = (
        f"import sys\nfrom graphreel.__main__ import run\nrun(['report', *{arguments}])\n"
        "assert not {'torch', 'torch_geometric', 'numpy', 'matplotlib', 'jinja2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
