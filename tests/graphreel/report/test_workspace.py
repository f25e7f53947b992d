from dataclasses import asdict, dataclass

import pytest
from matplotlib.figure import Figure as Drawing

from graphreel import experiments
from graphreel.report.workspace import Trainings, Workspace
from graphreel.training.run_folder import RunFolder


@dataclass(frozen=True)
class Settings:
    sizes: tuple[int, ...] = (1, 2)
    device: str = "auto"

    def as_dict(self):
        return asdict(self)


@pytest.fixture
def train(monkeypatch):
    """Train a run called "run" in a folder; return how it went, "start" or "resume"."""

    def call(trainings, settings=None):
        how = []

        def start(settings, out, overwrite, quiet):
            how.append("start")
            config = {**settings.as_dict(), "device": "cpu", "room": "rnn"}
            return RunFolder(out).begin(config, overwrite)

        def resume(path, quiet):
            how.append("resume")
            return RunFolder.open(path)

        monkeypatch.setattr(experiments, "start", start)
        monkeypatch.setattr(experiments, "resume", resume)
        assert trainings.train("run", settings or Settings()).path == trainings.folder / "run"
        return how

    return call


def test_a_training_is_shared_and_an_interrupted_one_goes_on(tmp_path, train):
    trainings = Trainings(tmp_path)
    assert [train(trainings), train(trainings)] == [["start"], ["resume"]]
    assert train(Trainings(tmp_path)) == ["resume"]


def test_other_settings_start_anew_and_what_is_no_run_is_kept(tmp_path, train):
    train(Trainings(tmp_path))
    assert train(Trainings(tmp_path), Settings((3,))) == ["start"]
    (tmp_path / "run" / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"run holds config.json, which no run left there"):
        train(Trainings(tmp_path), Settings((3,)))
    assert (tmp_path / "run" / "config.json").read_text() == "{"


def test_again_trains_once_more_but_not_twice(tmp_path, train):
    train(Trainings(tmp_path))
    trainings = Trainings(tmp_path, again=True)
    assert [train(trainings), train(trainings)] == [["start"], ["resume"]]


def test_the_same_drawing_is_the_same_file(tmp_path):
    def save(folder):
        drawing = Drawing(figsize=(3, 2))
        drawing.subplots().plot([1, 2, 3])
        Workspace(folder, Trainings(tmp_path), {}).figure("line", drawing)
        return (folder / "line.svg").read_bytes()

    assert save(tmp_path / "a") == save(tmp_path / "b")
