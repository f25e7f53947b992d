"""Run commands of graphreel one after another in this process: what `running.play` starts.

Reads a JSON list of argument lists from standard input and writes a list of {"code", "out", "error"} to the file that
it is given.
"""

import contextlib
import io
import json
import runpy
import sys
import traceback
from pathlib import Path


def one(arguments: list[str]) -> dict[str, object]:
    """`python -m graphreel ARGUMENTS`: its exit code, and what it wrote."""
    out, error = io.StringIO(), io.StringIO()
    sys.argv = ["graphreel", *arguments]
    code: object = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        try:
            runpy.run_module("graphreel", run_name="__main__", alter_sys=True)
        except SystemExit as stop:
            code = stop.code or 0
        except BaseException:
            code = traceback.format_exc()
    return {"code": code, "out": out.getvalue(), "error": error.getvalue()}


if __name__ == "__main__":
    answers = Path(sys.argv[1])
    answers.write_text(json.dumps([one(arguments) for arguments in json.load(sys.stdin)]))
