"""Run the questions one after the other, keep what is finished, and write the page and report.json."""

import json
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from graphreel.core.atomic_files import write_json, write_text
from graphreel.report.cache import Cache, Outcome, key_of
from graphreel.report.machine import describe_machine
from graphreel.report.page import render
from graphreel.report.question import Question
from graphreel.report.terminal import Terminal
from graphreel.report.workspace import Trainings, Workspace
from graphreel.training.provenance import provenance

FORMAT = "graphreel report 1"


def build_report(
    questions: Sequence[Question],
    mode: str,
    out: Path,
    on_disk: Mapping[str, str],
    terminal: Terminal,
    only: Sequence[str] = (),
    overwrite: bool = False,
) -> list[Outcome]:
    """Make the report in `out`: the page is `index.html`, the numbers are `report.json`.

    Questions that were finished earlier in the same folder, with the same sizes, data and versions, are taken over.
    A question that fails says why on the page, and the next one runs.

    Args:
        questions: in the order of the page, which is also that of running.
        mode: which of the questions' sizes.
        on_disk: from `find_data`.
        only: ids of the questions to run; the others are taken over if they are finished.
        overwrite: run again what is finished.

    Raises:
        ValueError: `out` is a file, or holds a report of another mode or what no report left.
    """
    _mark(out, mode, overwrite)
    cache = Cache(out / "sections")
    outcomes = {question.id: Outcome(question, cache.of(question)) for question in questions}
    keys, wanted = {}, []
    for question in questions:
        keys[question.id] = key_of(question, mode, _used(question, on_disk))
        earlier = cache.load(question, keys[question.id], mode)
        asked = not only or question.id in only
        if earlier is not None and not (overwrite and asked):
            outcomes[question.id] = earlier
        elif asked:
            wanted.append(question)
    about = {"mode": mode, **provenance(), "machine": describe_machine(), "on_disk": dict(on_disk)}
    terminal.start(list(outcomes.values()), {question.id: question.expected(mode) for question in wanted})
    write_report(list(outcomes.values()), about, out)
    trainings = Trainings(out / "runs", again=overwrite)
    for question in wanted:
        workspace = Workspace(cache.of(question), trainings, _used(question, on_disk))
        with terminal.running(question):
            outcome = run_question(question, mode, workspace)
        if outcome.findings is not None:
            cache.save(outcome, keys[question.id])
        outcomes[question.id] = outcome
        terminal.ended(outcome)
        write_report(list(outcomes.values()), about, out)
    return list(outcomes.values())


def run_question(question: Question, mode: str, workspace: Workspace) -> Outcome:
    """Run one question; a failure becomes an outcome with its reason."""
    started = time.perf_counter()

    def outcome(**how: Any) -> Outcome:
        seconds = round(time.perf_counter() - started, 2)
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        return Outcome(question, workspace.folder, seconds=seconds, finished_at=now, **how)

    try:
        numbers = json.loads(
            json.dumps(question.measure(question.sizes(mode), workspace))
        )  # as they will be found in the cache
        findings = question.findings(numbers, mode)
        findings.shown.html(workspace.folder)  # fails here, and not where the whole page would fail with it
        return outcome(numbers=numbers, findings=findings)
    except Exception as error:
        said = " ".join(str(error).split()) or "no message"
        return outcome(reason=f"{type(error).__name__}: {said}", trace=traceback.format_exc())


def write_report(outcomes: Sequence[Outcome], about: Mapping[str, Any], out: Path) -> None:
    """Write index.html and report.json for the questions as they stand; `about` is what `render` takes."""
    sections = [_as_dict(outcome, about["mode"]) for outcome in outcomes]
    write_json(out / "report.json", {"format": FORMAT, **about, "sections": sections})
    write_text(out / "index.html", render(outcomes, about))


def _as_dict(outcome: Outcome, mode: str) -> dict[str, Any]:
    question, findings = outcome.question, outcome.findings
    said: dict[str, Any] = {"id": question.id, "title": question.title, "status": outcome.status}
    said["settings"] = asdict(question.sizes(mode))
    if findings is None:
        return {**said, "reason": outcome.reason or None}
    return {
        **said,
        "verdict": findings.verdict,
        "sentence": findings.sentence.plain,
        "findings": [
            {"part": one.part, "verdict": one.verdict, "sentence": one.text.plain} for one in findings.findings
        ],
        "numbers": outcome.numbers,
        "commands": findings.repeat.commands,
        "seconds": outcome.seconds,
        "finished_at": outcome.finished_at,
    }


def _used(question: Question, on_disk: Mapping[str, str]) -> dict[str, str]:
    return {key: on_disk[key] for key in question.uses if key in on_disk}


def _mark(out: Path, mode: str, overwrite: bool) -> None:
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out expects a folder, got the file {out}")
    mark = out / "sections" / "mode.txt"
    foreign = next((name for name in ("index.html", "report.json") if (out / name).exists()), None)
    if foreign is not None and not mark.is_file():
        raise ValueError(f"{out} holds {foreign}, which no report left there: name another folder with --out")
    if mark.is_file() and (held := mark.read_text(encoding="utf-8").strip()) != mode and not overwrite:
        raise ValueError(
            f"{out} already holds a {held} report: name another folder with --out, or replace it with --overwrite"
        )
    write_text(mark, mode + "\n")
