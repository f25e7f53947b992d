"""A function that compilers and exporters take as one operator: inside, it runs as it does without them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch._C import DispatchKey
from torch.utils.weak import WeakTensorKeyDictionary

from .transforms import is_compiled

__all__ = ["opaque", "seeded"]

_BELOW = (DispatchKey.AutogradFunctionality, DispatchKey.AutogradOther, DispatchKey.ADInplaceOrView)

# By the last result of a call, an empty tensor that the caller holds until the backward pass: the inputs and results
# between which autograd has recorded it. Where that tensor was copied in between, the call is repeated.
_recorded = WeakTensorKeyDictionary()


def opaque(name: str, fake: Callable[..., list[Tensor]]) -> Callable[[Callable[..., list[Tensor]]], Any]:
    """Make a function of tensors, lists of tensors, numbers and strings an operator of ``torch.compile``.

    Called eagerly the function is what it was. Under ``torch.compile`` and ``torch.export`` it becomes
    ``torch.ops.graphreel.NAME``: looked into by nobody, called with real tensors, so that it may decide by values,
    remember what it computed from the same tensor object, and use any kernel. Its gradients are those that autograd
    gives it eagerly. The function must be deterministic, change no input, and return fresh tensors.

    Args:
        name: Of the operator.
        fake: Takes the same arguments, and returns tensors of the shapes and types of the results.
    """

    def decorate(function: Callable[..., list[Tensor]]) -> Callable[..., list[Tensor]]:
        arguments = torch.library.infer_schema(function, mutates_args=()).rpartition(" -> ")[0][1:-1]

        def forward(*given: Any) -> list[Tensor]:
            *args, wanted = given
            handle = torch.empty(0)
            if not wanted:
                with torch.no_grad():
                    return [*function(*args), handle]
            with _autograd():
                leaves, results = _record(function, args, wanted)
            _recorded[handle] = leaves, results
            return [*(result.detach() for result in results), handle]

        def backward(grads: list[Tensor | None], results: list[Tensor], *given: Any) -> list[Tensor]:
            *args, wanted = given
            with _autograd():
                leaves, outputs = _recorded.pop(results[-1], None) or _record(function, args, wanted)
                reached = [(y, g) for y, g in zip(outputs, grads, strict=True) if g is not None and y.requires_grad]
                inputs = [leaves[place] for place in wanted]
                above = [g for _, g in reached]
                found = torch.autograd.grad([y for y, _ in reached], inputs, above, allow_unused=True)
            return _fresh(found, inputs, above)

        operator = torch.library.custom_op(
            f"graphreel::{name}", forward, mutates_args=(), schema=f"({arguments}, int[] wanted) -> Tensor[]"
        )
        gradient = torch.library.custom_op(
            f"graphreel::{name}_backward",
            backward,
            mutates_args=(),
            schema=f"(Tensor?[] grads, Tensor[] results, {arguments}, int[] wanted) -> Tensor[]",
        )
        operator.register_fake(lambda *given: [*fake(*given[:-1]), torch.empty(0)])
        gradient.register_fake(lambda grads, results, *given: _like(given[:-1], given[-1]))
        operator.register_autograd(_differentiate(gradient), setup_context=_keep)

        def call(*args: Any) -> list[Tensor]:
            if not is_compiled():
                return function(*args)
            wanted = [place for place, t in _tensors(args) if t.requires_grad] if torch.is_grad_enabled() else []
            return operator(*args, wanted)[:-1]

        return call

    return decorate


@contextmanager
def seeded(seed: Tensor | None) -> Iterator[None]:
    """Within it random numbers follow from a seed, which is drawn outside of the operator that uses it up."""
    if seed is None:
        yield
        return
    with torch.random.fork_rng(devices=()):
        torch.default_generator.manual_seed(int(seed))
        yield


def _tensors(args: Sequence[Any]) -> list[tuple[int, Tensor]]:
    """The tensors among arguments, those in lists too, each with its place among all of them."""
    flat = [part for arg in args for part in (arg if isinstance(arg, (list, tuple)) else [arg])]
    return [(place, part) for place, part in enumerate(flat) if isinstance(part, Tensor)]


def _record(
    function: Callable[..., list[Tensor]], args: Sequence[Any], wanted: Sequence[int]
) -> tuple[dict[int, Tensor], list[Tensor]]:
    """Call the function with a graph from the inputs at the places that are wanted."""
    leaves: dict[int, Tensor] = {}
    place = 0

    def leaf(part: Any) -> Any:
        nonlocal place
        place += 1
        if place - 1 not in wanted:
            return part
        leaves[place - 1] = part.detach().requires_grad_()
        return leaves[place - 1]

    results = function(*([leaf(p) for p in arg] if isinstance(arg, (list, tuple)) else leaf(arg) for arg in args))
    return leaves, results


def _like(args: Sequence[Any], wanted: Sequence[int]) -> list[Tensor]:
    inputs = dict(_tensors(args))
    return [inputs[place].new_empty(inputs[place].shape) for place in wanted]


def _fresh(found: Sequence[Tensor | None], inputs: Sequence[Tensor], above: Sequence[Tensor]) -> list[Tensor]:
    """The gradients as contiguous tensors that share no memory, zeros where there is none."""
    seen, fresh = {g.untyped_storage().data_ptr() for g in above}, []
    for grad, given in zip(found, inputs, strict=True):
        if grad is None:
            grad = torch.zeros(given.shape, dtype=given.dtype, device=given.device)
        elif grad.untyped_storage().data_ptr() in seen:
            grad = grad.clone(memory_format=torch.contiguous_format)
        grad = grad.contiguous()
        seen.add(grad.untyped_storage().data_ptr())
        fresh.append(grad)
    return fresh


def _keep(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    args = inputs[:-1]
    ctx.args = [[None] * len(arg) if isinstance(arg, (list, tuple)) else arg for arg in args]
    ctx.args = [None if isinstance(arg, Tensor) else arg for arg in ctx.args]
    ctx.places = [place for place, _ in _tensors(args)]
    ctx.save_for_backward(*(tensor for _, tensor in _tensors(args)), *output)
    ctx.set_materialize_grads(False)


def _differentiate(gradient: Any) -> Callable[..., tuple[Any, ...]]:
    def backward(ctx: Any, grads: Sequence[Tensor | None]) -> tuple[Any, ...]:
        count = len(ctx.places)
        tensors = dict(zip(ctx.places, ctx.saved_tensors[:count], strict=True))
        needs = [need for part in ctx.needs_input_grad[:-1] for need in (part if isinstance(part, list) else [part])]
        wanted = [place for place, need in enumerate(needs) if need]
        found = gradient(list(grads)[:-1], ctx.saved_tensors[count:], *_filled(ctx.args, tensors), wanted)
        blank = [[None] * len(arg) if isinstance(arg, list) else None for arg in ctx.args]
        return *_filled(blank, dict(zip(wanted, found, strict=True))), None

    return backward


def _filled(args: Sequence[Any], tensors: dict[int, Tensor]) -> list[Any]:
    """The arguments with the tensors at their places."""
    filled, place = [], 0
    for arg in args:
        parts = [tensors.get(place + k) for k in range(len(arg) if isinstance(arg, list) else 1)]
        filled.append(parts if isinstance(arg, list) else arg if parts[0] is None else parts[0])
        place += len(parts)
    return filled


@contextmanager
def _autograd() -> Iterator[None]:
    """Where autograd records, which it does not inside of an operator otherwise."""
    before = [torch._C._dispatch_tls_is_dispatch_key_excluded(key) for key in _BELOW]
    try:
        for key in _BELOW:
            torch._C._dispatch_tls_set_dispatch_key_excluded(key, False)
        with torch.enable_grad():
            yield
    finally:
        for key, excluded in zip(_BELOW, before, strict=True):
            torch._C._dispatch_tls_set_dispatch_key_excluded(key, excluded)
