"""Random layers and sequences against torch.nn: a few in every run of the suite, many under the marker attack."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_padded_sequence

from graphreel import rnn
from graphreel.rnn.kernels.dispatch import PATHS, scan_path

LAYERS = st.fixed_dictionaries(
    {
        "num_layers": st.integers(1, 3),
        "bias": st.booleans(),
        "batch_first": st.booleans(),
        "bidirectional": st.booleans(),
        "dtype": st.sampled_from([torch.float32, torch.float64]),
    }
)
CASES = {
    "name": st.sampled_from(["RNN", "LSTM", "GRU"]),
    "options": LAYERS,
    "sizes": st.tuples(*[st.integers(1, 6)] * 2),
    "lengths": st.lists(st.integers(1, 12), min_size=1, max_size=6),
    "form": st.sampled_from(["dense", "packed", "unbatched"]),
    "with_state": st.booleans(),
    "path": st.sampled_from(PATHS),
    "seed": st.integers(0, 2**31),
}


def _check(name, options, sizes, lengths, form, with_state, path, seed) -> None:
    torch.manual_seed(seed)
    theirs, ours = getattr(torch.nn, name)(*sizes, **options), getattr(rnn, name)(*sizes, **options)
    ours.load_state_dict(theirs.state_dict())
    batch, steps, first = len(lengths), max(lengths), options["batch_first"]
    x = torch.randn((batch, steps, sizes[0]) if first else (steps, batch, sizes[0]), dtype=options["dtype"])
    x = (torch.randn(steps, sizes[0], dtype=options["dtype"]) if form == "unbatched" else x).requires_grad_()
    depth = options["num_layers"] * (2 if options["bidirectional"] else 1)
    shape = (depth, sizes[1]) if form == "unbatched" else (depth, batch, sizes[1])
    parts = [torch.randn(shape, dtype=options["dtype"], requires_grad=True) for _ in ours.state_names]
    hx = None if not with_state else parts[0] if len(parts) == 1 else tuple(parts)
    results = []
    for layer in (ours, theirs):
        given = pack_padded_sequence(x, lengths, first, enforce_sorted=False) if form == "packed" else x
        with scan_path(path):
            y, final = layer(given, hx)
        flat = [y.data if form == "packed" else y, *((final,) if isinstance(final, torch.Tensor) else final)]
        inputs = [x, *(parts if with_state else []), *layer.parameters()]
        results.append((flat, torch.autograd.grad(sum(part.sin().sum() for part in flat), inputs)))
    close = 1e-9 if options["dtype"] == torch.float64 else 1e-3
    torch.testing.assert_close(results[0], results[1], rtol=close, atol=close)


@settings(max_examples=60, deadline=None)
@given(**CASES)
def test_random_sequences(**case) -> None:
    _check(**case)


@pytest.mark.attack
@settings(max_examples=5000, deadline=None)
@given(**CASES)
def test_many_random_sequences(**case) -> None:
    _check(**case)
