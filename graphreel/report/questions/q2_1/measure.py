"""A character model, what it writes while it learns, and what temperature does."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import log
from pathlib import Path
from shlex import quote
from statistics import fmean
from typing import Any

import torch

from graphreel.data import load
from graphreel.experiments.text_samples import MODES
from graphreel.experiments.text_settings import TextSettings
from graphreel.inspect.load_run import load_run
from graphreel.report.disk_data import WANTED
from graphreel.report.questions.q2_1.samples import Group, read_samples, visible
from graphreel.report.workspace import Workspace
from graphreel.rnn import Vocabulary, generate, known_words, text_measures

CLAIMED_STEPS, CLAIMED_ACCURACY = 336_000, 0.66
PROMPT = "Sleeping beauty is"  # of the bonus question, in Grimm
EMBEDDED = "the Python language reference, which comes with every Python"
STRETCH = 5  # characters
_SHOWN = (("greedy", 60), ("temperature 0.5", 60), ("temperature 1", 40), ("temperature 2", 30))


@dataclass(frozen=True)
class Sizes:
    """What is trained and drawn.

    Attributes:
        steps, evaluate_every, hidden, batch_size, learning_rate: of the training.
        dropout, averaging, skip, carried, forget_bias: of the training; as the report's, they do without what
            `graphreel rnn train` adds by default.
        prompts, count, length: texts drawn at the end: first letters, texts of each, characters.
    """

    steps: int = CLAIMED_STEPS
    evaluate_every: int = 2000
    hidden: int = 128
    batch_size: int = 64
    learning_rate: float = 2e-3
    dropout: float = 0.0
    averaging: float = 0.0
    skip: bool = False
    carried: bool = False
    forget_bias: float = 0.0
    prompts: int = 5
    count: int = 8
    length: int = 200


SIZES = {"quick": Sizes(steps=1000, evaluate_every=250), "full": Sizes()}
SECONDS = {"quick": 45, "full": 12600}
USES = ("grimm",)


def measure(sizes: Sizes, workspace: Workspace) -> dict[str, Any]:
    data = workspace.on_disk.get("grimm", "book")
    typed = {name: value for name, value in asdict(sizes).items() if name not in ("prompts", "count", "length")}
    if data != "book":
        typed["prompt"] = PROMPT
    settings = TextSettings.resolve(data, typed)
    trained = workspace.trainings.train("text", settings)
    workspace.picture("curves", trained.curves_path)
    metrics, groups, text = trained.metrics(), read_samples(trained.path / "samples.txt"), load(data).text
    named = data if data == "book" else quote(Path(data).name)
    options = " ".join(TextSettings.options()[name].typed(value) for name, value in typed.items())
    return {
        "data": EMBEDDED if data == "book" else WANTED["grimm"].title,
        "on_disk": data != "book",
        **{key: metrics[key] for key in ("bits_per_char", "train_accuracy", "baselines")},
        "steps": sizes.steps,
        "claimed": {"steps": CLAIMED_STEPS, "accuracy": CLAIMED_ACCURACY},
        "by_third": _by_third(groups, workspace.trainings.history("text"), sizes.steps),
        "by_mode": _drawn(trained.path, text, sizes),
        "text": text_measures([text[:200_000]], known_words(text)),
        "stretch": STRETCH,
        "written": _written(groups),
        "prompt": trained.load_checkpoint()["prompt"],
        "completed": [[g.third, visible(text)] for g in groups if not g.mode for text in g.texts[:3]],
        "command": f"graphreel rnn train --data {named} {options} --out RUN",
    }


def verdicts(numbers: Mapping[str, Any]) -> dict[str, str]:
    """a: the accuracy, to a hundredth (a shorter training only completes); b1: a blank is above a tenth, commas are no
    more than quotation marks; b2: the bits fall from the first third to the last; b3: real words are no more than a
    tenth rarer in the whole texts than in their beginnings; c: characters vary more at each temperature, stretches of
    the text are rarest at 2, greedy repeats most."""
    modes, bits = numbers["by_mode"], [numbers["by_third"][third]["bits_per_char"] for third in "123"]
    half, one, two, greedy = (modes[name] for name in ("temperature 0.5", "temperature 1", "temperature 2", "greedy"))
    claimed = numbers["claimed"]
    short = numbers["steps"] < claimed["steps"]
    reached = numbers["train_accuracy"]["mean"] >= claimed["accuracy"] - 0.01
    varied = half["distinct_characters"] < one["distinct_characters"] < two["distinct_characters"]
    incoherent = two["known_stretches"] < min(half["known_stretches"], one["known_stretches"])
    repeats = greedy["repeated_words"] > max(half["repeated_words"], two["repeated_words"])
    held = {
        "b1": one["blanks"] > 0.1 and one["commas"] <= one["quotation_marks"],
        "b2": bits[0] > bits[2],
        "b3": half["real_words"] >= half["real_words_early"] - 0.1,
        "c": varied and incoherent and repeats,
    }
    first = "confirmed" if reached else "completed" if short else "corrected"
    return {"a": first} | {part: "confirmed" if holds else "corrected" for part, holds in held.items()}


def _drawn(run_folder: Path, text: str, sizes: Sizes) -> dict[str, dict[str, float]]:
    """Measures of long texts by the trained model, for each way of drawing; "early" is of their first 30 characters."""
    trained = load_run(run_folder, "text")
    model, vocabulary = trained.model, Vocabulary(trained.entries["vocabulary"])
    known, stretches = known_words(text), set(_stretches(text))
    letters = [letter for letter, _ in Counter(word[0] for word in text.split()).most_common(sizes.prompts)]
    measured = {}
    for mode, how in MODES.items():
        count = 1 if how.get("greedy") else sizes.count
        texts = []
        for number, letter in enumerate(letters):
            generator = torch.Generator().manual_seed(number)
            texts += generate(model, vocabulary, f" {letter}", sizes.length, count=count, generator=generator, **how)
        early = text_measures([one[:30] for one in texts], known)["real_words"]
        found = fmean(stretch in stretches for one in texts for stretch in _stretches(one))
        measured[mode] = {**text_measures(texts, known), "real_words_early": early, "known_stretches": found}
    return measured


def _stretches(text: str) -> list[str]:
    return [text[i : i + STRETCH] for i in range(len(text) - STRETCH + 1)]


def _by_third(groups: list[Group], history: list[dict[str, Any]], steps: int) -> dict[int, dict[str, float]]:
    """For each third of training: bits per character on the validation part, and real words in its samples at 0.5."""
    found = {}
    for third in (1, 2, 3):
        reached = [row for row in history if row["step"] <= -(-steps * third // 3)] or history[:1]
        words = [g.measures["real words"] for g in groups if g.third == third and g.mode == "temperature 0.5"]
        found[third] = {"bits_per_char": reached[-1]["val_loss"] / log(2), "real_words": fmean(words)}
    return found


def _written(groups: list[Group]) -> list[list[Any]]:
    """[third, mode, length, text] for each third and way of drawing."""
    return [
        [third, mode, length, visible(group.texts[0])]
        for third in (1, 2, 3)
        for mode, length in _SHOWN
        for group in groups
        if (group.third, group.mode, group.length) == (third, mode, length)
    ]
