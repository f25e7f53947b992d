"""`graphreel rnn generate`: a trained character model writes to the terminal."""

from pathlib import Path
from typing import Any

import torch
import typer

from graphreel.inspect.load_run import load_run
from graphreel.rnn import Vocabulary, stream


def write(path: Path, prompt: str | None, length: int, seed: int, options: dict[str, Any]) -> None:
    """Print a prompt and its continuations; the first text appears as it is written, the others after it.

    Raises:
        ValueError, OSError: a bad run, prompt or setting.
    """
    trained = load_run(path, "text")
    model, vocabulary = trained.model, Vocabulary(trained.entries["vocabulary"])
    if prompt is None:  # runs made before have no prompt of their own
        prompt = trained.entries.get("prompt", "\n" if "\n" in vocabulary.characters else vocabulary.characters[0])
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
