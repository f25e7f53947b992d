"""`graphreel serve`: a trained run to try in a browser, on this machine alone."""

import asyncio
import secrets
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from graphreel.core.labels import plain
from graphreel.experiments.kinds import kind_of_run
from graphreel.training.run_folder import RunFolder

LARGEST = 256 * 2**20  # bytes of an upload
SECONDS = 600  # that an answer may take
_TABLES = (".csv", ".tsv", ".json", ".parquet", ".h5", ".npz", ".txt", ".jsonl")
_SUFFIXES = {
    "gnn": (*_TABLES, ".graphml", ".gml", ".pt"),
    "sequences": _TABLES,
    "text": (),
    "series": _TABLES,
    "clips": (".npz", ".mp4", ".avi", ".mov", ".mkv", ".webm", ".mpg", ".gif"),
}
_SHOWN = (".png", ".html", ".csv")


def build_app(path: Path) -> Any:
    """The ASGI application that answers for one run.

    A file is kept under a name of its own in a folder that goes when the server ends, and is read by the same command
    as on the command line, in a process of its own: it is data there, and never run.

    Raises:
        ValueError, FileNotFoundError: no trained run, or one that cannot be asked.
    """
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.requests import Request
    from starlette.responses import FileResponse, HTMLResponse, JSONResponse
    from starlette.routing import Route

    run = RunFolder.open(path)
    kind = kind_of_run(run)
    if kind not in _SUFFIXES:
        raise ValueError(f"{path} holds a run on {run.config().get('data')}, which no file can be tried on")
    if not run.checkpoint_path.is_file():
        raise FileNotFoundError(2, "no checkpoint in this run folder", str(run.checkpoint_path))
    place, busy = Path(tempfile.mkdtemp(prefix="graphreel-")), asyncio.Lock()

    @asynccontextmanager
    async def life(_: Any) -> AsyncIterator[None]:
        yield
        shutil.rmtree(place, ignore_errors=True)

    async def page(_: Request) -> HTMLResponse:
        return HTMLResponse(_page(run, kind))

    async def ask(request: Request) -> JSONResponse:
        if request.headers.get("origin", "").removeprefix("http://") != request.headers.get("host"):
            return JSONResponse({"error": "another page may not ask"}, 403)
        token = secrets.token_hex(8)
        folder = place / token
        try:
            given = await _received(request, folder, kind)
        except ValueError as error:
            shutil.rmtree(folder, ignore_errors=True)
            return JSONResponse({"error": str(error)}, 400)
        async with busy:
            said: list[str] = []
            for arguments in _commands(run.path, kind, given, folder):
                code, text = await _command(arguments)
                if code and not said:
                    return JSONResponse({"error": text.removeprefix("graphreel: ").replace(f"{folder}/", "")}, 400)
                if code == 0 and arguments[1] != "attention":
                    said.append(text.replace(f"{folder}/", "").replace(f"in {folder}: ", ""))
        found = sorted(folder.iterdir(), key=lambda file: (file.suffix == ".html", file.name))
        files = [file.name for file in found if file.suffix in _SHOWN and file != given]
        return JSONResponse({"said": "\n".join(said), "files": [f"answers/{token}/{name}" for name in files]})

    async def answer(request: Request) -> Any:
        file = place / Path(request.path_params["token"]).name / Path(request.path_params["name"]).name
        return (
            FileResponse(file) if file.is_file() and file.suffix in _SHOWN else JSONResponse({"error": "no such"}, 404)
        )

    routes = [Route("/", page), Route("/ask", ask, methods=["POST"]), Route("/answers/{token}/{name}", answer)]
    local = Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    return Starlette(routes=routes, middleware=[local], lifespan=life)


def serve(path: Path, port: int) -> None:
    """Serve a run on 127.0.0.1 until Ctrl-C.

    Raises:
        ValueError: the extra is missing, or as `build_app`.
        OSError: the port is taken.
    """
    try:
        import starlette  # noqa: F401
        import uvicorn
    except ImportError:
        raise ValueError("serve needs the extra `serve` (starlette, uvicorn): pip install 'graphreel[serve]'") from None
    uvicorn.run(build_app(path), host="127.0.0.1", port=port, log_level="warning")


async def _received(request: Any, folder: Path, kind: str) -> Any:
    """The uploaded file, or the prompt of a text.

    Raises:
        ValueError: it is too large, or of no kind that the run reads.
    """
    folder.mkdir()
    suffix = Path(request.query_params.get("name", "")).suffix.lower()
    if kind != "text" and suffix not in _SUFFIXES[kind]:
        raise ValueError(f"a file expects one of {', '.join(_SUFFIXES[kind])}, got {plain(suffix) or 'no ending'}")
    most, size, file = LARGEST if kind != "text" else 10_000, 0, folder / f"upload{suffix}"
    with file.open("wb") as to:
        async for piece in request.stream():
            size += len(piece)
            if size > most:
                raise ValueError(f"at most {most:,} bytes are read")
            to.write(piece)
    if kind != "text":
        return file
    prompt = file.read_text(encoding="utf-8", errors="replace")
    file.unlink()
    return prompt


def _commands(run: Path, kind: str, given: Any, folder: Path) -> list[list[str]]:
    """The commands that answer, the first of which must succeed."""
    name = str(run)
    if kind == "text":
        return [["rnn", "generate", name, "--length", "400", *(["--prompt", given] if given else [])]]
    if kind in ("clips", "series"):
        table = ["classes.csv", "--quiet"] if kind == "clips" else ["forecast.png"]
        out, page = [str(folder / table[0]), *table[1:]], str(folder / "attention.html")
        predict = ["combined", "predict", name, str(given), "--out", *out]
        return [predict, ["combined", "attention", name, str(given), "--html", "--out", page]]
    room = "gnn" if kind == "gnn" else "rnn"
    return [[room, "predict", name, str(given), "--out", str(folder / "classes.csv")]]


async def _command(arguments: list[str]) -> tuple[int, str]:
    """Exit code of a command, and what it printed: on success to stdout, else the sentence on stderr."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "graphreel", *arguments, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        out, error = await asyncio.wait_for(process.communicate(), SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        return 1, f"no answer within {SECONDS} seconds"
    if process.returncode:
        return process.returncode, (error.decode(errors="replace").strip().splitlines() or ["it failed"])[-1]
    return 0, out.decode(errors="replace").rstrip()


def _page(run: RunFolder, kind: str) -> str:
    text = (Path(__file__).parent / "pages" / "serve.html").read_text(encoding="utf-8")
    figures = run._repr_html_()
    return Template(text).substitute(
        name=escape(run.path.name),
        kind=kind,
        accept=",".join(_SUFFIXES[kind]),
        largest=f"{LARGEST >> 20} MB",
        figures=figures,
        hidden_file="hidden" if kind == "text" else "",
        hidden_text="" if kind == "text" else "hidden",
    )
