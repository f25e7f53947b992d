"""Labelled sequences out of every form of file: what is read, how it is split, and what is refused."""

import json

import numpy as np
import pytest
import torch

from graphreel.data.registry import data_set
from graphreel.data.sequences.labelled_sequences import UNKNOWN, load_labelled

LENGTHS = [3, 1, 4, 2, 3, 5, 2, 4]
SERIES = [np.arange(2.0 * length).reshape(length, 2) + place for place, length in enumerate(LENGTHS)]
LABELS = ["up", "down"] * 4


def _laid(path):
    np.savez(path, values=np.concatenate(SERIES), lengths=LENGTHS, labels=np.arange(8) % 2, classes=["up", "down"])


def _offsets(path):
    starts = np.append(0, np.cumsum(LENGTHS))
    np.savez(path, values=np.concatenate(SERIES), offsets=starts, labels=LABELS)


def _padded(path):
    values = np.full((8, 5, 2), np.nan)
    for row, one in zip(values, SERIES, strict=True):
        row[: len(one)] = one
    np.savez(path, values=values, y=LABELS)


def _rows(path):
    lines = ["id,step,a,b,label"]
    for place in range(8):  # steps backwards
        steps = reversed(list(enumerate(SERIES[place])))
        lines += [f"s{place},{step},{a},{b},{LABELS[place]}" for step, (a, b) in steps]
    path.write_text("\n".join(lines))


def _json_lines(path):
    rows = [{"values": one.tolist(), "label": label} for one, label in zip(SERIES, LABELS, strict=True)]
    path.write_text("\n".join(map(json.dumps, rows)))


@pytest.mark.parametrize(
    ("name", "write"),
    [("a.npz", _laid), ("a.npz", _offsets), ("a.npz", _padded), ("a.csv", _rows), ("a.jsonl", _json_lines)],
)
def test_numbers_are_the_same_from_every_form(tmp_path, name, write):
    write(tmp_path / name)
    assert data_set(tmp_path / name).kind == "sequences"
    found = load_labelled(tmp_path / name)
    assert found.classes == ["down", "up"] and found.y.tolist() == [1, 0] * 4
    mean, deviation = (torch.tensor(one) for one in (found.reader.mean, found.reader.deviation))
    for item, wanted in zip(found.items, SERIES, strict=True):
        torch.testing.assert_close(item * deviation + mean, torch.from_numpy(wanted).float())
    train = torch.cat([found.items[place] for place in found.parts["train"]])
    torch.testing.assert_close(train.mean(0), torch.zeros(2), atol=1e-6, rtol=0)
    assert {part: len(places) for part, places in found.parts.items()} == {"train": 4, "val": 2, "test": 2}


@pytest.mark.parametrize(
    ("text", "read", "first"),
    [
        ('text,label\n"Well, said the fox.\nNo!",a\n', "words", ["well", ",", "said", "the", "fox", ".", "no", "!"]),
        ("text,label\nMüller,a\n", "characters", ["M", "ü", "l", "l", "e", "r"]),
        ("tokens;label\nopen read;a\n", "tokens", ["open", "read"]),
        ("sequence\tlabel\nGAT\ta\n", "characters", ["G", "A", "T"]),
        ("tokens,label\n17 4 17,a\n", "tokens", ["17", "4", "17"]),
    ],
)
def test_symbols_are_cut_as_the_column_says(tmp_path, text, read, first):
    path = tmp_path / "a.csv"
    head, _, row = text.partition("\n")
    other = row[: row.rindex("a")] + "b\n"
    path.write_text(f"{head}\n" + 4 * (row + other))
    found = load_labelled(path)
    assert found.reader.read == read
    assert [found.reader.vocabulary[place - 2] for place in found.items[0]] == first


def test_a_folder_of_class_folders_with_its_own_split(tmp_path):
    for part in ("train", "test"):
        for name in ("good", "bad"):
            (tmp_path / part / name).mkdir(parents=True)
            for number in range(4):
                (tmp_path / part / name / f"{number}.txt").write_text(f"this was {name} number {number}{part}")
    assert data_set(tmp_path).kind == "sequences"
    found = load_labelled(tmp_path)
    assert found.classes == ["bad", "good"] and found.parts["test"].tolist() == [*range(8, 16)]
    assert len(found.parts["val"]) == 2 and found.notes[-1].endswith("val part drawn by class, 15 % each")
    assert UNKNOWN in found.items[8]  # "number 0test", which training lacks


def test_groups_stay_whole_and_named_parts_are_kept(tmp_path):
    path = tmp_path / "a.csv"
    rows = [f"it was like this,{'ab'[n % 2]},p{n // 4}" for n in range(40)]
    path.write_text("\n".join(["body,stars,who", *rows]))
    found = load_labelled(path, sequence="body", label="stars", group="who")
    parts = [{int(place) // 4 for place in places} for places in found.parts.values()]
    assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
    rows = [f"it was like this,{'ab'[n % 2]},{('train', 'valid', 'test', 'train')[n // 2 % 4]}" for n in range(40)]
    path.write_text("\n".join(["text,label,split", *rows]))
    assert {part: len(places) for part, places in load_labelled(path).parts.items()} == {
        "train": 20,
        "val": 10,
        "test": 10,
    }


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "text,label\na b,x\n", r"a\.csv has 1 different labels for 1 sequences: expected classes"),
        ("a.csv", "text,mark\na b,x\n", r"a\.csv has no column of labels: expected one called label or class"),
        ("a.csv", "one,two,label\na,b,x\n", r"a\.csv has the columns one, two, label: --sequence says which"),
        ("a.csv", "text,label,split\na,x,day\nb,y,train\n", r"a\.csv puts a sequence into the part 'day', expected"),
        ("a.csv", "id,step,v,label\na,0,1,x\na,1,2,y\n", r"gives the sequence a several values of label: x, y"),
        (
            "a.jsonl",
            '{"text": "a", "label": 1}\n{"text"\n',
            r"line 2 of a\.jsonl expects a JSON object, got '{\"text\"'",
        ),
        ("a.csv", "values,label\n1 2,x\n3 four,y\n", r"a\.csv holds 'four', expected a number"),
    ],
)
def test_what_is_refused(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        load_labelled(tmp_path / name, read="numbers" if "values" in text else "")
