"""Arrays as METR-LA, PEMS-BAY, PEMS04 and PEMS08 come, and files that claim more than they hold."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest
import torch

from graphreel.data import load
from graphreel.data.registry import data_set

STEPS = 60


def wave(nodes=3):
    return np.round(50 + 5 * np.sin(np.arange(STEPS)[:, None] / 4 + np.arange(nodes)), 2)


def test_pems04(tmp_path):
    data = np.stack([wave(), wave() / 100, wave() + 7], axis=2)
    np.savez_compressed(tmp_path / "PEMS04.npz", data=data)
    (tmp_path / "PEMS04.csv").write_text("from,to,cost\n0,1,0\n1,2,0\n")
    series = load(tmp_path / "PEMS04.npz", lags=4, horizon=2).series
    assert series.channels == ["channel0", "channel1", "channel2"] and series.edge_index.tolist() == [[0, 1], [1, 2]]
    assert torch.equal(series.values, torch.from_numpy(data))
    assert data_set(tmp_path / "PEMS04.npz").kind == "series"
    np.savez(tmp_path / "clips.npz", keypoints=data, labels=np.zeros(3))
    assert data_set(tmp_path / "clips.npz").kind == "keypoints"


def h5_of_pandas(path, key, values, names, times, unit=""):
    """As pandas' `DataFrame.to_hdf(..., format="fixed")` writes it; METR-LA has the key df, PEMS-BAY speed."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        group = file.create_group(key)
        group["axis0"] = np.array(names)
        group["axis1"] = times.astype(f"datetime64[{unit or 'ns'}]").astype(np.int64)
        group["axis1"].attrs["kind"] = np.bytes_(f"datetime64[{unit}]" if unit else "datetime64")
        group["block0_items"], group["block0_values"] = np.array(names), values


@pytest.mark.parametrize(
    ("key", "names", "unit"),
    [("df", [b"773869", b"767541", b"767542"], ""), ("speed", [400001, 400017, 400030], "us")],
)
def test_metr_la_and_pems_bay(tmp_path, key, names, unit):
    kept = np.delete(np.arange(STEPS), [20, 21])
    times = np.datetime64("2012-03-01") + kept * np.timedelta64(5, "m")
    h5_of_pandas(tmp_path / "a.h5", key, wave()[kept], names, times, unit)
    (tmp_path / "a_adj.csv").write_text(f"source,target,weight\n{int(names[0])}.0,{int(names[2])},0.5\n")
    series = load(tmp_path / "a.h5", lags=4, horizon=2).series
    assert series.nodes == [str(int(name)) for name in names] and len(series.values) == STEPS
    assert (~series.observed.all(1)).nonzero().flatten().tolist() == [20, 21]
    assert str(series.times[1]) == "2012-03-01T00:05:00.000000000" and series.edge_index.tolist() == [[0], [2]]


def test_plain_arrays(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["speed"] = wave()
    np.save(tmp_path / "b.npy", np.asfortranarray(wave()))
    for name in ("a.h5", "b.npy"):
        assert torch.equal(load(tmp_path / name, lags=4, horizon=2).series.values[:, :, 0], torch.from_numpy(wave()))
    np.save(tmp_path / "b.npy", np.zeros(5))
    with pytest.raises(ValueError, match=r"b.npy must hold \[time, nodes\] or \[time, nodes, channels\], got \[5\]"):
        load(tmp_path / "b.npy")


def npy(shape, values=b"", dtype="<f8"):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue() + values


def test_a_member_that_is_not_needed_is_not_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.npy", npy((STEPS, 3), wave().tobytes()))
        with archive.open("huge.npy", "w", force_zip64=True) as member:
            for _ in range(300):
                member.write(bytes(2**20))
    tracemalloc.start()
    load(tmp_path / "a.npz", lags=4, horizon=2)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 50 * 2**20


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (npy((10**9, 100)), r"data claims 745.1 GB in"),
        (npy((STEPS, 3), b"short"), r"data ends after 5 of 1440 bytes"),
        (npy((2, 2), dtype="|O"), r"data holds object, expected numbers"),
        (b"no array", r"cannot be read"),
        (npy((-1, 5)), r"cannot be read"),
    ],
)
def test_arrays_that_claim_more_than_they_hold(tmp_path, content, sentence):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("data.npy", content)
    with pytest.raises(ValueError, match=rf"^a.npz .*{sentence}|a.npz cannot be read: .*{sentence}"):
        load(tmp_path / "a.npz")


def test_damaged_arrays_end_in_one_sentence(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "whole.h5", "w") as file:
        file["speed"] = wave()
    np.savez_compressed(tmp_path / "whole.npz", data=wave())
    rng = np.random.default_rng(0)
    for whole in (tmp_path / "whole.h5", tmp_path / "whole.npz"):
        raw = whole.read_bytes()
        for number in range(60):
            damaged = bytearray(raw)
            for place in rng.integers(0, len(raw), 4):
                damaged[place] = rng.integers(0, 256)
            file = tmp_path / f"damaged{whole.suffix}"
            file.write_bytes(damaged[: rng.integers(1, len(raw))] if number % 3 == 0 else damaged)
            try:
                load(file, lags=4, horizon=2)
            except ValueError as error:
                assert file.stem in str(error) and "\n" not in str(error)
