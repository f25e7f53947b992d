"""Settings searched by their validation figures with Optuna; the test part is touched once, by the winner."""

import csv
import io
import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from graphreel.core.atomic_files import write_text, write_whole
from graphreel.core.near_names import did_you_mean
from graphreel.experiments import start
from graphreel.experiments.kinds import KINDS, kind_of_settings
from graphreel.training.device import choose_device
from graphreel.training.errors import TrainingError
from graphreel.training.option import Setting, dashed
from graphreel.training.run_folder import RunFolder
from graphreel.training.settings import Settings
from graphreel.training.signals import catching_signals

_OF_A_STUDY = {"best", "trials", "trials.csv", "history.png", "importance.png", "study.db", "study.db-journal"}
Space = Mapping[str, Any]  # setting -> optuna's distribution


def search_space(specs: Sequence[str], known: Mapping[str, Setting]) -> Space:
    """What `--tune` asks for: `learning_rate=1e-4..1e-1:log,hidden=32|64|128`.

    Raises:
        ValueError: an unknown setting, a range that is none, a value that the setting does not take, or no optuna.
    """
    try:
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
    except ImportError:
        raise ValueError("sweeps need the extra `sweep` (Optuna): pip install 'graphreel[sweep]'") from None
    space: dict[str, Any] = {}
    for spec in filter(None, (part.strip() for text in specs for part in text.split(","))):
        name, equals, values = spec.partition("=")
        name = name.strip().lstrip("-").replace("-", "_")
        if name not in known or not equals:
            raise ValueError(f"--tune expects SETTING=A..B, A..B:log or A|B|C, got {spec!r}{did_you_mean(name, known)}")
        setting = known[name]
        between = re.fullmatch(r"(.+?)\.\.(.+?)(:log)?", values)
        if between is None:
            space[name] = CategoricalDistribution([parse(setting, word) for word in values.split("|")])
            continue
        low, high = (parse(setting, word) for word in between.group(1, 2))
        if setting.kind not in (int, float) or not low < high or (between[3] and low <= 0):
            raise ValueError(f"--tune {name} expects a range from low to high (above 0 with :log), got {values}")
        make = IntDistribution if setting.kind is int else FloatDistribution
        space[name] = make(low, high, log=bool(between[3]))
    if not space:
        raise ValueError("--tune expects at least one setting, as in --tune learning_rate=1e-4..1e-1:log, got none")
    return space


def parse(setting: Setting, word: str) -> Any:
    """A typed word as a setting's value.

    Raises:
        ValueError: it is none.
    """
    try:
        if setting.kind is bool:
            value: Any = {"on": True, "true": True, "off": False, "false": False}[word.strip().lower()]
        else:
            value = setting.kind(word.strip())
    except (KeyError, ValueError):
        expected = "on or off" if setting.kind is bool else f"a value of type {setting.kind.__name__}"
        raise ValueError(f"--{dashed(setting.name)} expects {expected}, got {word!r}") from None
    return setting.accepted(value)


def sweep(
    settings: Settings, space: Space, out: Path, trials: int, hours: float | None, storage: str | None, quiet: bool
) -> RunFolder:
    """Try settings until `trials` are done in the study or `hours` are over, then train the best over all seeds.

    Every trial trains the first seed and is judged by the training's own monitor on the validation part; it is pruned
    where, after a fifth of the steps, it is worse than the median of the others at that step. The study is a database:
    a sweep that was killed goes on in it, and several processes or machines may work in one.

    Args:
        settings: of the training; `space` replaces some of them.
        out: gets trials.csv, history.png, importance.png, and the winner's run folder `best`.
        storage: the database's URL; left out, SQLite in `out`.

    Raises:
        ValueError: `space` holds a combination that the settings refuse, no trial came to an end, `out` holds what is
            no study's, or the database cannot be opened.
    """
    import optuna
    from optuna.trial import TrialState

    optuna.logging.set_verbosity(optuna.logging.ERROR if quiet else optuna.logging.INFO)
    held = {path.name for path in out.iterdir() if not path.name.startswith(".")} if out.is_dir() else set()
    foreign = held - _OF_A_STUDY if storage or "study.db" in held else held
    if foreign:
        raise ValueError(f"--out expects a new folder or one of a study, but {out} holds {min(foreign)}")
    out.mkdir(parents=True, exist_ok=True)
    plan = KINDS[kind_of_settings(settings)].experiment.load(_on_device(settings)).plan
    url = storage or f"sqlite:///{(out / 'study.db').resolve()}"
    try:
        study = optuna.create_study(
            study_name=out.resolve().name,
            storage=url,
            load_if_exists=True,
            direction="minimize" if plan.monitor.endswith("loss") else "maximize",
            pruner=optuna.pruners.MedianPruner(n_warmup_steps=plan.steps // 5),
        )
    except Exception as error:  # a database's errors are many
        told = " ".join(str(error).split())[:200]
        raise ValueError(f"the study at {url} cannot be opened: {told}") from None
    # a sampler that began at the same seed would ask again for what a killed sweep has tried
    study.sampler = optuna.samplers.TPESampler(seed=settings.seed + len(study.trials))
    ended = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)  # a killed sweep leaves one that runs for ever
    until = time.monotonic() + 3600 * hours if hours else math.inf
    with catching_signals():
        while len(study.get_trials(deepcopy=False, states=ended)) < trials and time.monotonic() < until:
            trial = study.ask(dict(space))
            try:
                study.tell(trial, _try(trial, settings, out))
            except optuna.TrialPruned:
                study.tell(trial, state=TrialState.PRUNED)
            except (TrainingError, ValueError) as error:
                trial.set_user_attr("failed", str(error))
                study.tell(trial, state=TrialState.FAIL)
            _write_trials(study, out)
    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        raise ValueError(f"no trial of the sweep in {out} came to an end: {_last_reason(study)}")
    _draw(study, out)
    best = replace(settings, **study.best_params)
    return start(best, out / "best", overwrite=True, quiet=quiet)


def _on_device(settings: Settings) -> Settings:
    return replace(settings, device=choose_device(settings.device))


def _try(trial: Any, settings: Settings, out: Path) -> float:
    """Train the first seed and return its best validation figure; the test part is not looked at."""
    import optuna

    from graphreel.training.loop import train
    from graphreel.training.progress import Progress

    found = _on_device(replace(settings, seeds=1, log="", **trial.params))
    kind = KINDS[kind_of_settings(found)]
    experiment = kind.experiment.load(found)
    monitor, best = experiment.plan.monitor, max if not experiment.plan.monitor.endswith("loss") else min
    figures: list[float] = []

    def listen(row: Mapping[str, Any]) -> None:
        figures.append(row[monitor])
        trial.report(best(figures), row["step"])
        if trial.should_prune():
            raise optuna.TrialPruned

    run = RunFolder(out / "trials" / f"{trial.number:04d}")
    run.begin({"room": kind.room, "kind": kind_of_settings(found), **found.as_dict()}, overwrite=True)
    train(
        run, found.every_seed, experiment.plan, experiment.scheduled, lambda task: {}, Progress(True),
        experiment.entries, lambda task, step: experiment.on_step(run, task, step), listen,
    )  # fmt: skip
    return best(figures)


def _write_trials(study: Any, out: Path) -> None:
    names = list(dict.fromkeys(name for trial in study.trials for name in trial.params))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", "state", "validation", "steps", "seconds", *names, "failed"])
    for trial in study.trials:
        seconds = f"{trial.duration.total_seconds():.1f}" if trial.duration else ""
        steps = max(trial.intermediate_values, default="")
        values = [trial.params.get(name, "") for name in names]
        failed = trial.user_attrs.get("failed", "")
        writer.writerow([trial.number, trial.state.name.lower(), trial.value, steps, seconds, *values, failed])
    write_text(out / "trials.csv", text.getvalue())


def _last_reason(study: Any) -> str:
    reasons = [trial.user_attrs["failed"] for trial in study.trials if "failed" in trial.user_attrs]
    return reasons[-1] if reasons else "too little time"


def _draw(study: Any, out: Path) -> None:
    """history.png, and where more than one setting was tried more than once, importance.png."""
    import warnings

    from matplotlib.figure import Figure

    from graphreel.training.curves import BLUE, ORANGE

    ended = [trial for trial in study.trials if trial.value is not None]
    sign = -1 if study.direction.name == "MINIMIZE" else 1
    best = [sign * max(sign * one.value for one in ended[: k + 1]) for k in range(len(ended))]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axis = figure.subplots()
    for name, colour in (("complete", BLUE), ("pruned", "#999999")):
        some = [trial for trial in ended if trial.state.name.lower() == name]
        axis.scatter([t.number for t in some], [t.value for t in some], color=colour, s=16, label=name)
    axis.plot([trial.number for trial in ended], best, color=ORANGE, drawstyle="steps-post", label="best so far")
    axis.set(xlabel="trial", ylabel="validation")
    axis.legend(frameon=False)
    write_whole(out / "history.png", lambda to: figure.savefig(to, dpi=130))
    if len({tuple(trial.params.values()) for trial in ended}) < 4:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from optuna.importance import get_param_importances

        shares = get_param_importances(study)
    figure = Figure(figsize=(7, 1.2 + 0.4 * len(shares)), layout="constrained")
    axis = figure.subplots()
    axis.barh(list(shares)[::-1], list(shares.values())[::-1], color=BLUE)
    axis.set(xlabel="share of the variance of the validation figure (fANOVA)", xlim=(0, 1))
    write_whole(out / "importance.png", lambda to: figure.savefig(to, dpi=130))
