"""Recurrent layers beside torch.nn's: forward and backward, both in one process, medians of alternating rounds.

Run as `python -m benchmarks.rnn`; `--allocator default|tuned` measures one of the two settings in place of both, each
in a process of its own; `--only dense` and the like one of the tables.
"""

import argparse
import itertools
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import graphreel.rnn
from graphreel.data import load
from graphreel.rnn import LSTM, CharLM, PeepholeLSTM, SequenceClassifier
from graphreel.rnn.kernels.dispatch import scan_path
from graphreel.rnn.kernels.matmul import matmul_with, weight_gradient
from graphreel.training.allocator import tune_allocator

STEPS, BATCH, INPUTS, HIDDEN = 41, 256, 64, 256


class TorchClassifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(3, INPUTS)
        self.lstm: nn.Module = nn.LSTM(INPUTS, HIDDEN, batch_first=True)
        self.head = nn.Linear(HIDDEN, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.lstm(self.embedding(tokens))[0][:, -1])


def alternating(functions: list[Callable[[], object]], device: str, rounds: int = 9) -> list[float]:
    """Median milliseconds of each, of so many rounds and at least half a second's; of the processor's time on one
    thread, which a busy machine disturbs less."""
    clock = time.process_time if device == "cpu" and torch.get_num_threads() == 1 else time.perf_counter
    seconds: list[list[float]] = [[] for _ in functions]
    end = time.perf_counter() + 0.5
    for count in itertools.count():
        if count >= rounds + 3 and (device == "cuda" or time.perf_counter() > end):
            break
        for function, times in zip(functions, seconds, strict=True):
            start = clock()
            function()
            if device == "cuda":
                torch.cuda.synchronize()
            if count >= 3:
                times.append(clock() - start)
    return [1000 * median(times) for times in seconds]


class Plain(nn.Module):
    """A layer by plain autograd operations."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Any:
        with scan_path("plain"):
            return self.layer(x)


def _print(title: str, base: str, rows: list[tuple[str, Callable[[], object], str]], device: str) -> None:
    times = alternating([function for _, function, _ in rows], device)
    print(f"\n{title}\n{'':34}{'ms':>9}  {'time against ' + base:24}bar")
    for (name, _, bar), spent in zip(rows, times, strict=True):
        print(f"{name:34}{spent:9.2f}  {spent / times[0]:<24.2f}{bar}")


def _products(x: Tensor) -> Callable[[], object]:
    """The matrix products that an LSTM over x cannot do without: each step's, forward and back, and the gradients'."""
    z = torch.randn(*x.shape[:2], 4 * HIDDEN, device=x.device)
    joined = torch.randn(*x.shape[:2], x.shape[2] + HIDDEN, device=x.device)
    rows = len(x) * x.shape[1]
    forth = matmul_with(torch.randn(4 * HIDDEN, joined.shape[2], device=x.device), rows)
    back = matmul_with(torch.randn(HIDDEN, 4 * HIDDEN, device=x.device), rows)

    def run() -> None:
        for step in joined:
            forth(step)
        for step in z:
            back(step)
        weight_gradient(z.flatten(0, 1), joined.flatten(0, 1))

    return run


def dense(device: str) -> None:
    x = torch.randn(STEPS, BATCH, INPUTS, device=device)

    def step(layer: nn.Module) -> Callable[[], object]:
        layer.to(device)

        def run() -> None:
            layer.zero_grad()
            layer(x)[0].sum().backward()

        return run

    rows = [
        ("torch.nn.LSTM", step(nn.LSTM(INPUTS, HIDDEN)), ""),
        ("rnn.LSTM", step(LSTM(INPUTS, HIDDEN)), "1.30"),
        ("rnn.PeepholeLSTM gers", step(PeepholeLSTM(INPUTS, HIDDEN)), "1.30"),
        ("rnn.PeepholeLSTM uva", step(PeepholeLSTM(INPUTS, HIDDEN, variant="uva")), "1.00"),
        ("plain loop of autograd operations", step(Plain(LSTM(INPUTS, HIDDEN))), "1.5 times rnn.LSTM"),
        ("an LSTM's matrix products alone", _products(x), "the floor"),
    ]
    _print(f"dense input, T={STEPS} B={BATCH} I={INPUTS} H={HIDDEN}, forward and backward", "torch", rows, device)


def tokens(device: str) -> None:
    sequences, labels = load("palindrome", length=10).batch(BATCH, generator=torch.Generator().manual_seed(0))
    sequences, labels = sequences.to(device), labels.to(device)

    def step(model: nn.Module) -> Callable[[], object]:
        model.to(device)

        def run() -> None:
            model.zero_grad()
            cross_entropy(model(sequences), labels).backward()

        return run

    rows = [("Embedding + nn.LSTM + Linear", step(TorchClassifier()), "")]
    for cell in ("lstm", "peephole", "peephole-gers"):
        for padding in (None, 2):
            model = SequenceClassifier(3, INPUTS, HIDDEN, 2, cell=cell, padding=padding)
            rows.append((f"{cell}, padding={padding}", step(model), "1.00"))
    looped = TorchClassifier()
    looped.lstm = Plain(LSTM(INPUTS, HIDDEN, batch_first=True))
    rows.append(("the same with a plain loop", step(looped), "1.5 times lstm"))
    _print(f"palindrome, T={STEPS} B={BATCH} H={HIDDEN}, forward and backward", "torch", rows, device)


def text(device: str) -> None:
    """The two layers of the character model's default, and the whole model with dropout."""
    steps, batch, symbols, hidden = 30, 64, 87, 128
    x = torch.randn(steps, batch, symbols, device=device)
    tokens = torch.randint(symbols, (batch, steps + 1), generator=torch.Generator().manual_seed(0)).to(device)

    def layers(layer: nn.Module) -> Callable[[], object]:
        layer.to(device)

        def run() -> None:
            layer.zero_grad()
            layer(x)[0].sum().backward()

        return run

    def model(recurrent: nn.Module, dropout: float) -> Callable[[], object]:
        whole = CharLM(symbols, symbols, hidden, dropout=dropout)
        whole.recurrent = recurrent
        whole.to(device)

        def run() -> None:
            whole.zero_grad()
            _, loss, _ = whole(tokens[:, :-1], tokens[:, 1:])
            assert loss is not None
            loss.backward()

        return run

    kinds = (("torch.nn.LSTM", nn.LSTM), ("rnn.LSTM", LSTM))
    rows = [(name, layers(kind(symbols, hidden, 2)), "1.00") for name, kind in kinds]
    _print(f"two layers, T={steps} B={batch} I={symbols} H={hidden}, forward and backward", "torch", rows, device)
    rows = [
        (f"CharLM on {name}", model(kind(symbols, hidden, 2, batch_first=True, dropout=0.2), 0.2), "1.00")
        for name, kind in kinds
    ]
    _print("the character model with dropout, forward and backward", "torch", rows, device)


def small(device: str) -> None:
    for steps, batch, hidden in ((1, 1, 32), (1, 1, 128), (30, 1, 128), (30, 64, 32), (12, 32, 64)):
        x = torch.randn(steps, batch, 32, device=device)
        layers = [layer.to(device) for layer in (nn.LSTM(32, hidden), LSTM(32, hidden))]

        def forward(layer: nn.Module, x: Tensor = x) -> None:
            with torch.no_grad():
                layer(x)

        def both(layer: nn.Module, x: Tensor = x) -> None:
            layer.zero_grad()
            layer(x)[0].sum().backward()

        for title, run in (("inference", forward), ("forward and backward", both)):
            rows = [
                (name, lambda layer=layer, run=run: [run(layer) for _ in range(10)], "")
                for name, layer in zip(("torch.nn.LSTM", "rnn.LSTM"), layers, strict=True)
            ]
            _print(f"T={steps} B={batch} I=32 H={hidden}, ten times {title}", "torch", rows, device)


GRID = (
    (1, 1, 32),
    (1, 64, 128),
    (12, 32, 64),
    (30, 1, 128),
    (30, 64, 128),
    (41, 256, 256),
    (100, 16, 64),
    (500, 8, 32),
)


def grid(device: str) -> None:
    """Plain layers in every size, and with lengths from a tenth of T to T, where torch.nn's batch is packed."""
    for name in ("LSTM", "GRU", "RNN"):
        for steps, batch, hidden in GRID:
            sides = [kind(32, hidden).to(device) for kind in (getattr(nn, name), getattr(graphreel.rnn, name))]
            x = torch.randn(steps, batch, 32, device=device)
            packed = pack_padded_sequence(x, torch.linspace(steps, 1 + steps // 10, batch).long())
            for given, label in ((x, ""), (packed, " packed")) if steps > 1 else ((x, ""),):
                calls = [partial(_forward, side, given) for side in sides] + [
                    partial(_both, side, given) for side in sides
                ]
                theirs, ours, their_training, our_training = alternating(calls, device, 25)
                print(
                    f"{name:5}T={steps:<4}B={batch:<4}H={hidden:<4}{label:8}torch.nn's time over rnn's: inference "
                    f"{theirs / ours:5.2f}, forward and backward {their_training / our_training:5.2f}, bar 0.95",
                    flush=True,
                )


def packed(device: str) -> None:
    """Sequences of a tenth of T to T steps: torch.nn's time on a PackedSequence over ours, on it and by lengths."""
    print("torch.nn's packed call over ours   inference: packed, lengths   forward and backward: packed, lengths")
    for name in ("LSTM", "GRU", "RNN"):
        for steps in (100, 400, 1000):
            theirs, ours = (kind(32, 64).to(device) for kind in (getattr(nn, name), getattr(graphreel.rnn, name)))
            lengths = torch.linspace(steps, steps // 10, 32).long()
            x = torch.randn(steps, 32, 32, device=device)
            rows = pack_padded_sequence(x, lengths)
            by_lengths = partial(ours, lengths=lengths)
            by_lengths.zero_grad = ours.zero_grad  # type: ignore[attr-defined]
            sides = ((theirs, rows), (ours, rows), (by_lengths, x))
            kinds = ((_forward, 25), (_both, 5))
            times = [alternating([partial(run, *side) for side in sides], device, rounds) for run, rounds in kinds]
            shown = "".join(f"{whole / one:8.1f}x" for whole, *others in times for one in others)
            print(f"{name:5}T={steps:<5}B=32 I=32 H=64 {shown}", flush=True)


def _forward(layer: nn.Module, x: Any) -> None:
    with torch.no_grad():
        layer(x)


def _both(layer: nn.Module, x: Any) -> None:
    layer.zero_grad()
    y = layer(x)[0]
    (y.data if isinstance(y, PackedSequence) else y).sum().backward()


TABLES: dict[str, Callable[[str], None]] = {
    "tokens": tokens,
    "dense": dense,
    "text": text,
    "small": small,
    "grid": grid,
    "packed": packed,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--allocator", choices=("default", "tuned", "both"), default="both")
    parser.add_argument("--only", nargs="+", choices=list(TABLES), default=list(TABLES), metavar="TABLE")
    arguments = parser.parse_args()
    choice, only = arguments.allocator, arguments.only
    if choice == "both":
        for one in ("default", "tuned"):
            subprocess.run([sys.executable, "-m", "benchmarks.rnn", "--allocator", one, "--only", *only], check=True)
        return
    if choice == "tuned" and not tune_allocator():
        print("tuned allocator skipped: this C library has no mallopt")
        return
    print(f"=== {choice} allocator, {torch.get_num_threads()} threads, torch {torch.__version__}")
    for name in only:
        TABLES[name]("cpu")
    if not torch.cuda.is_available():
        print("\nthe same against cuDNN skipped: no CUDA device")
        return
    for name in only:
        if name not in ("small", "grid", "packed"):
            TABLES[name]("cuda")


if __name__ == "__main__":
    main()
