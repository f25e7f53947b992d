import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from graphreel.data import load
from graphreel.data.clips.keypoints import read_keypoints
from graphreel.experiments import clips as combined_clips
from graphreel.experiments.clip_models import build_classifier, build_spatial
from graphreel.experiments.clip_settings import ClipSettings, CompareSettings
from graphreel.experiments.clips import ClipBatches, Clips
from graphreel.inspect.load_run import load_run

SMALL = ["--hidden", 8, "--state", 8, "--batch-size", 8, "--quiet"]


def write_keypoints(path, clips=24, joints=15, labelled=True, seed=0, dtype=np.float32, **more):
    """Bodies that walk to the right ("east") or to the left ("west")."""
    random = np.random.default_rng(seed)
    body = random.normal(size=(joints, 2)) * 20
    lengths = random.integers(5, 9, clips)
    parts = []
    for number, length in enumerate(lengths):
        way = np.arange(length) * (6 if number % 2 else -6)
        parts.append(body + np.stack([way, 0 * way], 1)[:, None] + random.normal(size=(length, joints, 2)))
    arrays = {"keypoints": np.concatenate(parts).astype(dtype), "lengths": lengths}
    if labelled:
        arrays["labels"] = np.array([("west", "east")[number % 2] for number in range(clips)])
    np.savez(path, **{**arrays, **more})
    return path


@pytest.fixture
def keypoints(tmp_path):
    return write_keypoints(tmp_path / "walks.npz")


@pytest.fixture
def walker(tmp_path, keypoints, said):
    out = tmp_path / "walker"
    typed = ("--data", keypoints, *SMALL, "--epochs", 40, "--no-augment", "--out", out)
    assert said("combined", "train", *typed)[::2] == (0, "")
    return out


@pytest.fixture
def few_digits(monkeypatch):
    """Digits, but few of them."""
    few = load("digits", train=24, validation=8, test=16)
    monkeypatch.setattr(combined_clips, "load", lambda name, **_: few)
    return few


@pytest.mark.parametrize(
    "arguments", [["combined", "--help"], ["combined", "train", "--help"], ["combined", "compare", "--what"]]
)
def test_help_and_wrong_arguments_import_no_torch(arguments):
    code = (
        "import sys\nfrom graphreel.__main__ import run\n"
        f"run({arguments})\nassert not {{'torch', 'numpy', 'matplotlib'}} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_from_keypoints_to_the_run_folder(tmp_path, keypoints, said):
    out = tmp_path / "run"
    typed = [*SMALL[:-1], "--epochs", 12, "--lr", 0.01, "--dropout", 0, "--no-augment", "--seeds", 2, "--out", out]
    code, text, error = said("combined", "train", "--data", keypoints, *typed)
    assert (code, error) == (0, "")
    assert "test accuracy" in text and "over 2 seeds" in text and "majority" in text
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["model"] == "gcn+gru" and metrics["classes"] == ["east", "west"]
    assert metrics["test_accuracy"]["mean"] == 1.0 and metrics["baselines"]["majority"] == pytest.approx(0.5, abs=0.1)
    assert [row["seed"] for row in metrics["seeds"]] == [0, 1]
    assert all({"seed", "steps", "seconds", "test_accuracy"} <= set(row) for row in metrics["seeds"])
    for name in ("config.json", "history.csv", "curves.png", "checkpoint.pt"):
        assert (out / name).stat().st_size > 0
    saved = torch.load(out / "checkpoint.pt", weights_only=True)
    assert saved["classes"] == ["east", "west"]
    trained = load_run(out)
    assert (
        sum(p.numel() for p in trained.model.parameters()) == metrics["parameters"] == metrics["seeds"][0]["parameters"]
    )


@pytest.mark.parametrize(
    "options",
    [
        ["--spatial", "gat", "--heads", 2, "--temporal", "lstm", "--pool", "attention", "--readout", "last"],
        ["--spatial", "gatv2", "--heads", 2, "--temporal", "rnn", "--pool", "max", "--one-way"],
        ["--spatial", "none", "--temporal", "peephole", "--pool", "mean", "--one-way", "--no-augment"],
        ["--recurrence", "nodes", "--layers", 2, "--no-distances", "--no-residual", "--as-is", "--convolve", 0],
        ["--convolve", 5, "--frames", 0, "--pool", "mean", "--patience", 3],
        ["--temporal", "none"],
    ],
)
def test_every_part_can_be_chosen(tmp_path, keypoints, said, options):
    arguments = ["combined", "train", "--data", keypoints, *SMALL, "--epochs", 1, *options, "--out", tmp_path / "run"]
    assert said(*arguments)[::2] == (0, "")
    trained = load_run(tmp_path / "run")
    model, settings = trained.model, trained.settings
    assert settings.spatial == ("gcn" if "--spatial" not in options else options[1])
    assert not model.training


def test_a_resumed_run_ends_like_an_uninterrupted_one(tmp_path, keypoints, said, interrupted_after):
    common = ["combined", "train", "--data", keypoints, *SMALL, "--epochs", 3]
    assert said(*common, "--out", tmp_path / "whole")[0] == 0
    with interrupted_after(Clips, 4):
        assert said(*common, "--out", tmp_path / "parts")[0] == 130
    assert not (tmp_path / "parts" / "metrics.json").exists()
    assert said("combined", "train", "--resume", tmp_path / "parts", "--quiet")[::2] == (0, "")
    whole, parts = (torch.load(tmp_path / name / "checkpoint.pt", weights_only=True) for name in ("whole", "parts"))
    assert all(torch.equal(whole["model"][key], value) for key, value in parts["model"].items())
    assert [row["val_loss"] for row in whole["history"]] == [row["val_loss"] for row in parts["history"]]


def test_batches_depend_on_seed_and_step_alone(keypoints):
    splits = load(keypoints)
    settings = ClipSettings(str(keypoints), batch_size=5, device="cpu")
    one, other = (ClipBatches(splits, settings, 3) for _ in range(2))
    later = other(4)
    assert all(torch.equal(one(4)[key], later[key]) for key in ("x", "edge_index", "y"))
    per_epoch = one.per_epoch
    plain = ClipBatches(splits, ClipSettings(str(keypoints), batch_size=5, augment=False, device="cpu"), 3)
    labels = torch.cat([plain(step).y for step in range(per_epoch, 2 * per_epoch)])
    assert labels.bincount().tolist() == torch.cat([clip.y for clip in splits.train]).bincount().tolist()


@pytest.mark.parametrize("keep", ["best", "last"])
def test_the_weights_kept_are_the_best_or_the_last(tmp_path, keypoints, said, keep):
    out = tmp_path / "run"
    few = ["--no-bones", "--no-gestures", "--no-augment", "--keep", keep]
    typed = ["--data", keypoints, *SMALL, "--epochs", 6, "--lr", 0.5, *few, "--out", out]
    assert said("combined", "train", *typed)[::2] == (0, "")
    trained = load_run(out)
    model, settings, saved = trained.model, trained.settings, trained.entries
    losses = [row["val_loss"] for row in saved["history"]]
    assert losses.index(min(losses)) < 5  # with such steps the last epoch is not the best
    splits = combined_clips.load_clips(settings)
    batch = combined_clips.collate(splits.validation, settings, None)
    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(model(batch), batch.y).item()
    assert loss == pytest.approx(min(losses) if keep == "best" else losses[-1], rel=1e-3)


def test_the_loss_is_that_of_the_formula(keypoints):
    splits = load(keypoints)
    settings = ClipSettings(str(keypoints), hidden=8, state=8, label_smoothing=0.1, dropout=0.0, device="cpu")
    torch.manual_seed(0)
    task = Clips(settings, splits).build(0)
    batch = task.batch(0)
    logits = task.model(batch).detach().double()
    target = torch.full_like(logits, 0.1 / 2)
    target[torch.arange(len(batch.y)), batch.y] += 0.9
    expected = -(target * logits.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(task.loss(batch).double(), expected, rtol=1e-5, atol=1e-6)


def test_a_clip_and_its_mirror_image_are_classified_together(tmp_path, keypoints, said):
    out = tmp_path / "run"
    typed = ["--data", keypoints, *SMALL, "--epochs", 2, "--out", out]
    assert said("combined", "train", *typed)[::2] == (0, "")
    trained = load_run(out)
    model, settings, saved = trained.model, trained.settings, trained.entries
    assert settings.mirror
    splits = combined_clips.load_clips(settings)
    with torch.no_grad():
        batch = combined_clips.collate(splits.test, settings, None)
        shares = (model(batch).softmax(1) + model(splits.mirror(splits.test)).softmax(1)) / 2
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["test_accuracy"]["mean"] == pytest.approx((shares.argmax(1) == batch.y).float().mean().item())
    logits, _ = combined_clips.logits_of(model, combined_clips.in_batches(splits.test, settings, splits))
    torch.testing.assert_close(logits.softmax(1), shares)
    new = write_keypoints(tmp_path / "new.npz", clips=1, labelled=False)
    clips = read_keypoints(new, **saved["reader"])
    with torch.no_grad():
        share = (model(clips[0]).softmax(1) + model(splits.mirror(clips)).softmax(1))[0] / 2
    told = dict(line.split() for line in said("combined", "predict", out, new)[1].splitlines())
    assert float(told["east"]) == pytest.approx(float(share[0]), abs=6e-4)


def test_a_model_that_no_mirror_images_trained_sees_none():
    for resolve in (ClipSettings.resolve, CompareSettings.resolve):
        assert resolve("x.npz", {}, "keypoints").mirror
        assert not resolve("x.npz", {"augment": False}, "keypoints").mirror
        assert resolve("x.npz", {"augment": False, "mirror": True}, "keypoints").mirror


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_prediction_gives_probabilities_of_the_right_class(tmp_path, walker, said):
    file = write_keypoints(tmp_path / "new.npz", clips=2, labelled=False)
    code, text, error = said("combined", "predict", walker, file, "--out", tmp_path / "new.csv")
    assert (code, error) == (0, "")
    blocks = text.split("clip ")[1:]
    assert [block.split()[:2] for block in blocks] == [["0", "west"], ["1", "east"]]
    rows = table(tmp_path / "new.csv")
    assert [(row["file"], row["clip"], row["class"]) for row in rows] == [
        ("new.npz", "0", "west"),
        ("new.npz", "1", "east"),
    ]
    for row in rows:
        assert float(row["west"]) + float(row["east"]) == pytest.approx(1, abs=2e-3)
        assert row["probability"] == row[row["class"]]
    one = write_keypoints(tmp_path / "one.npz", clips=1, labelled=False)
    assert said("combined", "predict", walker, one, "--top", 1)[1].split()[0] == "west"


def test_a_video_folder_from_training_to_prediction_and_pictures(tmp_path, said):
    pytest.importorskip("av")
    pytest.importorskip("skimage")
    from graphreel.data.clips.digits import write_digit_videos

    write_digit_videos(tmp_path / "videos", per_class=3, suffix=".gif")
    for folder in sorted((tmp_path / "videos").iterdir())[2:]:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    out = tmp_path / "run"
    typed = ["--spatial", "gat", "--heads", 2, *SMALL, "--epochs", 1, "--out", out]
    assert said("combined", "train", "--data", tmp_path / "videos", *typed)[::2] == (0, "")
    file = sorted((tmp_path / "videos").rglob("*.gif"))[0]
    code, text, error = said("combined", "predict", out, file)
    assert (code, error) == (0, "") and {line.split()[0] for line in text.splitlines()} == set(
        json.loads((out / "metrics.json").read_text())["classes"]
    )
    _folders_lists_and_long_videos(tmp_path, out, said)
    code, text, error = said("combined", "attention", out, file, "--out", tmp_path / "strip.png")
    assert (code, error) == (0, "")
    assert [line.rsplit("/", 1)[1] for line in text.splitlines()] == ["strip.png", "strip.gif", "strip.json"]
    assert (tmp_path / "strip.png").stat().st_size > 5000 and (tmp_path / "strip.gif").stat().st_size > 5000
    before = file.read_bytes()
    code, _, error = said("combined", "attention", out, file, "--out", file.with_suffix(".png"))
    assert code == 2 and f"--out would write over {file}, which is read" in error
    assert file.read_bytes() == before and not file.with_suffix(".png").exists()
    typed = ["--recurrence", "nodes", "--graph", "superpixels", *SMALL, "--out", tmp_path / "nodes"]
    code, _, error = said("combined", "train", "--data", tmp_path / "videos", *typed)
    assert code == 2 and "--recurrence nodes needs clips whose nodes keep their identity" in error
    assert not (tmp_path / "nodes").exists()


def _folders_lists_and_long_videos(folder, run, said):
    from graphreel.data.clips.video_files import read_video

    videos = sorted((folder / "videos").rglob("*.gif"))
    names = [str(video.relative_to(folder / "videos")) for video in videos]
    (folder / "videos" / "bad.gif").write_bytes(b"no video")
    code, _, error = said("combined", "predict", run, folder / "videos")
    assert code == 2 and "bad.gif is not a readable video" in error and not list(run.glob("*.csv"))[1:]
    code, text, error = said(
        "combined", "predict", run, folder / "videos", "--skip-damaged", "--out", folder / "all.csv"
    )
    assert (code, error) == (0, "") and "left out: bad.gif is not" in text
    assert [row["file"] for row in table(folder / "all.csv")] == names
    (folder / "videos" / "bad.gif").unlink()
    assert " are of the class that their folder is called" in said("combined", "predict", run, folder / "videos")[1]
    (folder / "list.csv").write_text("file,label\n" + "\n".join(f"videos/{name},1" for name in names[:2]))
    assert said("combined", "predict", run, folder / "list.csv")[::2] == (0, "")
    assert [row["file"] for row in table(run / "predictions-list.csv")] == ["000.gif", "001.gif"]
    (folder / "list.txt").write_text("videos/none.gif")
    assert "none.gif, which is not there" in said("combined", "predict", run, folder / "list.txt")[2]

    asked = ["--window", 0.5, "--overlay", folder / "seen.mp4"]
    code, text, error = said("combined", "predict", run, videos[0], *asked, "--out", folder / "long.png")
    assert (code, error) == (0, "") and (folder / "long.png").stat().st_size > 5000
    rows, shown = table(folder / "long.csv"), read_video(videos[0], 1000)
    ends = [(float(row["start"]), float(row["end"])) for row in rows]
    assert len(rows) > 3 and ends[0][0] == 0 and ends[-1][1] == pytest.approx(shown.times[-1], abs=1e-3)
    assert all(end - start == pytest.approx(0.5, abs=0.13) for start, end in ends)
    drawn = read_video(folder / "seen.mp4", 1000, 1000)
    assert abs(len(drawn.times) - len(shown.times)) < 2 and drawn.pictures.shape[1] >= 240
    assert drawn.pictures[:, :20].float().std() > 20  # the class is written there

    code, text, error = said("combined", "predict", run, "--camera", folder / "seen.mp4", "--overlay", folder / "b.mkv")
    assert (code, error) == (0, "") and (folder / "b.mkv").is_file()
    assert len(table(run / "camera.csv")) == len(text.splitlines()) - 2
    for typed, sentence in (
        ([], "expects a FILE or --camera, and not both"),
        (["--camera", "none"], "OpenCV cannot open the camera none"),
        ([videos[0], "--overlay", "x.png"], "--overlay expects a .mp4, .mkv, .webm, .avi or .gif, got x.png"),
        ([folder / "videos", "--overlay", "x.mp4"], "--overlay draws into one video"),
    ):
        code, _, error = said("combined", "predict", run, *typed)
        assert code == 2 and sentence in error


def test_clips_of_another_program_from_files_to_prediction(tmp_path, said, monkeypatch):
    reached = []
    monkeypatch.setattr("graphreel.training.progress.Bar.reach", lambda self, done, line: reached.append((done, line)))
    draw = np.random.default_rng(0)
    for name, way in (("west", -1), ("east", 1)):
        for number in range(5):
            clip = tmp_path / "clips" / name / f"p{number}"
            clip.mkdir(parents=True)
            body = draw.uniform(20, 90, (18, 2))
            for t in range(8):
                rows = np.pad(body + np.array([100 + 9 * way * t, 0]), ((0, 0), (0, 1)), constant_values=0.9)
                people = [{"pose_keypoints_2d": rows.ravel().tolist()}]
                (clip / f"{t:012}_keypoints.json").write_text(json.dumps({"people": people}))
    code, text, _ = said("data", "describe", tmp_path / "clips")
    assert code == 0 and "keypoints, for `graphreel combined train`" in text and "2 classes: east" in text
    typed = [*SMALL, "--epochs", 2, "--split-by", r"p(\d)", "--out", tmp_path / "run"]
    assert said("combined", "train", "--data", tmp_path / "clips", *typed)[::2] == (0, "")
    assert (0.1, "1 of 10 files read") in reached and (1.0, "10 of 10 files read") in reached
    code, text, error = said("combined", "predict", tmp_path / "run", tmp_path / "clips")
    assert (code, error) == (0, "") and " of 10 (" in text
    rows = table(tmp_path / "run" / "predictions-clips.csv")
    assert [row["file"] for row in rows][:2] == ["east/p0", "east/p1"]
    assert said("combined", "predict", tmp_path / "run", clip)[1].split()[0] == rows[4]["class"]
    code, text, error = said("combined", "attention", tmp_path / "run", clip)
    assert (code, error) == (0, "") and (tmp_path / "run" / "attention-p4.png").is_file()


def test_folds_are_trained_one_after_the_other(tmp_path, said):
    groups = np.repeat(np.arange(6), 4)
    file = write_keypoints(tmp_path / "walk.npz", groups=groups)
    typed = ["--folds", 3, *SMALL, "--epochs", 1, "--out", tmp_path / "run"]
    assert said("combined", "train", "--data", file, *typed)[::2] == (0, "")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert [sum(map(sum, row["confusion"])) for row in metrics["seeds"]] == [8, 8, 8]
    assert metrics["test_accuracy"]["mean"] == pytest.approx(
        np.mean([row["test_accuracy"] for row in metrics["seeds"]])
    )
    code, _, error = said("combined", "train", "--data", file, "--folds", 1, "--out", tmp_path / "one")
    assert code == 2 and "--folds expects at least 2, or 0 for a single split, got 1" in error
    code, _, error = said("combined", "train", "--data", "digits", "--folds", 3, "--out", tmp_path / "one")
    assert code == 2 and "--folds is an option for keypoints and videos, and digits holds digits" in error


def test_poses_of_footage_from_extraction_to_pictures(tmp_path, said):
    from graphreel.data.clips.poses import check_poses

    try:
        check_poses()
    except (ValueError, FileNotFoundError) as error:
        pytest.skip(str(error))
    source = Path(os.environ.get("GRAPHREEL_DATA", "none")) / "ut_interaction"
    if not source.is_dir():
        pytest.skip("no footage of people here")
    for name in ("push", "point"):
        (tmp_path / "videos" / name).mkdir(parents=True)
        for file in sorted((source / name).glob("*.avi"))[:3]:
            shutil.copy(file, tmp_path / "videos" / name)
    videos = tmp_path / "videos"
    code, text, error = said("combined", "extract", videos, "--out", tmp_path / "clips.npz", "--frames", 6)
    assert (code, error) == (0, "") and "videos         6 of 2 classes" in text
    typed = [*SMALL, "--epochs", 1, "--graph", "poses", "--frames", 6, "--out", tmp_path / "run"]
    assert said("combined", "train", "--data", videos, *typed)[::2] == (0, "")
    typed = [*SMALL, "--epochs", 1, "--frames", 6, "--split-by", r"_(seq\d+)_", "--out", tmp_path / "from-npz"]
    assert said("combined", "train", "--data", tmp_path / "clips.npz", *typed)[::2] == (0, "")
    file = next(videos.rglob("*.avi"))
    code, text, error = said("combined", "predict", tmp_path / "run", file)
    assert (code, error) == (0, "") and {line.split()[0] for line in text.splitlines()} == {"push", "point"}
    code, _, error = said("combined", "predict", tmp_path / "from-npz", file)
    assert code == 2 and "expects an .npz, got " in error and "graphreel combined extract" in error
    code, text, error = said("combined", "attention", tmp_path / "run", file, "--out", tmp_path / "strip.png")
    assert (code, error) == (0, "") and (tmp_path / "strip.png").stat().st_size > 5000


def test_attention_of_digits_by_number(tmp_path, few_digits, said):
    out = tmp_path / "run"
    typed = ["--data", "digits", *SMALL, "--epochs", 1, "--out", out]
    assert said("combined", "train", *typed)[::2] == (0, "")
    code, text, error = said("combined", "attention", out, 3)
    assert (code, error) == (0, "") and str(out / "attention-3.png") in text
    numbers = json.loads((out / "attention-3.json").read_text())
    clip = few_digits.test[3]
    assert len(numbers["frames"]) == int(clip.num_frames) and sum(numbers["frames"]) == pytest.approx(1, abs=1e-4)
    into = torch.zeros(len(clip.x))
    for edge in numbers["edges"]:
        into[edge["target"]] += edge["weight"]
    torch.testing.assert_close(into, torch.ones(len(clip.x)), rtol=1e-3, atol=1e-3)
    code, _, error = said("combined", "attention", out, 16)
    assert code == 2 and "CLIP expects a number from 0 to 15" in error
    code, _, error = said("combined", "attention", out, 1, "--out", tmp_path / "strip.mp4")
    assert code == 2 and "--out expects a .png" in error


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: write_keypoints(p, lengths=np.array([0] + [7] * 23)), "lengths of|has no frames"),
        (lambda p: write_keypoints(p, joints=14), "14 joints, no built-in skeleton has"),
        (lambda p: write_keypoints(p, clips=2), "too few to hold out a test part"),
        (lambda p: p.write_bytes(b"no zip"), "cannot be read"),
        (lambda p: np.savez(p, keypoints=np.zeros((3, 15, 2))), "has no labels"),
        (
            lambda p: np.savez(
                p,
                train_keypoints=np.ones((8, 15, 2)),
                train_lengths=np.full(4, 2),
                train_labels=list("aabb"),
                test_keypoints=np.ones((2, 15, 2)),
                test_lengths=np.full(1, 2),
                test_labels=["c"],
            ),
            "'c', which no training clip has",
        ),
    ],
)
def test_bad_clips_are_refused_in_one_sentence_and_nothing_is_written(tmp_path, said, make, message):
    path = tmp_path / "bad.npz"
    make(path)
    code, _, error = said("combined", "train", "--data", path, "--out", tmp_path / "run")
    assert code == 2 and error.startswith("graphreel: ") and error.count("\n") == 1
    assert re.search(message, error)
    assert not (tmp_path / "run").exists()


def test_a_file_that_does_not_fit_the_run_is_refused(tmp_path, walker, said):
    other = write_keypoints(tmp_path / "coco.npz", clips=1, joints=17, labelled=False)
    code, _, error = said("combined", "predict", walker, other)
    assert code == 2 and "17 joints" in error
    code, _, error = said("combined", "predict", walker, tmp_path / "none.npz")
    assert code == 2 and "no such file" in error
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    code, _, error = said("combined", "predict", walker, text)
    assert code == 2 and "expects an .npz, got text.mp4" in error
    several = write_keypoints(tmp_path / "several.npz", clips=2, labelled=False)
    code, _, error = said("combined", "attention", walker, several)
    assert code == 2 and "holds 2 clips" in error
    empty = tmp_path / "empty.npz"
    np.savez(empty, keypoints=np.zeros((0, 15, 2)), lengths=np.zeros(0, dtype=int))
    for command in ("predict", "attention"):
        code, _, error = said("combined", command, walker, empty)
        assert code == 2 and "lengths of empty.npz is empty" in error
    (walker / "checkpoint.pt").write_bytes(b"broken")
    code, _, error = said("combined", "predict", walker, several)
    assert code == 2 and "cannot be read as a checkpoint" in error


def test_an_unreadable_video_is_refused(tmp_path, said):
    pytest.importorskip("av")
    for name in ("a", "b"):
        (tmp_path / "videos" / name).mkdir(parents=True)
        for number in range(3):
            (tmp_path / "videos" / name / f"{number}.mp4").write_bytes(b"no video")
    code, _, error = said("combined", "train", "--data", tmp_path / "videos", "--out", tmp_path / "run")
    assert code == 2 and "is not a readable video" in error and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--spatial", "gin"], "--spatial expects one of gcn, gat, gatv2, none, got 'gin'"),
        (["--hidden", 10, "--spatial", "gat", "--heads", 4], "--hidden expects a multiple of the 4 heads, got 10"),
        (["--epochs", 0], "--epochs expects at least 1, got 0"),
        (["--dropout", 1], "--dropout expects a share"),
        (["--lags", 3], "--lags is not an option for clips"),
        (["--distances"], "--distances is an option for keypoints"),
        (["--frames", 8], "--frames is an option for keypoints"),
        (["--mirror"], "--mirror is an option for keypoints"),
        (["--drop-features", 0.2], "--drop-features is what a convolution does not see: it goes with --convolve"),
        (["--keep", "first"], "--keep expects one of best, last, got 'first'"),
        (["--keep", "last", "--patience", 2], "--patience waits for a better validation loss, but --keep last"),
        (["--convolve", 4], "--convolve expects an odd number of frames, or 0, got 4"),
        (["--validation", 0], "--validation expects a positive number"),
    ],
)
def test_bad_settings_are_refused(tmp_path, few_digits, said, options, message):
    code, _, error = said("combined", "train", "--data", "digits", *options, "--out", tmp_path / "run")
    assert code == 2 and message in error and not (tmp_path / "run").exists()


def test_settings_are_read_back_from_their_file():
    settings = ClipSettings.resolve("digits", {"hidden": 12, "heads": 3})
    assert ClipSettings.from_dict(json.loads(json.dumps(settings.as_dict()))) == settings
    with pytest.raises(ValueError, match=r"config\.json lacks the settings hidden"):
        ClipSettings.from_dict({k: v for k, v in settings.as_dict().items() if k != "hidden"})


def test_graph_layers_are_their_formula():
    torch.manual_seed(0)
    settings = ClipSettings("x", spatial="gcn", hidden=4, layers=2)
    stack = build_spatial(settings, 3, None, residual=True, standardize=True).double()
    x = torch.randn(5, 3, dtype=torch.float64)
    edges = torch.tensor([[0, 1, 2, 3, 0], [1, 2, 3, 4, 2]])
    found = stack(x, edges)
    h = (x - x.mean(0)) / (x.var(0, unbiased=False) + stack.norm.eps).sqrt()
    adjacency = torch.eye(5, dtype=torch.float64).index_put((edges[1], edges[0]), torch.tensor(1.0).double())
    degree = adjacency.sum(1)
    adjacency = adjacency / (degree[:, None] * degree[None]).sqrt()
    for number, (conv, own) in enumerate(zip(stack.convs, stack.own, strict=True)):
        h = h.relu() if number else h
        h = adjacency @ h @ conv.lin.weight.t() + conv.bias + h @ own.weight.t()
    torch.testing.assert_close(found, h)


def test_the_models_have_the_widths_that_were_asked_for():
    settings = ClipSettings("x", spatial="gat", hidden=12, heads=3, state=5, bidirectional=True, pool="concat")
    model = build_classifier(settings, 4, 3, 7, None)
    assert model.temporal.input_size == 7 * 12 and model.head.in_features == 10
    assert [conv.heads for conv in model.spatial.convs] == [3, 3]
    with pytest.raises(ValueError, match="--pool concat needs clips whose nodes keep their identity"):
        build_classifier(settings, 4, 3, None, None)
