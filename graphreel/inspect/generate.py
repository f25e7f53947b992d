"""`graphreel rnn generate`: a trained character model writes to the terminal."""

from pathlib import Path
from typing import Any

import torch
import typer

from graphreel.experiments.sequence_settings import TextSettings
from graphreel.rnn import CharLM, Vocabulary, stream
from graphreel.training.run_folder import RunFolder


def load_model(path: Path) -> tuple[CharLM, Vocabulary]:
    """The character model and vocabulary of a run folder.

    Raises:
        FileNotFoundError: there is no such folder, or it has no checkpoint yet.
        ValueError: it holds no text model, or its checkpoint is broken.
    """
    from graphreel.experiments.text import build_model

    run = RunFolder.open(path, "rnn")
    config = run.config()
    if config.get("kind") != "text":
        raise ValueError(f"{path} holds a run on {config.get('data')}, but generate expects one on a text")
    checkpoint = run.load_checkpoint()
    if checkpoint.get("room") != "rnn" or "vocabulary" not in checkpoint:
        raise ValueError(f"{run.checkpoint_path} is not the checkpoint of a character model")
    vocabulary = Vocabulary(checkpoint["vocabulary"])
    model = build_model(TextSettings.from_dict(config), len(vocabulary))
    try:
        model.load_state_dict(checkpoint["model"])
    except (RuntimeError, AttributeError, TypeError):
        raise ValueError(f"{run.checkpoint_path} does not fit the model of config.json") from None
    return model.eval(), vocabulary


def write(path: Path, prompt: str | None, length: int, seed: int, options: dict[str, Any]) -> None:
    """Print a prompt and its continuations; the first text appears as it is written, the others after it.

    Raises:
        ValueError, OSError: a bad run, prompt or setting.
    """
    model, vocabulary = load_model(path)
    if prompt is None:
        prompt = "\n" if "\n" in vocabulary.characters else vocabulary.characters[0]
    generator = torch.Generator().manual_seed(seed)
    steps = stream(model, vocabulary, prompt, length, generator=generator, **options)
    count = options.get("count", 1)
    shown = prompt.lstrip("\n")
    texts = [""] * count
    typer.echo(("1: " if count > 1 else "") + shown, nl=False)
    for characters in steps:
        typer.echo(characters[0], nl=False)
        texts = [text + character for text, character in zip(texts, characters, strict=True)]
    typer.echo()
    for number, text in enumerate(texts[1:], start=2):
        typer.echo(f"{number}: {shown}{text}")
