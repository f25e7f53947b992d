import csv
import json
import math
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from graphreel.data.sequences import text_windows
from graphreel.experiments.task_settings import TaskSettings
from graphreel.experiments.text import Text, loss_and_accuracy
from graphreel.experiments.text_settings import TextSettings
from graphreel.inspect.gradients import check
from graphreel.inspect.load_run import load_run
from graphreel.rnn import Vocabulary, bits_per_character, generate

STORY = "Once upon a time there was a king, who had three sons; and the king said: “Go into the world.”\n" * 12
TEXT = ["--hidden", 12, "--embedding", 6, "--layers", 1, "--batch-size", 4, "--window", 10, "--evaluate-every", 2]
TASK = ["--hidden", 16, "--embedding", 4, "--batch-size", 32, "--lr", 0.02, "--evaluate-every", 10]


@pytest.fixture
def story(tmp_path):
    path = tmp_path / "story.txt"
    path.write_text(STORY, encoding="utf-8")
    return path


@pytest.fixture
def writer(tmp_path, story, said):
    code, _, error = said("rnn", "train", "--data", story, *TEXT, "--steps", 6, "--out", tmp_path / "writer", "--quiet")
    assert (code, error) == (0, "")
    return tmp_path / "writer"


@pytest.mark.parametrize("arguments", [["rnn", "--help"], ["rnn", "train", "--help"], ["rnn", "generate", "x", "--y"]])
def test_help_and_wrong_arguments_import_no_torch(arguments):
    code = (
        "import sys\nfrom graphreel.__main__ import run\n"
        f"run({arguments})\nassert not {{'torch', 'numpy', 'matplotlib'}} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_task_from_training_to_the_run_folder(tmp_path, said):
    out = tmp_path / "run"
    code, text, error = said(
        "rnn",
        "train",
        "--data",
        "random-combinations",
        "--length",
        3,
        "--cell",
        "gru",
        *TASK,
        "--seeds",
        2,
        "--out",
        out,
    )
    assert (code, error) == (0, "")
    assert "test accuracy" in text and "chance" in text and "per 1000 steps" in text
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["data"] == "random-combinations" and metrics["model"] == "gru"
    assert metrics["test_accuracy"] == {"mean": 1.0, "std": 0.0}
    assert metrics["baselines"]["majority"] == pytest.approx(1 / 3, abs=0.02)
    assert [row["seed"] for row in metrics["seeds"]] == [0, 1]
    assert all(row["steps"] < 2000 and row["test_accuracy"] == 1.0 and row["seconds"] > 0 for row in metrics["seeds"])
    with (out / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["val_accuracy"]) for row in rows if row["seed"] == "0"][-3:] == [1.0] * 3
    assert (out / "curves.png").stat().st_size > 5000 and (out / "gates.png").stat().st_size > 5000
    checkpoint = torch.load(out / "checkpoint.pt", weights_only=True)
    assert sum(value.numel() for value in checkpoint["model"].values()) == metrics["parameters"]


@pytest.mark.parametrize("cell", ["rnn", "lstm", "peephole", "peephole-gers", "bilstm"])
def test_every_cell_trains_on_a_task(tmp_path, said, cell):
    code, _, error = said(
        "rnn", "train", "--data", "palindrome", "--length", 2, "--cell", cell, *TASK, "--steps", 2, "-q",
        "--out", tmp_path / "run",
    )  # fmt: skip
    assert (code, error) == (0, "")


def test_a_text_from_training_to_the_run_folder(tmp_path, story, said):
    out = tmp_path / "run"
    code, text, error = said("rnn", "train", "--data", story, *TEXT, "--steps", 6, "--out", out)
    assert (code, error) == (0, "")
    assert "bits per character" in text and "per 1000 steps" in text and "unigram" in text
    metrics = json.loads((out / "metrics.json").read_text())
    assert set(metrics["baselines"]) == {"unigram", "bz2", "xz"}
    assert 0 < metrics["train_accuracy"]["mean"] < 1
    model, vocabulary = writing(out)
    assert vocabulary.characters == sorted(set(STORY))
    held_out = vocabulary.encode(STORY.strip()[-(len(STORY.strip()) // 20) :])
    assert metrics["bits_per_char"]["mean"] == pytest.approx(bits_per_character(model, held_out), rel=1e-5)
    samples = (out / "samples.txt").read_text(encoding="utf-8")
    sections = [f"step {step}, {part}/3 of training" for step, part in ((2, 1), (4, 2), (6, 3))]
    assert [samples.count(section) for section in sections] == [1, 1, 1]
    for mode in ("greedy", "temperature 0.5", "temperature 1", "temperature 2"):
        for length in (30, 40, 60):
            assert samples.count(f"{mode}, length {length}: real words") == 3
    lines = samples.split("greedy, length 30")[1].splitlines()
    assert [len(line) for line in lines[1:6]] == [34] * 5


def writing(run):
    trained = load_run(run)
    return trained.model, Vocabulary(trained.entries["vocabulary"])


class Killed(Exception):
    pass


@pytest.mark.parametrize(
    ("options", "place"),
    [(["--carried"], "carried_windows"), (["--fresh", "--dropout", 0.4, "--weight-dropout", 0.2], "random_windows")],
)
def test_a_killed_text_training_resumes_to_the_same_numbers(tmp_path, story, said, monkeypatch, options, place):
    arguments = [
        "rnn",
        "train",
        "--data",
        story,
        *TEXT,
        *options,
        "--checkpoint-every",
        0,
        "--steps",
        60,
        "--quiet",
        "--out",
    ]
    assert said(*arguments, tmp_path / "whole")[0] == 0
    read = getattr(text_windows, place)

    def dies(tokens, window, batch_size, step, seed=0):
        if step == 37:
            raise Killed
        return read(tokens, window, batch_size, step, seed)

    with monkeypatch.context() as patch:
        patch.setattr(text_windows, place, dies)
        with pytest.raises(Killed):
            said(*arguments, tmp_path / "broken")
    assert not (tmp_path / "broken" / "metrics.json").exists()
    code, _, error = said("rnn", "train", "--resume", tmp_path / "broken", "--quiet")
    assert (code, error) == (0, "")
    whole, broken = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("whole", "broken"))
    for metrics in (whole, broken):
        for row in metrics["seeds"]:
            del row["seconds"]
    assert broken == whole
    for name in ("samples.txt", "history.csv"):
        assert (tmp_path / "broken" / name).read_text() == (tmp_path / "whole" / name).read_text()


def test_generate_writes_what_the_model_says(writer, said):
    model, vocabulary = writing(writer)
    (wanted,) = generate(model, vocabulary, "Once", 20, greedy=True)
    assert said("rnn", "generate", writer, "--prompt", "Once", "--length", 20, "--greedy") == (0, f"Once{wanted}\n", "")


def test_generate_many_with_a_seed(writer, said):
    arguments = ["rnn", "generate", writer, "--prompt", "a king", "--length", 9, "--count", 3, "--seed", 4]
    model, vocabulary = writing(writer)
    texts = generate(model, vocabulary, "a king", 9, count=3, generator=torch.Generator().manual_seed(4))
    shown = "".join(f"{number}: a king{text}\n" for number, text in enumerate(texts, start=1))
    assert said(*arguments) == (0, shown, "")
    assert said(*arguments[:-1], 5)[1] != shown
    assert said(*arguments, "--map-unknown")[1] == shown
    cut = said("rnn", "generate", writer, "--length", 300, "--stop", "e", "--top-k", 8, "--top-p", 0.9)[1]
    prompt = load_run(writer).entries["prompt"]  # words of the held-out part
    assert cut.startswith(prompt) and cut.endswith("e\n") and cut.count("e") == prompt.count("e") + 1


def test_bad_requests_to_a_writer(writer, said, tmp_path):
    for arguments, sentence in [
        (["--prompt", "king ß"], "the text holds 'ß' (U+00DF), which is not among the"),
        (["--prompt", ""], "prompt must hold at least one character, got none"),
        (["--temperature", 0], "expects a positive number (--greedy takes the best character), got 0.0"),
        (["--temperature", -1], "expects a positive number"),
        (["--length", 0], "Invalid value for '--length'"),
        (["--top-k", 0], "Invalid value for '--top-k'"),
        (["--top-p", 2], "expects a probability above 0, got 2.0"),
        (["--stop", ""], "stop must hold at least one character, got none"),
    ]:
        code, out, error = said("rnn", "generate", writer, *arguments)
        assert (code, out) == (2, "") and sentence in error and error.count("\n") == 1
    said("rnn", "train", "--data", "palindrome", "--length", 2, *TASK, "--steps", 1, "-q", "--out", tmp_path / "task")
    code, _, error = said("rnn", "generate", tmp_path / "task")
    assert code == 2 and "task holds a run on palindrome, but this needs one on a text" in error
    checkpoint = writer / "checkpoint.pt"
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(whole[:1000])
    code, _, error = said("rnn", "generate", writer)
    assert code == 2 and "cannot be read as a checkpoint" in error
    checkpoint.write_bytes((tmp_path / "task" / "checkpoint.pt").read_bytes())
    code, _, error = said("rnn", "generate", writer)
    assert code == 2 and "lacks vocabulary: it is not the checkpoint of config.json's run" in error


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "rnn train expects --data NAME or PATH (or --resume RUN), got none"),
        (["--data", "palindrom"], "unknown data set 'palindrom'"),
        (["--data", "cora"], "cora is data for `graphreel gnn train`, not for `graphreel rnn`"),
        (["--data", "none.txt"], "there is no file or folder none.txt"),
        (["--data", "palindrome", "--length", 0], "--length expects at least 1, got 0"),
        (["--data", "baum-sweet", "--length", 40], "length must be an integer of 2 to 15, got 40"),
        (
            ["--data", "palindrome", "--cell", "lstn"],
            "--cell expects one of rnn, lstm, peephole,",
        ),
        (["--data", "book", "--cell", "bilstm"], "--cell expects one of rnn, lstm, peephole, peephole-gers, gru, got"),
        (["--data", "book", "--length", 10], "--length is not an option for a text"),
        (["--data", "palindrome", "--window", 10], "--window is not an option for the task palindrome"),
        (["--data", "palindrome", "--lr", 0], "--learning-rate expects a positive number, got 0.0"),
        (["--data", "palindrome", "--cell", "gru", "--forget-bias", 1], "--forget-bias expects one of the cells lstm"),
        (["--data", "book", "--dropout", 1], "--dropout expects a share from 0 to below 1, got 1.0"),
        (["--data", "book", "--weight-dropout", -0.1], "--weight-dropout expects a share from 0 to below 1, got -0.1"),
        (["--data", "book", "--weight-decay", -1], "--weight-decay expects at least 0, got -1.0"),
        (["--data", "palindrome", "--weight-decay", 1], "--weight-decay is not an option for the task palindrome"),
        (["--data", "book", "--steps", 0], "--steps expects at least 1, got 0"),
        (["--data", "empty.txt"], "empty.txt holds no text"),
        (["--data", "one.txt"], "one.txt holds one symbol only, 'a': there is nothing to predict"),
        (["--data", "short.txt"], "short.txt holds 5 characters, expected at least 100"),
        (["--data", "middle.txt", "--window", 200], "the text is too short: 112 characters, but a window of 200 takes"),
        (["--resume", "nowhere"], "nowhere: no such run folder"),
        (["--resume", "x", "--lr", 1], "--resume takes its settings from the run folder, got --learning-rate"),
    ],
)
def test_bad_training_is_one_sentence_and_leaves_nothing(said, tmp_path, monkeypatch, arguments, sentence):
    files = {"empty.txt": "", "one.txt": "a" * 300, "short.txt": "a bcd", "middle.txt": "ab c" * 30}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    code, out, error = said("rnn", "train", *arguments)
    assert (code, out) == (2, "")
    assert error.startswith("graphreel: ") and error.count("\n") == 1 and sentence in error
    assert {path.name for path in tmp_path.iterdir()} == set(files)


def test_gates_of_a_text_run(writer, said, tmp_path):
    for options in (["--text", "there was a king"], []):
        picture = tmp_path / f"gates{len(options)}.png"
        code, text, error = said("rnn", "gates", writer, *options, "--out", picture)
        assert (code, error) == (0, "") and str(picture) in text
        assert picture.read_bytes().startswith(b"\x89PNG")
    for options, sentence in (
        (["--text", "the Ω"], "'Ω'"),
        (["--text", ""], "--text expects at least one character"),
        (["--layer", 1], "layer must lie between 0 and 0, but got 1"),
    ):
        code, text, error = said("rnn", "gates", writer, *options, "--out", tmp_path / "none.png")
        assert code == 2 and sentence in error and len(error.strip().splitlines()) == 1
        assert not (tmp_path / "none.png").exists()


def test_gates_of_a_task_run(tmp_path, said):
    for cell in ("gru", "rnn"):
        task = ["--data", "random-combinations", "--length", 3, "--cell", cell, *TASK, "--steps", 2]
        assert said("rnn", "train", *task, "--out", tmp_path / cell, "--quiet")[0] == 0
    code, _, error = said("rnn", "gates", tmp_path / "gru", "--number", 3, "--out", tmp_path / "gates.png")
    assert (code, error) == (0, "") and (tmp_path / "gates.png").exists()
    for run_, options, sentence in (
        ("gru", ["--number", 100000], "--number expects one of the"),
        ("gru", ["--text", "12"], "expect a run on a text"),
        ("rnn", [], "expects a cell that has gates"),
    ):
        code, _, error = said("rnn", "gates", tmp_path / run_, *options, "--out", tmp_path / "none.png")
        assert code == 2 and sentence in error and not (tmp_path / "none.png").exists()


def test_gradients_prints_the_check_and_draws(tmp_path, said):
    out = tmp_path / "picture.png"
    code, text, error = said("rnn", "gradients", "--out", out, "--steps", 0)
    assert (code, error) == (0, "")
    assert "closed form against autograd" in text and "the report's formula" in text and "RNN rho 0.5" in text
    assert out.stat().st_size > 20_000
    numbers = json.loads((tmp_path / "picture.json").read_text())
    assert [len(one["norm"]) for one in numbers["norms"]] == [100] * 6
    assert numbers["check"]["share_of_step"][0] == 0


def test_the_check_of_gradients():
    checked = check(seed=3)
    assert all(error < 1e-12 for kind in checked["largest_difference"].values() for error in kind.values())
    assert all(error > 0.1 for error in checked["report_relative_error"].values())


def test_reading_from_many_places_is_an_average_over_all_of_them():
    torch.manual_seed(0)
    model = Text.model(TextSettings("x", hidden=8, embedding=4), {"vocabulary": list("abcde")}).eval()
    text = torch.randint(0, 5, (16 * 20 + 1,), generator=torch.Generator().manual_seed(0))
    loss, accuracy = loss_and_accuracy(model, text, chunk=7)
    losses, right = [], 0
    for start in range(0, 320, 20):
        part = text[None, start : start + 21]
        logits, value, _ = model(part[:, :-1], part[:, 1:])
        losses.append(value.item())
        right += int((logits.argmax(2) == part[:, 1:]).sum())
    assert loss == pytest.approx(sum(losses) / 16, rel=1e-5) and accuracy == right / 320


def test_settings_are_read_back_whole():
    settings = TaskSettings.resolve("random-combinations", {"cell": "gru"})
    assert settings.learning_rate == 1e-3 and settings.hidden == 128
    assert TaskSettings.from_dict(settings.as_dict()) == settings
    with pytest.raises(ValueError, match=r"config\.json lacks the settings window"):
        TextSettings.from_dict({k: v for k, v in TextSettings("x").as_dict().items() if k != "window"})


@pytest.mark.parametrize("cell,expected", [("lstm", 3.0), ("peephole", 3.0), ("bilstm", 3.0), ("gru", None)])
def test_palindromes_start_with_open_forget_gates_where_there_are_any(cell, expected):
    assert TaskSettings.resolve("palindrome", {"cell": cell}).forget_bias == expected
    assert TaskSettings.resolve("baum-sweet", {"cell": cell}).forget_bias is None


def test_long_palindromes_open_the_forget_gates_further():
    """What a gate lets through a mean string of 2.4 digits a unit stays near a tenth."""
    for length in (40, 80):
        settings = TaskSettings.resolve("palindrome", {"length": length})
        through = torch.tensor(settings.forget_bias).sigmoid() ** (2.4 * length)
        assert settings.forget_bias == pytest.approx(math.log(length)) and 0.05 < through < 0.15
        assert TaskSettings.resolve("palindrome", {"length": length, "cell": "rnn"}).forget_bias is None
    assert (settings.length_at(0), settings.length_at(500), settings.length_at(1000)) == (5, 20, None)
    assert TaskSettings.resolve("palindrome", {}).length_at(0) is None
    with pytest.raises(ValueError, match="--start-length expects at most --length 40, got 41"):
        TaskSettings.resolve("palindrome", {"length": 40, "start_length": 41})
    assert TaskSettings.resolve("palindrome", {"length": 20}) == TaskSettings("palindrome", length=20, forget_bias=3.0)


def test_the_forget_bias_of_a_palindrome_can_be_typed():
    assert TaskSettings.resolve("palindrome", {}).forget_bias == 3.0
    assert TaskSettings.resolve("palindrome", {"forget_bias": 0.0}).forget_bias == 0.0


def test_weight_decay_leaves_biases_alone():
    settings = TextSettings(
        "x", hidden=4, embedding=3, layers=1, learning_rate=1.0, weight_decay=0.5, steps=10, device="cpu"
    )
    letters = torch.tensor([0, 1] * 20)
    book = SimpleNamespace(notes=(), vocabulary=["a", "b"], train=letters, validation=letters, opening=lambda: "ab")
    task = Text(settings, book).build(0)
    before = {name: value.detach().clone() for name, value in task.model.named_parameters()}
    for parameter in task.model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    rate = task.optimizer.param_groups[0]["lr"]
    task.optimizer.step()
    for name, value in task.model.named_parameters():
        factor = 1.0 if "bias" in name else 1 - 0.5 * rate
        torch.testing.assert_close(value.detach(), before[name] * factor)
