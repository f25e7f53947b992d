"""`graphreel rnn train` on a text: a character model."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from graphreel.data import load
from graphreel.experiments.experiment import Curves, Experiment, Rows
from graphreel.experiments.text_samples import SamplesFile
from graphreel.experiments.text_settings import TextSettings
from graphreel.rnn import CharLM, Vocabulary, bits_per_character
from graphreel.rnn.models.char_lm import State, detached
from graphreel.training import ranks
from graphreel.training.checkpoints import Plan
from graphreel.training.optimizers import average_of, build_optimizer
from graphreel.training.run_folder import RunFolder
from graphreel.training.summary import percent
from graphreel.training.task import Task

_READERS = 16  # places from which a long text is read at once where speed matters more than one unbroken state


class Text(Experiment):
    """Trains on windows of a text's training part."""

    needs = ("vocabulary",)
    scores = ("bits_per_char", "train_accuracy", "val_bits_per_char")

    def __init__(self, settings: TextSettings, book: Any) -> None:
        from graphreel.data.sequences.text_windows import random_windows

        random_windows(book.train, settings.window, 1, 0)  # refuses a text that is too short
        self.settings, self.book = settings, book
        self.label = self.name = settings.cell
        self.plan = Plan(settings.steps, settings.evaluate_every, clip_norm=settings.clip_norm)
        self.entries = {"vocabulary": book.vocabulary, "prompt": settings.prompt or book.opening()}
        self.notes = book.notes
        counts = book.train.bincount(minlength=len(book.vocabulary)).double()
        self.blank = float(counts.max() / counts.sum())
        self.trivial = {
            "val_loss": -(counts.clamp(min=0.5) / counts.sum()).log()[book.validation].mean().item(),
            "val_accuracy": (book.validation == counts.argmax()).double().mean().item(),
        }
        self._thirds = {-(-settings.steps * part // 3): part for part in (1, 2, 3)}
        self._samples: SamplesFile | None = None

    @classmethod
    def load(cls, settings: TextSettings) -> "Text":
        return cls(
            settings, load(settings.data, room="rnn", **({"encoding": settings.encoding} if settings.encoding else {}))
        )

    @staticmethod
    def model(settings: TextSettings, entries: Mapping[str, Any]) -> CharLM:
        return CharLM(
            len(entries["vocabulary"]), settings.embedding, settings.hidden, settings.layers, settings.cell,
            settings.dropout, settings.forget_bias, settings.weight_dropout, settings.skip,
        )  # fmt: skip

    def build(self, seed: int) -> Task:
        from graphreel.data.sequences.text_windows import carried_windows, random_windows

        settings, book, carried = self.settings, self.book, CarriedState()
        model = self.model(settings, self.entries).to(settings.device)
        averaged = average_of(model, settings.averaging) if settings.averaging > 0 else None
        optimizer = build_optimizer(
            settings.optimizer, model, settings.learning_rate, settings.weight_decay, lambda p: p.dim() > 1, fused=True
        )
        sizes = (settings.window, settings.batch_size)

        def batch(step: int) -> tuple[Tensor, Tensor, bool]:
            anew = True
            if settings.carried:
                inputs, targets, anew = carried_windows(book.train, *sizes, step, seed)
            else:
                inputs, targets = random_windows(book.train, *sizes, step, seed)
            return ranks.share(inputs), ranks.share(targets), anew

        def loss(window: tuple[Tensor, Tensor, bool]) -> Tensor:
            inputs, targets, anew = window
            state = None if anew else carried.state
            _, value, state = model(inputs.to(settings.device), targets.to(settings.device), state)
            if settings.carried:
                carried.state = detached(state)
            return ranks.mean(value, targets.numel())

        def validate() -> dict[str, float]:
            val_loss, val_accuracy = loss_and_accuracy(_kept(task), book.validation)
            return {"val_loss": val_loss, "val_accuracy": val_accuracy}

        task = Task(model, optimizer, batch, loss, validate, carried={"state": carried}, averaged=averaged)
        return task

    def on_step(self, run: RunFolder, task: Task, step: int) -> None:
        if task.seed == self.settings.seed and step in self._thirds:
            run.check()
            self._file(run).write(_kept(task), f"step {step}, {self._thirds[step]}/3 of training", step)

    @torch.no_grad()
    def evaluate(self, task: Task) -> dict[str, Any]:
        model, book = _kept(task), self.book
        return {
            "bits_per_char": bits_per_character(model, book.held_out.to(self.settings.device)),
            "train_accuracy": loss_and_accuracy(model, book.train)[1],
            "val_bits_per_char": loss_and_accuracy(model, book.validation)[0] / math.log(2),
        }

    def metrics(self, rows: Rows) -> dict[str, Any]:
        return {"baselines": self.book.baselines()}

    def history(self, rows: Rows) -> Rows:
        parts = ("train", "val")
        return [{**row, **{f"{part}_bits": row[f"{part}_loss"] / math.log(2) for part in parts}} for row in rows]

    def curves(self, metrics: Mapping[str, Any]) -> Curves:
        return Curves(
            f"{self.book.name}, {self.settings.cell}",
            {"bits per character": ("train_bits", "val_bits"), "validation accuracy": ("val_accuracy",)},
            {
                "bits per character": metrics["baselines"],
                "validation accuracy": {"chance (most frequent character)": self.blank},
            },
        )

    def draw(self, run: RunFolder) -> list[Path]:
        return [self._file(run).path]

    def summary(self, metrics: Mapping[str, Any]) -> dict[str, str]:
        book, bits, rows = self.book, metrics["bits_per_char"], metrics["seeds"]
        steps, seconds = (sum(row[name] for row in rows) for name in ("steps", "seconds"))
        return {
            "data": f"{book.name}, {len(book.text):,} characters, {len(book.vocabulary)} symbols",
            "model": f"{self.settings.cell}, {metrics['parameters']:,} parameters",
            "held out": f"{bits['mean']:.3f} ± {bits['std']:.3f} bits per character (the last 5 % of the text)",
            "baselines": ", ".join(f"{name} {value:.2f}" for name, value in metrics["baselines"].items()),
            "training": f"{percent(metrics['train_accuracy'])} of the characters right",
            "time": f"{seconds:.0f} s, {1000 * seconds / max(steps, 1):.1f} s per 1000 steps",
        }

    def _file(self, run: RunFolder) -> SamplesFile:
        if self._samples is None:
            self._samples = SamplesFile(
                run.path / "samples.txt", Vocabulary(self.book.vocabulary), self.book.text, self.entries["prompt"]
            )
        return self._samples


class CarriedState:
    """The hidden state [layers, windows, hidden] that goes from one training window to the next.

    It survives a resumed run, where the ranks share the windows of all of them.
    """

    def __init__(self) -> None:
        self.state: State | None = None

    def state_dict(self) -> dict[str, Any]:
        parts = (self.state,) if isinstance(self.state, Tensor) else self.state
        whole = [_of_all_ranks(part) for part in parts or ()]
        return {"parts": whole, "single": isinstance(self.state, Tensor)}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        parts = [ranks.share(part, 1) for part in saved["parts"]]
        self.state = (parts[0] if saved["single"] else tuple(parts)) if parts else None


def _of_all_ranks(part: Tensor) -> Tensor:
    own = part[:, : part.size(1) if ranks.weight() else 0]
    return own if ranks.size() == 1 else torch.cat([one.to(part.device) for one in ranks.gather(own.cpu())], 1)


@torch.no_grad()
def loss_and_accuracy(model: CharLM, tokens: Tensor, chunk: int = 256) -> tuple[float, float]:
    """Mean cross entropy and accuracy of a text read from 16 evenly spread places at once, each with its own state.

    The ranks share the places.
    """
    share = max(1, (tokens.numel() - 1) // _READERS)
    start = torch.arange(min(_READERS, tokens.numel() - 1))[:, None] * share
    rows = tokens[start + torch.arange(share + 1)].to(next(model.parameters()).device)
    count, own = rows[:, 1:].numel(), rows[slice(*ranks.span(len(rows)))]
    state, nats, right = None, 0.0, 0.0
    for at in range(0, share if len(own) else 0, chunk):
        window = own[:, at : at + chunk + 1]
        logits, loss, state = model(window[:, :-1], window[:, 1:], state)
        nats += loss.item() * window[:, 1:].numel()
        right += float((logits.argmax(2) == window[:, 1:]).sum())
    nats, right = ranks.summed(nats, right)
    return nats / count, right / count


def _kept(task: Task) -> CharLM:
    """The weights that are kept: the averaged ones where there are any."""
    return cast(CharLM, task.result)
