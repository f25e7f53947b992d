"""Run the sections one after the other, keep what is finished, and write the page and report.json."""

import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from graphreel.core.atomic_files import write_json, write_text
from graphreel.report.machine import describe_machine
from graphreel.report.page import render
from graphreel.report.section import Section
from graphreel.report.store import Outcome, Store, key_of
from graphreel.report.terminal import Terminal
from graphreel.report.workspace import Trainings, Workspace
from graphreel.training.run_folder import provenance

FORMAT = "graphreel report 1"


def make_report(
    sections: Sequence[Section],
    mode: str,
    out: Path,
    on_disk: Mapping[str, str],
    terminal: Terminal,
    only: Sequence[str] = (),
    overwrite: bool = False,
) -> list[Outcome]:
    """Make the report in `out`: page.html is `index.html`, the numbers are `report.json`.

    Sections that were finished earlier in the same folder, with the same sizes, data and versions, are taken over.
    A section that fails says why on the page, and the next one runs.

    Args:
        sections: in the order of the page, which is also that of running.
        mode: which of the sections' sizes.
        on_disk: from `find_data`.
        only: ids of the sections to run; the others are taken over if they are finished.
        overwrite: run again what is finished.

    Raises:
        ValueError: an unknown id, or `out` is a file or holds a report of another mode.
    """
    _prepare(sections, mode, out, only, overwrite)
    store = Store(out / "sections")
    outcomes = {section.id: Outcome(section, store.of(section)) for section in sections}
    keys = {section.id: key_of(section, mode, _used(section, on_disk)) for section in sections}
    wanted = []
    for section in sections:
        earlier = store.load(section, keys[section.id])
        asked = not only or section.id in only
        if earlier is not None and not (overwrite and asked):
            outcomes[section.id] = earlier
        elif asked:
            wanted.append(section)
    about = {"mode": mode, **provenance(), "machine": describe_machine(), "on_disk": dict(on_disk)}
    terminal.start([outcomes[s.id] for s in sections], {s.id: s.expected[mode] for s in wanted})
    write_report(list(outcomes.values()), about, out)
    trainings = Trainings(out / "runs", again=overwrite)
    for section in wanted:
        workspace = Workspace(store.of(section), trainings, _used(section, on_disk))
        with terminal.running(section):
            outcome = run_section(section, section.sizes[mode], workspace)
        if outcome.answer is not None:
            store.save(outcome, keys[section.id])
        outcomes[section.id] = outcome
        terminal.ended(outcome)
        write_report(list(outcomes.values()), about, out)
    return list(outcomes.values())


def run_section(section: Section, sizes: Any, workspace: Workspace) -> Outcome:
    """Run one section; a failure becomes an outcome with its reason."""
    started = time.perf_counter()

    def outcome(**how: Any) -> Outcome:
        seconds = round(time.perf_counter() - started, 2)
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        return Outcome(section, workspace.folder, seconds=seconds, finished_at=now, **how)

    try:
        return outcome(answer=section.run(sizes, workspace))
    except Exception as error:
        said = " ".join(str(error).split()) or "no message"
        return outcome(reason=f"{type(error).__name__}: {said}", trace=traceback.format_exc())


def write_report(outcomes: Sequence[Outcome], about: Mapping[str, Any], out: Path) -> None:
    """Write index.html and report.json for the sections as they stand; `about` is what `render` takes."""
    sections = [_as_dict(outcome, about["mode"]) for outcome in outcomes]
    write_json(out / "report.json", {"format": FORMAT, **about, "sections": sections})
    write_text(out / "index.html", render(outcomes, about))


def _as_dict(outcome: Outcome, mode: str) -> dict[str, Any]:
    section, answer = outcome.section, outcome.answer
    said: dict[str, Any] = {"id": section.id, "title": section.title, "status": outcome.status}
    said["settings"] = asdict(section.sizes[mode])
    if answer is None:
        return {**said, "reason": outcome.reason or None}
    return {
        **said,
        "verdict": answer.verdict,
        "sentence": answer.sentence,
        "findings": [asdict(finding) for finding in answer.findings],
        "numbers": answer.numbers,
        "commands": answer.commands,
        "seconds": outcome.seconds,
        "finished_at": outcome.finished_at,
    }


def _used(section: Section, on_disk: Mapping[str, str]) -> dict[str, str]:
    return {key: on_disk[key] for key in section.uses if key in on_disk}


def _prepare(sections: Sequence[Section], mode: str, out: Path, only: Sequence[str], overwrite: bool) -> None:
    known = [section.id for section in sections]
    for name in only:
        if name not in known:
            raise ValueError(f"--only expects one of {', '.join(known)}, got {name!r}")
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out expects a folder, got the file {out}")
    mark = out / "sections" / "mode.txt"
    if mark.is_file() and (held := mark.read_text(encoding="utf-8").strip()) != mode and not overwrite:
        raise ValueError(
            f"{out} already holds a {held} report: name another folder with --out, or replace it with --overwrite"
        )
    write_text(mark, mode + "\n")
