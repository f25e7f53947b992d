"""`graphreel combined ...`: train, compare, predict, attention. torch is imported only when work starts."""

from pathlib import Path
from typing import Annotated

import typer

from graphreel.cli.options import Device, Out, Overwrite, Quiet, Resume, Seed, Seeds, given, refuse_with_resume
from graphreel.data.registry import data_set
from graphreel.experiments.combined_settings import ClipSettings, SeriesSettings

app = typer.Typer(help="Space x time: clips are classified, series of sensors forecast.", no_args_is_help=True)

Epochs = Annotated[int | None, typer.Option("--epochs", "--steps", help="Passes over the training part.")]
Spatial = Annotated[str | None, typer.Option(help="Graph layers: gcn, gat, gatv2, or none.")]
Temporal = Annotated[str | None, typer.Option(help="Recurrent layer: lstm, gru, rnn or peephole.")]
Hidden = Annotated[int | None, typer.Option(help="Width of the graph layers.")]
Heads = Annotated[int | None, typer.Option(help="Attention heads of each graph layer.")]
Dropout = Annotated[float | None, typer.Option(help="Before the recurrent layer and before the head.")]
LearningRate = Annotated[float | None, typer.Option("--learning-rate", "--lr", help="Highest one of AdamW.")]
WeightDecay = Annotated[float | None, typer.Option(help="Of AdamW.")]
BatchSize = Annotated[int | None, typer.Option(help="Clips or windows in a batch.")]
Patience = Annotated[int | None, typer.Option(help="Epochs without improvement before stopping; 0: never.")]
LabelSmoothing = Annotated[float | None, typer.Option(help="Clips: share of the target spread over all classes.")]
Validation = Annotated[float | None, typer.Option(help="Clips: share of the training clips to choose by.")]
Distances = Annotated[
    bool | None, typer.Option("--distances/--no-distances", help="Keypoints: distances between joints as features.")
]
Bones = Annotated[bool | None, typer.Option("--bones/--no-bones", help="Keypoints: bones to joints as features.")]
Gestures = Annotated[
    bool | None, typer.Option("--gestures/--no-gestures", help="Keypoints: small steps of joints as features.")
]
Frames = Annotated[int | None, typer.Option(help="Keypoints: moments that a clip is read at; 0: all its frames.")]
Augment = Annotated[bool | None, typer.Option("--augment/--no-augment", help="Clips: vary them in training.")]
Mirror = Annotated[
    bool | None, typer.Option("--mirror/--no-mirror", help="Keypoints: classify a clip and its mirror image together.")
]
Run = Annotated[Path, typer.Argument(help="Run folder of a training.")]


@app.command()
def train(
    data: Annotated[
        str | None, typer.Option(help="digits; a keypoint .npz, a folder of videos, a series as .csv or .json.")
    ] = None,
    adjacency: Annotated[
        Path | None, typer.Option(help="Series: .csv of weights [node x node].", show_default="NAME_adj.csv")
    ] = None,
    lags: Annotated[int | None, typer.Option(min=1, help="Series: steps that are read.")] = None,
    horizon: Annotated[int | None, typer.Option(min=1, help="Series: steps that are forecast.")] = None,
    train_fraction: Annotated[float | None, typer.Option(help="Series: share that trains.")] = None,
    memory: Annotated[str | None, typer.Option(help="Series: window, or carried.", show_default="window")] = None,
    calendar: Annotated[
        bool | None, typer.Option("--calendar/--no-calendar", help="Series: read the day, week or year.")
    ] = None,
    cycle: Annotated[float | None, typer.Option(help="Series without dates: steps of a cycle to read.")] = None,
    scale: Annotated[str | None, typer.Option(help="Series: scaled by node, or all alike: network.")] = None,
    spatial: Spatial = None,
    temporal: Temporal = None,
    bidirectional: Annotated[
        bool | None, typer.Option("--bidirectional/--one-way", help="Clips: also read them backwards.")
    ] = None,
    pool: Annotated[str | None, typer.Option(help="Clips: of nodes: mean, max, attention or concat.")] = None,
    recurrence: Annotated[str | None, typer.Option(help="Clips: over frames, or over nodes (tracks).")] = None,
    convolve: Annotated[
        int | None, typer.Option(help="Clips: frames that a convolution reads before the recurrent layer; 0: none.")
    ] = None,
    readout: Annotated[str | None, typer.Option(help="Clips: of steps: last, mean, max or attention.")] = None,
    hidden: Hidden = None,
    state: Annotated[int | None, typer.Option(help="Clips: width of the recurrent layer.")] = None,
    layers: Annotated[int | None, typer.Option(help="Graph layers.")] = None,
    heads: Heads = None,
    residual: Annotated[
        bool | None, typer.Option("--residual/--no-residual", help="Clips: graph layers also map the node itself.")
    ] = None,
    standardize: Annotated[
        bool | None, typer.Option("--standardize/--as-is", help="Clips: bring the features to one scale.")
    ] = None,
    dropout: Dropout = None,
    drop_features: Annotated[
        float | None, typer.Option(help="Clips: of the features that --convolve reads, left out of a whole clip.")
    ] = None,
    distances: Distances = None,
    bones: Bones = None,
    gestures: Gestures = None,
    frames: Frames = None,
    augment: Augment = None,
    mirror: Mirror = None,
    embedding: Annotated[int | None, typer.Option(help="Series: features learned for every node.")] = None,
    skip: Annotated[bool | None, typer.Option("--skip/--no-skip", help="Series: add the linear forecast.")] = None,
    skip_lags: Annotated[
        int | None, typer.Option(help="Series, --memory carried: lags of the linear forecast.")
    ] = None,
    season: Annotated[
        int | None, typer.Option(min=0, help="Series, --memory carried: steps of a season to remember; 0: none.")
    ] = None,
    loss: Annotated[str | None, typer.Option(help="Series: mse, mae or huber.")] = None,
    learning_rate: LearningRate = None,
    weight_decay: WeightDecay = None,
    label_smoothing: LabelSmoothing = None,
    clip_norm: Annotated[float | None, typer.Option(help="Largest norm of the gradient.")] = None,
    batch_size: BatchSize = None,
    epochs: Epochs = None,
    patience: Patience = None,
    refit: Annotated[
        bool | None, typer.Option("--refit/--no-refit", help="Series: train anew with the validation part.")
    ] = None,
    compare_edges: Annotated[
        bool | None, typer.Option("--compare-edges/--edges-only", help="Series: also train without edges.")
    ] = None,
    keep: Annotated[str | None, typer.Option(help="Clips: weights of the best validation loss, or the last.")] = None,
    validation: Validation = None,
    seed: Seed = None,
    seeds: Seeds = None,
    device: Device = None,
    out: Out = None,
    overwrite: Overwrite = False,
    resume: Resume = None,
    quiet: Quiet = False,
) -> None:
    """Train on clips (a class for each) or on a series of sensors (a forecast for each)."""
    typed: dict[str, object] = dict(
        adjacency=str(adjacency) if adjacency is not None else None, lags=lags, horizon=horizon,
        train_fraction=train_fraction, memory=memory, calendar=calendar, cycle=cycle, scale=scale,
        spatial=spatial, temporal=temporal, bidirectional=bidirectional, pool=pool, recurrence=recurrence,
        convolve=convolve, readout=readout, hidden=hidden, state=state, layers=layers, heads=heads, residual=residual,
        standardize=standardize, dropout=dropout, drop_features=drop_features, distances=distances, bones=bones,
        gestures=gestures, frames=frames, augment=augment, mirror=mirror,
        embedding=embedding, skip=skip, skip_lags=skip_lags, season=season, loss=loss,
        refit=refit, compare_edges=compare_edges, learning_rate=learning_rate,
        weight_decay=weight_decay, label_smoothing=label_smoothing, clip_norm=clip_norm, batch_size=batch_size,
        epochs=epochs, patience=patience, keep=keep, validation=validation, seed=seed, seeds=seeds, device=device,
    )  # fmt: skip
    if resume is not None:
        refuse_with_resume({"data": data, "out": out, **typed})
        _resume(resume, quiet, ("clips", "series"))
        return
    if data is None:
        raise ValueError("combined train expects --data NAME or PATH (or --resume RUN), got none")
    kind = data_set(data, "combined").kind
    if kind == "series":
        series = SeriesSettings.resolve(data, Path(data).suffix.lower().lstrip("."), given(typed))
        from graphreel.experiments.series import start as start_series

        start_series(series, out, overwrite, quiet)
    else:
        clips = ClipSettings.resolve(data, kind, given(typed))
        from graphreel.experiments.clips import start as start_clips

        start_clips(clips, out, overwrite, quiet)


@app.command()
def compare(
    data: Annotated[str | None, typer.Option(help="digits, a keypoint .npz, or a folder of videos.")] = None,
    spatial: Spatial = None,
    temporal: Temporal = None,
    hidden: Annotated[int | None, typer.Option(help="Width of both; the others get as many parameters.")] = None,
    dropout: Dropout = None,
    distances: Distances = None,
    bones: Bones = None,
    gestures: Gestures = None,
    frames: Frames = None,
    augment: Augment = None,
    mirror: Mirror = None,
    learning_rate: LearningRate = None,
    weight_decay: WeightDecay = None,
    label_smoothing: LabelSmoothing = None,
    batch_size: BatchSize = None,
    epochs: Epochs = None,
    validation: Validation = None,
    seed: Seed = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Seeds of each model.", show_default="5")] = None,
    device: Device = None,
    out: Annotated[Path | None, typer.Option(help="Run folder to make.", show_default="runs/DATA-compare")] = None,
    overwrite: Overwrite = False,
    resume: Resume = None,
    quiet: Quiet = False,
) -> None:
    """Train a GNN alone, an RNN alone and both on the same clips, and show which classes each cannot tell apart."""
    typed: dict[str, object] = dict(
        spatial=spatial, temporal=temporal, hidden=hidden, dropout=dropout, distances=distances, bones=bones,
        gestures=gestures, frames=frames, augment=augment, mirror=mirror, learning_rate=learning_rate,
        weight_decay=weight_decay, label_smoothing=label_smoothing, batch_size=batch_size, epochs=epochs,
        validation=validation, seed=seed, seeds=seeds, device=device,
    )  # fmt: skip
    if resume is not None:
        refuse_with_resume({"data": data, "out": out, **typed})
        _resume(resume, quiet, ("compare",))
        return
    if data is None:
        raise ValueError("combined compare expects --data NAME or PATH (or --resume RUN), got none")
    kind = data_set(data, "combined").kind
    if kind == "series":
        raise ValueError(f"combined compare expects clips (digits, a keypoint .npz, videos), and {data} is a series")
    settings = ClipSettings.resolve_compared(data, kind, given(typed))
    from graphreel.experiments.compare import start

    start(settings, out, overwrite, quiet)


@app.command()
def predict(
    run: Run,
    file: Annotated[Path, typer.Argument(help="A video, a keypoint .npz, or a series, as in training.")],
    adjacency: Annotated[Path | None, typer.Option(help="Adjacency of a .csv series.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Series: picture of the forecast.", show_default="RUN/forecast.png")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Clips: so many classes.")] = 5,
) -> None:
    """Print the classes of a clip with their probabilities, or the forecast of a series."""
    from graphreel.training.run_folder import RunFolder

    RunFolder.open(run, "combined")
    if not file.is_file():
        raise FileNotFoundError(2, "no such file", str(file))
    from graphreel.inspect.predict import predict as predict_file

    typer.echo(predict_file(run, file, adjacency, out, top))


@app.command()
def attention(
    run: Run,
    clip: Annotated[str, typer.Argument(help="A file, or the number of a test clip.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Picture to write; a .gif goes beside it.", show_default="RUN/attention-CLIP.png"),
    ] = None,
) -> None:
    """Draw a clip's frames with their graphs, edges as wide as their attention, and the weights of the frames."""
    from graphreel.training.run_folder import RunFolder

    RunFolder.open(run, "combined")
    from graphreel.inspect.clip_attention import draw

    for path in draw(run, clip, out):
        typer.echo(path)


def _resume(path: Path, quiet: bool, kinds: tuple[str, ...]) -> None:
    from graphreel.cli.options import choose_device
    from graphreel.training.run_folder import RunFolder

    run = RunFolder.open(path, "combined")
    config = run.config()
    kind = config.get("kind")
    if kind not in kinds:
        command = "compare" if kind == "compare" else "train"
        raise ValueError(f"{path} holds a run of `graphreel combined {command}`: resume it with that command")
    choose_device(config.get("device", "auto"))
    if kind == "series":
        from graphreel.experiments.series import go_on as go_on_series

        go_on_series(run, SeriesSettings.from_dict(config), quiet)
        return
    settings = ClipSettings.from_dict(config)
    if kind == "compare":
        from graphreel.experiments.compare import go_on as go_on_compare

        go_on_compare(run, settings, quiet)
    else:
        from graphreel.experiments.clips import go_on as go_on_clips

        go_on_clips(run, settings, quiet)
