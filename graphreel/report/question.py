"""A question of the report: a folder in which measure.py gives numbers and page.md.jinja says them.

measure.py holds `SIZES` and `SECONDS` (mode -> a dataclass of sizes, and the seconds that they take on two cores),
`measure(sizes, workspace) -> numbers` and `verdicts(numbers) -> part -> verdict`, and `USES`, if it takes data sets
that may be on disk. page.md.jinja sets `title` and holds the macros `asked` and `found`; `found` has the
numbers by name.
"""

import importlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from graphreel.report import questions, wording
from graphreel.report.findings import Asked, Findings
from graphreel.report.workspace import Workspace
from graphreel.training.summary import percent

TEMPLATE = "page.md.jinja"
_REPEAT = """
All of this section, its numbers in `report.json`:

    graphreel report --{mode} --only {id} --out runs/{anchor}
"""


@dataclass(frozen=True)
class Question:
    """One question of the report, "Q1.1" in the folder q1_1."""

    id: str
    folder: Path

    @property
    def anchor(self) -> str:
        """Its id on the page: "q1-1"."""
        return self.id.lower().replace(".", "-")

    @property
    def title(self) -> str:
        return self._page().title

    @property
    def module(self) -> ModuleType:
        """measure.py."""
        return importlib.import_module(f"{questions.__name__}.{self.folder.name}.measure")

    def sizes(self, mode: str) -> Any:
        return self.module.SIZES[mode]

    def expected(self, mode: str) -> float:
        """Seconds on two cores."""
        return self.module.SECONDS[mode]

    @property
    def uses(self) -> tuple[str, ...]:
        """Data sets that are used where they are on disk."""
        return getattr(self.module, "USES", ())

    def measure(self, sizes: Any, workspace: Workspace) -> dict[str, Any]:
        return self.module.measure(sizes, workspace)

    def asked(self) -> Asked:
        """Question, equations and claims, which need no numbers."""
        return Asked.parse(self._page().asked())

    def findings(self, numbers: Mapping[str, Any], mode: str) -> Findings:
        """What the numbers say, and the commands that give them.

        Raises:
            jinja2.UndefinedError, KeyError: a number is missing.
        """
        verdicts = self.module.verdicts(numbers)
        context = {**numbers, "sizes": json.loads(json.dumps(asdict(self.sizes(mode)))), "verdicts": verdicts}
        repeat = _REPEAT.format(mode="full" if mode == "full" else "quick", id=self.id, anchor=self.anchor)
        return Findings.parse(self._page(context).found(), verdicts, repeat)

    def _page(self, context: dict[str, Any] | None = None) -> Any:
        environment = Environment(
            loader=FileSystemLoader(self.folder.parent), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        environment.filters |= wording.FILTERS | {"percent": percent}
        return environment.get_template(f"{self.folder.name}/{TEMPLATE}").make_module(context)


def find_questions() -> list[Question]:
    """Every question, in the order of the page, which is also that of running."""
    return [Question(name, folder) for name, folder in questions.folders().items()]
