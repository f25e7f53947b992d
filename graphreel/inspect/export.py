"""`graphreel export`: a trained model for other programs, with its settings and a model card."""

import json
from collections.abc import Callable
from inspect import Parameter, signature
from pathlib import Path
from string import Template
from typing import Any

import torch
from torch import Tensor

from graphreel.core.atomic_files import refuse_to_overwrite, write_text, write_whole
from graphreel.inspect.export_calls import Call, call_of
from graphreel.inspect.load_run import TrainedRun, load_run
from graphreel.inspect.run_table import entry

SUFFIXES = {"safetensors": ".safetensors", "onnx": ".onnx", "torch-export": ".pt2"}
_CARD = Path(__file__).parent / "pages" / "model_card.md"


def export(path: Path, form: str, out: Path | None = None) -> list[Path]:
    """Write the model of a run in a form of `SUFFIXES`, and beside it its settings (.json) and a model card (.md).

    The weights are written as safetensors for every kind of run. ONNX and torch.export hold a whole call with tensors
    (see `export_calls`): nodes, edges, graphs and the batch may vary, steps and frames are those of training. What was
    written is read back and compared with the model before it takes its place, ONNX where onnxruntime is installed.

    Returns:
        The files written.

    Raises:
        ValueError: no such form, a run that has none, a missing package, or a file that answers otherwise.
    """
    trained = load_run(path)
    file = out or trained.folder.path / f"model{SUFFIXES[form]}"
    beside = [file.with_suffix(".json"), file.with_suffix(".md")]
    refuse_to_overwrite([file, *beside], trained.folder.files)
    card, described = model_card(trained, file.name), _described(trained)
    file.parent.mkdir(parents=True, exist_ok=True)
    write: Callable[[TrainedRun, Path], None] = {
        "safetensors": _safetensors, "onnx": _onnx, "torch-export": _torch_export
    }[form]  # fmt: skip
    write_whole(file, lambda to: write(trained, Path(to)))
    write_text(beside[0], json.dumps(described, indent=2) + "\n")
    write_text(beside[1], card)
    return [file, *beside]


def model_card(trained: TrainedRun, file: str) -> str:
    """What a reader must know of a model before using it, in Markdown."""
    run, config = entry(trained.folder.path), trained.folder.config()
    figures = [f"| {name.replace('_', ' ')} | {v['mean']:.4g} ± {v['std']:.2g} |" for name, v in run.figures.items()]
    baselines = [
        f"| {name.replace('_', ' ')} (baseline) | {_short(v)} |" for name, v in run.metrics["baselines"].items()
    ]
    settings = [f"| {name.replace('_', ' ')} | {v} |" for name, v in trained.settings.as_dict().items() if v != ""]
    limits = run.metrics.get("warnings") or ["none was noticed in training; that is no promise"]
    return Template(_CARD.read_text(encoding="utf-8")).substitute(
        file=file,
        model=run.model,
        data=Path(str(config["data"])).name,
        parameters=f"{run.metrics['parameters']:,}",
        seeds=len(run.metrics["seeds"]),
        figures="\n".join([*figures, *baselines]),
        limits="\n".join(f"- {limit}" for limit in limits),
        settings="\n".join(settings),
        versions=", ".join(f"{name} {version}" for name, version in config.get("versions", {}).items()),
    )


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {number:.4g}" for name, number in value.items() if isinstance(number, int | float))
    return f"{value:.4g}"


def _described(trained: TrainedRun) -> dict[str, Any]:
    """Settings, and what else builds the model and names its answers, as far as JSON can say it."""
    known = {name: value for name, value in trained.entries.items() if name not in _OF_THE_TRAINING and _is_json(value)}
    return {"kind": trained.kind, "settings": trained.settings.as_dict(), "entries": known}


_OF_THE_TRAINING = ("config", "finished", "history", "best_run", "current", "model", "format", "room")


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def _safetensors(trained: TrainedRun, file: Path) -> None:
    try:
        from safetensors.torch import load_file, save_file
    except ImportError:
        raise ValueError("safetensors needs the extra `export`: pip install 'graphreel[export]'") from None
    state = {name: value.contiguous().clone() for name, value in trained.model.state_dict().items()}
    save_file(state, file, {"format": "pt", "graphreel": json.dumps(_described(trained))})
    read = load_file(file)
    if read.keys() != state.keys() or not all(torch.equal(read[name], state[name]) for name in state):
        raise ValueError(f"{file.name} does not hold the weights of {trained.folder.path}")


def _torch_export(trained: TrainedRun, file: Path) -> None:
    call = call_of(trained)
    torch.export.save(torch.export.export(call.model, _inputs(call), dynamic_shapes=_shapes(call)), file)
    _compare(torch.export.load(file).module()(*_inputs(call)), call, file)


def _onnx(trained: TrainedRun, file: Path) -> None:
    import warnings

    try:
        import onnxscript  # noqa: F401
    except ImportError:
        raise ValueError("ONNX needs the extra `export` (onnxscript): pip install 'graphreel[export]'") from None
    call = call_of(trained)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's own parts
        program: Any = torch.onnx.export(
            call.model, _inputs(call), dynamo=True, dynamic_shapes=_shapes(call), input_names=list(call.inputs),
            output_names=[call.output], verbose=False,
        )  # fmt: skip
    program.save(file)
    try:
        import onnxruntime
    except ImportError:
        return
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    given = {name: value.numpy() for name, (value, _) in call.inputs.items()}
    _compare(torch.from_numpy(session.run(None, given)[0]), call, file)


def _inputs(call: Call) -> tuple[Tensor, ...]:
    return tuple(value for value, _ in call.inputs.values())


def _shapes(call: Call) -> tuple[Any, ...]:
    varying = [{at: torch.export.Dim(name, min=2) for at, name in sizes.items()} for _, sizes in call.inputs.values()]
    kinds = [one.kind for one in signature(call.model.forward).parameters.values()]
    if Parameter.VAR_POSITIONAL not in kinds:
        return tuple(varying)
    named = len(kinds) - 1  # what *further takes is one tuple
    return (*varying[:named], *([tuple(varying[named:])] if varying[named:] else []))


def _compare(answer: Tensor, call: Call, file: Path) -> None:
    with torch.no_grad():
        expected = call.model(*_inputs(call))
    if not torch.allclose(answer, expected, rtol=1e-4, atol=1e-4):
        worst = float((answer - expected).abs().max())
        raise ValueError(f"{file.name} answers otherwise than the model, by up to {worst:.3g}: it is not written")
