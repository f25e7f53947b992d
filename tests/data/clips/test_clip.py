import pytest
import torch
from torch.testing import assert_close
from torch_geometric.data import Batch

from graphreel.data.clips.clip import Clip, edges_through_time
from graphreel.data.holdout import stratified_holdout

NONE = torch.empty(2, 0, dtype=torch.long)


def clip(counts: list[int], y: int = 0) -> Clip:
    frames = [torch.full((count, 2), float(t)) for t, count in enumerate(counts)]
    return Clip.from_frames(frames, [NONE] * len(counts), y=y, tracks=[torch.arange(count) for count in counts])


def test_frames_are_laid_side_by_side():
    ring = torch.tensor([[0, 1], [1, 0]])
    frames = [torch.zeros(2, 1), torch.ones(0, 1), torch.ones(3, 1)]
    made = Clip.from_frames(frames, [ring, NONE, torch.tensor([[2], [0]])], y=4)
    assert made.frame.tolist() == [0, 0, 2, 2, 2]
    assert made.edge_index.tolist() == [[0, 1, 4], [1, 0, 2]]
    assert (int(made.num_frames), made.y.tolist()) == (3, [4])


def test_a_track_is_linked_to_its_next_frame_but_not_over_a_gap():
    frame, track = torch.tensor([0, 2, 1, 0, 3]), torch.tensor([7, 7, 7, 2, 2])
    assert sorted(edges_through_time(frame, track).t().tolist()) == [[0, 2], [2, 1]]


def test_batching_keeps_empty_frames_in_their_place():
    batch = Batch.from_data_list([clip([1, 2, 0]), clip([0, 1]), clip([2])])
    assert batch.num_frames.tolist() == [3, 2, 1]
    assert batch.frame.tolist() == [0, 1, 1, 4, 5, 5]
    assert batch.track.tolist() == [0, 0, 1, 2, 3, 4]
    for back, before in zip(batch.to_data_list(), [clip([1, 2, 0]), clip([0, 1]), clip([2])], strict=True):
        assert back.frame.tolist() == before.frame.tolist()
        assert back.edge_index.tolist() == before.edge_index.tolist()


def test_reversing_twice_is_the_same_clip():
    given = clip([2, 3, 1])
    twice = given.reversed_in_time().reversed_in_time()
    assert twice.frame.tolist() == given.frame.tolist()
    assert twice.edge_index.tolist() == given.edge_index.tolist()
    once = given.reversed_in_time()
    source, target = once.edge_index
    assert (once.frame[target] == once.frame[source] + 1).all()


def test_undirected_hides_the_direction_of_time():
    one_way, other_way = clip([2, 2]).undirected(), clip([2, 2]).reversed_in_time().undirected()
    assert one_way.edge_index.tolist() == other_way.edge_index.tolist()
    assert_close(one_way.edge_attr, torch.ones(4, 1))


def test_undirected_edges_keep_their_weights():
    given = clip([2, 2])
    given.edge_index = torch.cat([given.edge_index, torch.tensor([[1], [0]])], dim=1)
    given.edge_attr = None
    assert given.undirected().edge_index.tolist() == [[0, 0, 1, 1, 2, 3], [1, 2, 0, 3, 0, 1]]
    given.edge_weight = torch.tensor([0.5, 0.25, 1.0])
    both = given.undirected()
    assert both.edge_index.tolist() == [[0, 0, 1, 1, 2, 3], [1, 2, 0, 3, 0, 1]]
    assert both.edge_weight.tolist() == [1.0, 0.5, 1.0, 0.25, 0.5, 0.25]


def test_holding_out_takes_from_every_class():
    labels = torch.tensor([0] * 10 + [1] * 5 + [2])
    kept, held = stratified_holdout(labels, 0.2, seed=0)
    assert sorted(kept + held) == list(range(16))
    assert labels[held].bincount(minlength=3).tolist() == [2, 1, 0]
    assert stratified_holdout(labels, 0.2, seed=0) == (kept, held)


def test_bad_clips_are_named():
    with pytest.raises(ValueError, match="frames is empty: a clip needs at least one frame"):
        Clip.from_frames([], [])
    with pytest.raises(ValueError, match="edges has 1 entries, but there are 2 frames"):
        Clip.from_frames([torch.zeros(1, 1)] * 2, [NONE])
    with pytest.raises(ValueError, match=r"edges\[1\] holds node 1, but frame 1 has 1 nodes"):
        Clip.from_frames([torch.zeros(1, 1)] * 2, [NONE, torch.tensor([[0], [1]])])
    for wrong, sentence in [
        ({"frames": [torch.zeros(1, 1), torch.zeros(1, 2)]}, r"frames\[1\] must be \[nodes, 1\], got \[1, 2\]"),
        ({"edges": [NONE, torch.zeros(3, 2)]}, r"edges\[1\] must be \[2, edges\], got \[3, 2\]"),
        ({"edges": [torch.tensor([[0], [-1]]), NONE]}, r"edges\[0\] holds node -1, but frame 0 has 1 nodes"),
        (
            {"tracks": [torch.tensor([0]), torch.tensor([0, 1])]},
            r"tracks\[1\] has 2 entries, but frame 1 has 1 nodes",
        ),
    ]:
        with pytest.raises(ValueError, match=sentence):
            Clip.from_frames(**({"frames": [torch.zeros(1, 1)] * 2, "edges": [NONE] * 2} | wrong))
    with pytest.raises(ValueError, match="x holds 1 values that are NaN or infinite"):
        Clip.from_frames([torch.tensor([[1.0, float("nan")]])], [NONE])
    sound = {"x": torch.zeros(2, 1), "edge_index": NONE, "frame": torch.tensor([0, 1]), "num_frames": 2}
    for change, sentence in [
        ({"num_frames": 0}, "num_frames is 0: a clip needs at least one frame"),
        ({"num_frames": 1}, "frame holds 1, but the clip has 1 frames"),
        ({"frame": torch.tensor([0, -1])}, "frame holds -1, but the clip has 2 frames"),
        ({"edge_index": torch.tensor([[0], [-1]])}, "edge_index holds node -1, but x has 2 rows"),
        ({"frame": torch.tensor([0])}, r"frame must be \[2\], one for every row of x, got \[1\]"),
        ({"x": torch.zeros(2)}, r"x must be \[nodes, features\], got \[2\]"),
        ({"edge_index": torch.tensor([[0], [5]])}, "edge_index holds node 5, but x has 2 rows"),
        ({"edge_index": torch.tensor([0, 1])}, r"edge_index must be \[2, edges\], got \[2\]"),
    ]:
        with pytest.raises(ValueError, match=sentence):
            Clip(**(sound | change)).checked()
