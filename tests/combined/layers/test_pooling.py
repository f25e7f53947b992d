import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from graphreel.combined.layers.padding import pad_sequences, step_mask
from graphreel.combined.layers.pooling import attend_people, follow_tracks, pool_nodes

LENGTHS = st.lists(st.integers(1, 6), min_size=1, max_size=6)


@settings(max_examples=30, deadline=None)
@given(LENGTHS)
def test_laying_out_keeps_every_row_and_pads_with_zeros(lengths):
    sizes = torch.tensor(lengths)
    rows = torch.arange(1, 2 * sum(lengths) + 1, dtype=torch.float64).view(-1, 2)
    padded = pad_sequences(rows, sizes)
    real = step_mask(sizes, padded.size(1))
    assert torch.equal(padded[real], rows)
    assert not padded[~real].any()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=15, unique=True))
def test_tracks_are_followed_in_the_order_of_frames(nodes):
    frame, track = torch.tensor(nodes).t()
    order, lengths, names = follow_tracks(frame, track, 5)
    expected = sorted(range(len(nodes)), key=lambda node: (nodes[node][1], nodes[node][0]))
    assert order.tolist() == expected
    assert names.tolist() == sorted({t for _, t in nodes})
    assert lengths.tolist() == [sum(t == name for _, t in nodes) for name in names.tolist()]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=15))
def test_pooling_is_what_a_loop_over_groups_does(groups):
    group = torch.tensor(groups)
    generator = torch.Generator().manual_seed(len(groups))
    x = torch.randn(len(groups), 3, dtype=torch.float64, generator=generator)
    scores = torch.randn(len(groups), dtype=torch.float64, generator=generator)
    mean, largest, attended = (pool_nodes(x, group, 6, pool, scores)[0] for pool in ("mean", "max", "attention"))
    for number in range(6):
        members = x[group == number]
        if len(members) == 0:
            assert not mean[number].any() and not largest[number].any() and not attended[number].any()
            continue
        assert_close(mean[number], members.mean(0))
        assert_close(largest[number], members.max(0).values)
        assert_close(attended[number], scores[group == number].softmax(0) @ members)


def test_people_are_weighed_by_the_softmax_of_their_score_in_any_order():
    torch.manual_seed(0)
    score = nn.Linear(6, 1).double()
    group, place = torch.tensor([0, 0, 0, 0, 2, 2]), torch.tensor([0, 1, 2, 3, 1, 5])  # two joints each, nobody in 1
    x = torch.randn(6, 3, dtype=torch.float64)
    found, weights = attend_people(x, group, 3, place, 2, score)
    nobody = torch.zeros(3, dtype=torch.float64)
    first = torch.stack([torch.cat([x[0], x[1]]), torch.cat([x[2], x[3]])])
    last = torch.stack([torch.cat([nobody, x[4]]), torch.cat([nobody, x[5]])])
    expected = [score(first).softmax(0), score(last).softmax(0)]
    assert_close(found, torch.stack([(expected[0] * first).sum(0), 0 * found[1], (expected[1] * last).sum(0)]))
    assert_close(weights, torch.cat([expected[0].repeat_interleave(2) / 2, expected[1].flatten()]))
    swapped, _ = attend_people(x, group, 3, (place + 2) % 6, 2, score)
    assert_close(swapped, found)
