"""The examples run as notebooks, which are the scripts, and show what they say."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

from graphreel.data.data_dirs import find

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
# what each prints: a pattern, whose groups are numbers, and the least that they may be
SHOWN = {
    "cora": (r"test accuracy ([\d.]+)%", 79),
    "six_nodes": (r"hidden labels found: (\d+)%", 100),
    "palindromes": (r"lstm ([\d.]+)%", 95),
    "text": (r"unigram ([\d.]+)", 4),
    "own_clips": (r"test accuracy (\d+)%", 90),
    "own_sensors": (r"linear +RMSE ([\d.]+)", 0.9),
}
pytestmark = pytest.mark.slow


def check(name: str, text: str) -> None:
    pattern, least = SHOWN[name]
    found = re.search(pattern, text)
    assert found and float(found[1]) >= least, text
    if name == "text":
        assert float(re.search(r"model ([\d.]+) bits", text)[1]) < 3
    if name == "own_sensors":  # neighbours know the future, and the edges tell the model
        assert float(re.search(r"model +RMSE ([\d.]+)", text)[1]) < 0.85 * float(found[1])


@pytest.fixture(params=SHOWN)
def name(request):
    if request.param == "cora" and find("Cora", "cora") is None:
        pytest.skip("cora is not on this disk")
    return request.param


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # jupyter's own
def test_a_notebook_shows_what_it_says(name, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    notebook = nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    check(name, "".join(output.text for output in outputs if output.output_type == "stream"))
    if name == "six_nodes":
        assert any("image/png" in output.get("data", {}) for output in outputs)


def test_notebooks_are_the_scripts():
    assert (
        {path.stem for path in EXAMPLES.glob("*.py")} == {path.stem for path in EXAMPLES.glob("*.ipynb")} == set(SHOWN)
    )
    for path in EXAMPLES.glob("*.py"):
        script, notebook = jupytext.read(path), jupytext.read(path.with_suffix(".ipynb"))
        cells = [[(cell.cell_type, cell.source) for cell in one.cells] for one in (script, notebook)]
        assert cells[0] == cells[1], f"{path.name} and its notebook differ: make notebooks"


def test_a_script_is_short():
    for path in EXAMPLES.glob("*.py"):
        assert path.read_text(encoding="utf-8").count("\n") <= 80, path.name


def test_a_script_runs_where_nothing_else_lies(tmp_path):
    shutil.copy(EXAMPLES / "six_nodes.py", tmp_path)
    done = subprocess.run([sys.executable, "six_nodes.py"], cwd=tmp_path, check=True, capture_output=True, text=True)
    check("six_nodes", done.stdout)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["six-nodes.json", "six-nodes.png", "six_nodes.py"]
