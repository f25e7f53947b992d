"""Every command of the page gives the page's numbers."""

import json
import shlex

import pytest

from graphreel.__main__ import run
from graphreel.training.run_folder import RunFolder


@pytest.fixture
def repeat(report, build_tiny, tmp_path, monkeypatch, capsys):
    """Run a question's own commands; returns its numbers and [(command, run folder or None, what was printed)]."""
    _, outcomes = report
    (tmp_path / "tale.txt").write_bytes(build_tiny.book.read_bytes())
    monkeypatch.chdir(tmp_path)

    def call(name):
        (outcome,) = (outcome for outcome in outcomes if outcome.question.id == name)
        done = []
        for number, command in enumerate(outcome.findings.repeat.commands):
            program, *arguments = shlex.split(command)
            if arguments[0] == "report":
                continue
            trains = arguments[1] in ("train", "compare")
            if trains and "RUN" not in arguments:
                arguments += ["--out", f"RUN{number}"]
            assert program == "graphreel" and run(arguments) == 0, command
            path = arguments[arguments.index("--out") + 1] if trains else None
            done.append((command, RunFolder.open(tmp_path / path) if path else None, capsys.readouterr().out))
        return outcome.numbers, done

    return call


def without_times(value):
    """A structure without what no two runs share."""
    if isinstance(value, dict):
        return {key: without_times(part) for key, part in value.items() if key != "seconds"}
    return [without_times(part) for part in value] if isinstance(value, list) else value


def test_gradients(repeat, tmp_path):
    numbers, _ = repeat("Q1.1")
    written = json.loads((tmp_path / "gradients.json").read_text())
    assert written["check"] == {key: numbers[key] for key in written["check"]}
    shown = [{**row, "fade": row["norm"][-1] / row["norm"][0]} for row in written["norms"]]
    assert [{key: row[key] for key in numbers["norms"][0]} for row in shown] == numbers["norms"]


def test_gates(repeat):
    numbers, [(_, trained, _)] = repeat("Q1.2")
    assert trained.metrics()["test_accuracy"] == numbers["test_accuracy"]
    assert (trained.path / "gates.png").is_file()


@pytest.mark.parametrize("name", ["Q1.3", "Q1.4"])
def test_palindromes(repeat, name):
    numbers, done = repeat(name)
    runs = {run["command"]: run for part in ("opened", "as_the_report") for run in numbers[part].values()}
    assert [command for command, _, _ in done] == list(runs)
    for command, trained, _ in done:
        metrics, history = trained.metrics(), trained.load_checkpoint()["history"]
        assert metrics["test_accuracy"] == runs[command]["test_accuracy"]
        assert metrics["baselines"]["majority"] == runs[command]["chance"]
        assert without_times(metrics["seeds"]) == without_times(runs[command]["seeds"])
        assert history[0]["train_loss"] == runs[command]["first_loss"]


def test_text(repeat):
    numbers, [(_, trained, _), (command, _, written)] = repeat("Q2.1")
    metrics = trained.metrics()
    assert {key: metrics[key] for key in ("bits_per_char", "train_accuracy", "baselines")} == {
        key: numbers[key] for key in ("bits_per_char", "train_accuracy", "baselines")
    }
    shown = numbers["written"][0][3].replace("␣", " ").strip()
    assert shown in (trained.path / "samples.txt").read_text()
    assert numbers["prompt"] in command and written.count(numbers["prompt"]) == 5


def test_six_nodes(repeat):
    numbers, [(_, _, updates), (_, trained, _)] = repeat("Q3.2")
    assert updates.split() == [str(numbers["updates_from_C_to_E"])]
    assert trained.metrics()["test_accuracy"] == numbers["gcn"]["test_accuracy"]


def test_attention(repeat):
    numbers, [(_, trained, _), _] = repeat("Q3.3")
    assert trained.metrics()["test_accuracy"] == numbers["test_accuracy"]
    written = json.loads((trained.path / "attention.json").read_text())
    for name, row in numbers["weights"].items():
        heads = [one["weight"] for one in written if (one["source"], one["target"]) == (name, numbers["into"])]
        assert sum(heads) / len(heads) == pytest.approx(row["attention"], abs=1e-6)


def test_applications(repeat):
    numbers, done = repeat("Q3.4")
    assert len(done) == len(numbers["runs"])
    for (_, trained, _), run_ in zip(done, numbers["runs"].values(), strict=True):
        metrics = trained.metrics()
        shared = ("data", "model", "test_accuracy", "baselines", "parameters")
        assert {key: metrics[key] for key in shared} == {key: run_[key] for key in shared}


def test_clips(repeat, few_clips):
    numbers, [(_, compared, _), _] = repeat("Q3.5")
    assert without_times(compared.metrics()["models"]) == without_times(numbers["models"])
    assert (compared.path / "compare.png").is_file()


@pytest.mark.parametrize("name", ["Q1.2", "Q1.4", "Q3.3"])
def test_a_question_alone_gives_the_numbers_that_it_gives_among_the_others(report, build_tiny, tmp_path, name):
    outcomes = build_tiny(tmp_path, only=[name])
    (alone,) = (outcome for outcome in outcomes if outcome.question.id == name)
    (among,) = (outcome for outcome in report[1] if outcome.question.id == name)
    assert without_times(alone.numbers) == without_times(among.numbers)
    (command,) = [line for line in alone.findings.repeat.commands if " report " in line]
    assert command == f"graphreel report --quick --only {name} --out runs/{alone.question.anchor}"
