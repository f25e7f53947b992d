"""`graphreel rnn predict`: the class of new sequences, or how well a character model predicts a new text."""

from pathlib import Path

from graphreel.data import load
from graphreel.data.sequences.labelled_sequences import SequenceReader
from graphreel.experiments.labelled_sequences import logits_of_items
from graphreel.inspect.class_table import write_classes
from graphreel.inspect.load_run import TrainedRun, load_run
from graphreel.rnn import Vocabulary, bits_per_character

_SHOWN = 8  # sequences in the terminal


def predict(path: Path, file: Path, out: Path | None) -> str:
    """What the run in `path` says of a file, as text; of sequences also as a table.

    Raises:
        ValueError, OSError: a run on something else, a file that is unreadable or does not fit the run.
    """
    trained = load_run(path, "sequences", "text")
    if trained.kind == "text":
        if out is not None:
            raise ValueError("--out expects a run on labelled sequences: of a text there is one figure")
        return _bits(trained, file)
    reader, classes = SequenceReader(**trained.entries["reader"]), trained.entries["classes"]
    raw = reader.raw(file)
    shares = logits_of_items(trained.model, reader.tensors(raw)).softmax(1)
    best = [classes[place] for place in shares.argmax(1).tolist()]
    table = write_classes(out or trained.folder.path / "predictions.csv", "sequence", raw.names, classes, shares)
    width = max(len(name) for name in raw.names[:_SHOWN]) + 2
    shown = zip(raw.names[:_SHOWN], best, shares.amax(1).tolist(), strict=False)
    lines = [f"  {name:<{width}}{one}  {share:.3f}" for name, one, share in shown]
    if len(best) > _SHOWN:
        lines.append(f"  ({_SHOWN} of {len(best)} sequences; all in {table})")
    known = [(one, label) for one, label in zip(best, raw.labels or [], strict=False) if label in classes]
    if known:
        right = sum(one == label for one, label in known) / len(known)
        lines.append(f"  {100 * right:.1f} % of {len(known)} that have a label are right")
    return "\n".join([*lines, f"  in {table}"])


def _bits(trained: TrainedRun, file: Path) -> str:
    encoding = {"encoding": trained.settings.encoding} if trained.settings.encoding else {}
    book, vocabulary = load(file, room="rnn", **encoding), Vocabulary(trained.entries["vocabulary"])
    if not hasattr(book, "text"):
        raise ValueError(f"{file.name} is no text, which the run was trained on")
    unknown = sorted(set(book.text) - set(vocabulary.characters))
    bits = bits_per_character(trained.model, vocabulary.encode(book.text, map_unknown=bool(unknown)))
    note = f" ({len(unknown)} symbols that training lacks are read as the likest)" if unknown else ""
    return f"  {book.name}: {bits:.3f} bits per character of {len(book.text):,}{note}"
