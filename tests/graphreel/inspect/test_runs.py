"""Runs in a page and compared: what differs, and whether it is more than chance."""

import json
from pathlib import Path

import pytest
from scipy import stats

from graphreel.inspect.compare_runs import compare_runs, differing_settings
from graphreel.inspect.run_table import entry
from graphreel.inspect.runs_page import write_runs_page
from graphreel.training.run_folder import RunFolder
from graphreel.training.summary import over_seeds

GOLDEN = Path(__file__).parents[2] / "golden" / "runs"


def make_run(folder, figure, values, **settings):
    run = RunFolder(folder).begin({"room": "gnn", "data": "cora", "model": "gat", "seeds": len(values), **settings})
    rows = [{"seed": seed, "seconds": 1.0, figure: value} for seed, value in enumerate(values)]
    run.write_metrics({"parameters": 8, **over_seeds(rows, [figure]), "baselines": {"majority": 0.3}, "seeds": rows})
    run.write_history([{"seed": seed, "step": step, "train_loss": 1 / step} for seed in range(3) for step in (1, 2, 9)])
    return entry(folder)


@pytest.fixture
def folder(tmp_path):
    """Two runs on the same data with three seeds each, one of them with a wider layer."""
    make_run(tmp_path / "a", "test_accuracy", (0.8, 0.81, 0.79), hidden=8)
    make_run(tmp_path / "b", "test_accuracy", (0.84, 0.86, 0.85), hidden=16)
    return tmp_path


def test_the_difference_is_tested_over_seeds(folder):
    a, b = entry(folder / "a"), entry(folder / "b")
    row = next(row for row in compare_runs(a, b) if row["figure"] == "test_accuracy")
    expected = stats.ttest_ind([0.84, 0.86, 0.85], [0.8, 0.81, 0.79], equal_var=False)
    assert row["difference"] == pytest.approx(0.05) and row["p"] == pytest.approx(expected.pvalue)
    assert row["low"] < 0.05 < row["high"]
    assert differing_settings(a, b) == {"hidden": (8, 16)}


def test_one_seed_has_no_test(tmp_path):
    one = make_run(tmp_path / "one", "test_rmse", [3.0])
    assert [(row["difference"], row["p"]) for row in compare_runs(one, one)] == [(0.0, None)]


def test_runs_without_a_shared_figure_are_a_sentence(folder, tmp_path):
    with pytest.raises(ValueError, match="share no figure: they have test_accuracy, and test_rmse"):
        compare_runs(entry(folder / "a"), make_run(tmp_path / "c", "test_rmse", [3.0]))


def test_the_page_sorts_shows_curves_and_compares(folder, browser):
    page = write_runs_page(folder)
    browser.open(page)
    names = "[...document.querySelectorAll('tbody tr')].map(r => r.cells[1].textContent)"
    assert browser.evaluate(names) == ["a", "b"]
    browser.evaluate(
        "[...document.querySelectorAll('th button')].find(b => b.textContent === 'test accuracy').onclick()"
    )
    assert browser.evaluate(names) == ["b", "a"]
    for _ in range(2):
        browser.evaluate(
            "const box = document.querySelector('input[type=checkbox]:not(:checked)'); box.click()".replace(
                "const ", ""
            )
        )
    said = browser.evaluate("document.getElementById('test').innerText")
    assert "hidden" in said and "5.0" in said
    assert browser.evaluate("document.querySelectorAll('svg').length") >= 2
    asked = [e["params"]["request"]["url"] for e in browser.events if e.get("method") == "Network.requestWillBeSent"]
    assert all(url.startswith("file:") for url in asked)


def test_every_golden_run_has_its_place(tmp_path):
    page = write_runs_page(GOLDEN, tmp_path / "runs.html")
    data = json.loads(page.read_text().split('type="application/json">')[1].split("</script>")[0])
    assert {run["name"] for run in data["runs"]} >= {path.name for path in GOLDEN.iterdir()}
    finished = {str(path.parent.relative_to(GOLDEN)) for path in GOLDEN.rglob("metrics.json")}
    assert {run["name"] for run in data["runs"] if run["finished"]} == finished
