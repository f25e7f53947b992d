"""`graphreel combined ...`: train, compare, predict, attention. torch is imported only when work starts."""

from pathlib import Path
from typing import Annotated

import typer

from graphreel.cli.options import Html, Quiet, Run, a_path, path_option
from graphreel.cli.outputs import PAGES, check_picture
from graphreel.cli.train_command import add_training
from graphreel.training.run_folder import RunFolder

app = typer.Typer(help="Space x time: clips are classified, series of sensors forecast.", no_args_is_help=True)

add_training(
    app,
    "train",
    "Train on clips (a class for each) or on a series of sensors (a forecast for each).",
    ("clips", "series"),
    "digits; a keypoint .npz, a folder of videos, a series as .csv or .json.",
)
add_training(
    app,
    "compare",
    "Train a GNN alone, an RNN alone and both on the same clips, and show which classes each cannot tell apart.",
    ("compare",),
    "digits, a keypoint .npz, or a folder of videos.",
    out=Annotated[Path | None, path_option("Run folder to make.", show_default="runs/DATA-compare")],
)


@app.command()
def extract(
    videos: Annotated[
        Path, typer.Argument(help="A video, or a folder of them, by class or not.", parser=a_path, metavar="VIDEOS")
    ],
    out: Annotated[Path, path_option("Keypoint .npz to write.")],
    frames: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Moments of each video, evenly spread over its time.")
    ] = 32,
    people: Annotated[int, typer.Option(min=1, max=1_000_000, help="At most so many people are followed.")] = 2,
    height: Annotated[int, typer.Option(min=1, max=10_000, help="Higher pictures are made smaller.")] = 480,
    pose_model: Annotated[Path | None, path_option("Folder or wheel of the pose model.")] = None,
    skip_damaged: Annotated[bool, typer.Option("--skip-damaged", help="Leave out what cannot be read.")] = False,
    quiet: Quiet = False,
) -> None:
    """Follow the people in videos and write their joints as a keypoint .npz, which `train` reads."""
    if not videos.exists():
        raise FileNotFoundError(2, "no such file or folder", str(videos))
    if out.suffix != ".npz":
        raise ValueError(f"--out expects an .npz, got {out.name}")
    from graphreel.inspect.extract import extract as extract_videos

    typer.echo(extract_videos(videos, out, people, frames, height, pose_model, skip_damaged, quiet))


@app.command()
def predict(
    run: Run,
    file: Annotated[
        Path | None,
        typer.Argument(
            help="A video, a keypoint .npz, a folder or a list (.txt, .csv) of these, or a series, as in training.",
            parser=a_path,
            metavar="FILE",
        ),
    ] = None,
    adjacency: Annotated[Path | None, path_option("Adjacency of a .csv series.")] = None,
    out: Annotated[
        Path | None,
        path_option("Table .csv to write, or picture, which a table goes beside.", show_default="in RUN"),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Clips: so many classes.")] = 5,
    window: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Videos: seconds that are classified at a time; 0: the whole video.",
            show_default="as long as the training's clips, in videos twice as long",
        ),
    ] = None,
    overlay: Annotated[
        Path | None, path_option("Videos: draw what was seen into the video, and write it here.")
    ] = None,
    camera: Annotated[
        str | None, typer.Option(help="Videos: classify what a camera sees, by its number, in place of FILE.")
    ] = None,
    skip_damaged: Annotated[bool, typer.Option("--skip-damaged", help="Leave out what cannot be read.")] = False,
    quiet: Quiet = False,
    sensors: Annotated[
        str, typer.Option(help="Series: sensors to print and draw, with commas between.", metavar="<names>")
    ] = "",
    at: Annotated[
        str | None, typer.Option(help="Series: forecast after this time (or step), not at the end.", metavar="<time>")
    ] = None,
    long: Annotated[bool, typer.Option("--long", help="Series: table of time, sensor, value, low and high.")] = False,
) -> None:
    """Print the classes of clips with their probabilities, or the forecast of a series."""
    RunFolder.open(run, "combined")
    if (file is None) == (camera is None):
        raise ValueError("combined predict expects a FILE or --camera, and not both")
    if file is not None and not file.exists():
        raise FileNotFoundError(2, "no such file or folder", str(file))
    read = [path for path in (file, adjacency) if path is not None]
    check_picture(out, [".csv"], read, run, (".png", ".svg", ".pdf", ".csv"))
    check_picture(overlay, (), read, run, (".mp4", ".mkv", ".webm", ".avi", ".gif"), "--overlay")
    from graphreel.inspect.clip_table import FootageOptions
    from graphreel.inspect.forecasts import Asked
    from graphreel.inspect.predict import predict as predict_file

    options = FootageOptions(window, overlay, camera, skip_damaged, quiet)
    asked = Asked(tuple(name.strip() for name in sensors.split(",") if name.strip()), at, long)
    typer.echo(predict_file(run, file, adjacency, out, top, options, asked))


@app.command()
def backtest(
    run: Run,
    file: Annotated[Path, typer.Argument(help="A series, as in training.", parser=a_path, metavar="FILE")],
    adjacency: Annotated[Path | None, path_option("Adjacency of a .csv series.")] = None,
    start: Annotated[
        str | None,
        typer.Option(help="First time (or step) to forecast after.", show_default="after training", metavar="<time>"),
    ] = None,
    out: Annotated[Path | None, path_option("Table of errors to write.", show_default="RUN/backtest.csv")] = None,
) -> None:
    """Forecast after every step of a series, and print how far off a trained run would have been."""
    RunFolder.open(run, "combined")
    if not file.is_file():
        raise FileNotFoundError(2, "no such file", str(file))
    check_picture(out, (), [file, *([adjacency] if adjacency is not None else [])], run, (".csv",))
    from graphreel.inspect.backtest import backtest as backtest_file

    typer.echo(backtest_file(run, file, adjacency, out, start))


@app.command()
def attention(
    run: Run,
    clip: Annotated[str, typer.Argument(help="A file, or the number of a test clip.")],
    html: Html = False,
    adjacency: Annotated[Path | None, path_option("Adjacency of a .csv series.")] = None,
    at: Annotated[
        str | None, typer.Option(help="Series: the forecast after this time (or step).", metavar="<time>")
    ] = None,
    out: Annotated[
        Path | None,
        path_option("Picture to write, and a .gif beside it, or page.", show_default="RUN/attention-CLIP.png"),
    ] = None,
) -> None:
    """Draw a clip's frames with their graphs, edges as wide as their attention, and the weights of the frames.

    With --html all layers, heads and frames are a page to walk through; so are the steps that a forecast read.
    """
    RunFolder.open(run, "combined")
    read = [Path(clip), *([adjacency] if adjacency is not None else [])]
    check_picture(out, [".gif", ".json"], read, run, PAGES if html else (".png", ".svg", ".pdf", ".gif"))
    from graphreel.inspect.clip_attention import draw

    for path in draw(run, clip, out, html, adjacency, at):
        typer.echo(path)
