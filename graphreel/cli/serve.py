"""`graphreel serve`: a run to try in a browser."""

from typing import Annotated

import typer

from graphreel.cli.options import Run


def serve(run: Run, port: Annotated[int, typer.Option(min=1024, max=65535, help="On 127.0.0.1.")] = 8484) -> None:
    """Serve a trained run on this machine alone: drop a clip, a table or a graph, or type a prompt."""
    from graphreel.inspect.serve import serve as start

    typer.echo(f"http://127.0.0.1:{port} until Ctrl-C")
    start(run, port)
