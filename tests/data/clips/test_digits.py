import pytest
import torch
from sklearn.datasets import load_digits as load_images
from torch.testing import assert_close

from graphreel.data import load
from graphreel.data.clips.digits import CLASSES, EVEN, HEIGHT, RADIUS, WIDTH, dance, load_digits, render


@pytest.fixture(scope="module")
def splits():
    return load_digits(train=160, validation=8, test=80)


def digits_of(clip):
    """The digit that every node shows, found by its patch."""
    bunch = load_images()
    images = torch.from_numpy(bunch.data).float() / 16
    nearest = torch.cdist(clip.x[:, 3:], images).argmin(1)
    return torch.from_numpy(bunch.target)[nearest], nearest


def test_it_loads_by_name_with_eight_classes_of_equal_size():
    given = load("digits", train=16, validation=8, test=8)
    assert given.num_classes == 8 and given.num_features == 67
    assert torch.cat([clip.y for clip in given.train]).bincount().tolist() == [2] * 8
    assert given.majority() == 1 / 8


def test_the_same_seed_gives_the_same_clips(splits):
    again = load_digits(train=160, validation=8, test=80)
    for one, other in zip(splits.train[:20], again.train[:20], strict=True):
        assert torch.equal(one.x, other.x) and torch.equal(one.edge_index, other.edge_index)
    other = load_digits(train=160, validation=8, test=80, seed=1)
    assert not torch.equal(splits.train[0].x[0], other.train[0].x[0])


def test_near_sprites_are_neighbours_and_each_is_linked_to_itself_in_the_next_frame(splits):
    for clip in splits.train[:16]:
        source, target = clip.edge_index
        within = clip.edge_attr[:, 0] == 0
        assert (clip.frame[source] == clip.frame[target])[within].all()
        assert (clip.frame[source] + 1 == clip.frame[target])[~within].all()
        assert (clip.track[source] == clip.track[target])[~within].all()
        apart = torch.cdist(clip.pos, clip.pos)
        near = (apart < RADIUS) & (clip.frame[:, None] == clip.frame) & ~torch.eye(len(clip.pos), dtype=torch.bool)
        assert int(near.sum()) == int(within.sum())
        assert near[source[within], target[within]].all()


def test_structure_is_in_the_edges(splits):
    """In "alike" clips every edge within a frame joins digits of one parity, in "mixed" ones of two."""
    for clip in splits.train[:32]:
        digits, _ = digits_of(clip)
        even = torch.isin(digits, torch.tensor(EVEN))
        source, target = clip.edge_index[:, clip.edge_attr[:, 0] == 0]
        mixed = int(clip.y) >= 4
        assert ((even[source] != even[target]) == mixed).all()


def test_structure_is_in_nothing_else():
    """Means over clips of each pooled feature are alike (within chance) for the two classes of a structure pair."""
    generator = torch.Generator().manual_seed(0)
    for move in range(4):
        means = []
        for structure in range(2):
            rows = torch.stack([dance(4 * structure + move, generator).x.mean(0) for _ in range(60)])
            means.append((rows.mean(0), rows.var(0) / 60))
        (a, va), (b, vb) = means
        z = (a - b) / (va + vb).sqrt().clamp(min=1e-6)
        assert z.abs().max() < 4.5


def test_order_is_in_the_order_alone():
    """The classes of a reversal pair are one another's clips played backwards."""
    for label in range(0, 8, 2):
        forwards = dance(label, torch.Generator().manual_seed(3))
        backwards = dance(label + 1, torch.Generator().manual_seed(3)).reversed_in_time()
        a, b = (torch.cat([c.frame[:, None], c.x], 1) for c in (forwards, backwards))
        assert_close(a[_sorted(a)], b[_sorted(b)])
        assert forwards.edge_index.size(1) == backwards.edge_index.size(1)


def _sorted(rows):
    order = rows[:, 1].argsort()
    return order[rows[order, 0].argsort(stable=True)]


def test_moves_are_what_they_are_called(splits):
    for clip in splits.train[:16]:
        move = CLASSES[int(clip.y)].split()[1]
        early, late = clip.frame < 3, clip.frame >= int(clip.num_frames) - 3
        column = 0 if move in ("right", "left") else 2
        change = float(clip.x[late, column].mean() - clip.x[early, column].mean())
        assert (change > 0) == (move in ("right", "nearer"))


def test_sprites_enter_and_leave_and_clips_differ_in_length(splits):
    lengths = {int(clip.num_frames) for clip in splits.train}
    assert lengths == set(range(8, 15))
    changing = [len({int(n) for n in clip.frame.bincount()}) > 1 for clip in splits.train[:32]]
    assert sum(changing) > 16


def test_parts_show_different_images(splits):
    shown = [
        set(torch.cat([digits_of(clip)[1] for clip in part[:40]]).tolist()) for part in (splits.train, splits.test)
    ]
    assert not shown[0] & shown[1]


def test_rendering_paints_the_sprites_where_they_are(splits):
    clip = splits.train[0]
    frames = render(clip)
    assert frames.shape == (int(clip.num_frames), HEIGHT, WIDTH) and frames.dtype == torch.uint8
    for node in range(len(clip.x)):
        x, y = clip.pos[node].round().long().tolist()
        assert frames[int(clip.frame[node]), y - 4 : y + 4, x - 4 : x + 4].max() > 100
    noisy = render(clip, torch.Generator().manual_seed(0))
    assert 0 < noisy[0].float().median() < 30


def test_a_part_without_clips_is_refused():
    with pytest.raises(ValueError, match="test must be at least 1, got 0"):
        load_digits(test=0)
