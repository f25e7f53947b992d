import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close
from torch_geometric.data import Batch

from graphreel import gnn, rnn
from graphreel.combined import ClipClassifier, GraphLayers, TimeConvolution
from graphreel.data.clips.clip import Clip

OPTIONS = list(
    itertools.product(
        ("mean", "max", "attention", "concat", "people"), ("frames", "nodes"), ("last", "mean", "max", "attention")
    )
)


def model(pool: str = "mean", recurrence: str = "frames", readout: str = "last", bidirectional: bool = True):
    torch.manual_seed(0)
    tracks = {"concat": 4, "people": 2}.get(pool)
    width = 5 * tracks if tracks and recurrence == "frames" else 5
    temporal = rnn.GRU(width, 4, batch_first=True, bidirectional=bidirectional)
    return ClipClassifier(gnn.GCNConv(3, 5), temporal, 3, pool, recurrence, readout, tracks=tracks).double()


@pytest.mark.parametrize(("pool", "recurrence", "readout"), OPTIONS)
def test_a_batch_equals_its_clips_one_by_one(pool, recurrence, readout, clips, batch):
    classify = model(pool, recurrence, readout)
    together = classify(batch)
    alone = torch.cat([classify(one) for one in clips])
    assert_close(together, alone, rtol=1e-10, atol=1e-12)
    assert together.std(dim=0).min() > 1e-4  # the clips differ, so equality says something


@pytest.mark.parametrize(("pool", "recurrence", "readout"), OPTIONS)
def test_permuting_the_nodes_changes_nothing(pool, recurrence, readout, batch):
    classify, given = model(pool, recurrence, readout), batch
    order = torch.randperm(len(given.x), generator=torch.Generator().manual_seed(5))
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    permuted = given.clone()
    permuted.x, permuted.frame, permuted.track = given.x[order], given.frame[order], given.track[order]
    permuted.edge_index = place[given.edge_index]
    assert_close(classify(permuted), classify(given), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("readout", ["last", "mean", "max", "attention"])
def test_padding_changes_nothing(readout, make_clip):
    classify = model(readout=readout)
    short = make_clip(1, [2, 0, 3])
    long = make_clip(9, [2] * 12)
    beside = classify(Batch.from_data_list([short, long]))[:1]
    assert_close(beside, classify(short), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    "temporal",
    [
        rnn.RNN(5, 4),
        rnn.LSTM(5, 4, num_layers=2, batch_first=True),
        rnn.LSTM(5, 4, bidirectional=True),
        rnn.PeepholeLSTM(5, 4, batch_first=True),
        rnn.GRU(5, 4, bidirectional=True, batch_first=True),
        nn.GRU(5, 4),
        nn.LSTM(5, 4, bidirectional=True, batch_first=True),
        nn.LSTM(5, 4, proj_size=2, bidirectional=True),
        None,
    ],
    ids=lambda layer: f"{type(layer).__module__.split('.')[0]}.{type(layer).__name__}",
)
@pytest.mark.parametrize(
    "spatial",
    [
        gnn.GCNConv(3, 5),
        gnn.GATConv(3, 5),
        gnn.GATv2Conv(3, 5, heads=2, concat=False, edge_dim=1),
        gnn.GCN(3, 6, 2, 5),
        gnn.GAT(3, 6, 2, 5, heads=2),
        None,
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_any_layers_fit(spatial, temporal, clips, batch):
    if spatial is None:
        spatial = GraphLayers(3, 5, nn_linear)
    classify = ClipClassifier(spatial, temporal, 3).double()
    together = classify(batch)
    assert_close(together, torch.cat([classify(one) for one in clips]), rtol=1e-9, atol=1e-11)


class nn_linear(nn.Linear):
    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return super().forward(x)


def test_our_recurrent_layer_and_torch_nn_agree_on_clips_of_different_length(batch):
    ours = ClipClassifier(gnn.GCNConv(3, 5), rnn.LSTM(5, 4, bidirectional=True, batch_first=True), 3).double()
    theirs = ClipClassifier(gnn.GCNConv(3, 5), nn.LSTM(5, 4, bidirectional=True, batch_first=True), 3).double()
    theirs.load_state_dict(ours.state_dict())
    assert_close(ours(batch), theirs(batch), rtol=1e-10, atol=1e-12)


def by_loops(classify: ClipClassifier, given: Clip) -> Tensor:
    """GCN, mean, GRU and head of one clip with scalar loops over nodes, edges, frames and steps."""
    weight, bias = classify.spatial.lin.weight, classify.spatial.bias
    n = len(given.x)
    adjacency = torch.zeros(n, n, dtype=torch.float64)
    for source, target in given.edge_index.t().tolist():
        if source != target:
            adjacency[target, source] += 1.0
    loops = {source for source, target in given.edge_index.t().tolist() if source == target}
    for node in range(n):
        adjacency[node, node] = 1.0  # a missing loop is added; of duplicate loops the last (1 here) counts
    assert loops  # the random graphs have loops, so this is looked at
    degree = [sum(float(adjacency[node, other]) for other in range(n)) for node in range(n)]
    z = []
    for node in range(n):
        total = torch.zeros(weight.size(0), dtype=torch.float64)
        for other in range(n):
            if adjacency[node, other]:
                total = total + adjacency[node, other] / (degree[node] * degree[other]) ** 0.5 * (
                    weight @ given.x[other]
                )
        z.append((total + bias).clamp(min=0))
    rnn_ = classify.temporal
    w_ih, w_hh, b_ih, b_hh = rnn_.weight_ih_l0, rnn_.weight_hh_l0, rnn_.bias_ih_l0, rnn_.bias_hh_l0
    hidden = rnn_.hidden_size
    h = torch.zeros(hidden, dtype=torch.float64)
    for t in range(int(given.num_frames)):
        members = [z[node] for node in range(n) if int(given.frame[node]) == t]
        f = sum(members) / len(members) if members else torch.zeros(len(weight), dtype=torch.float64)
        a, b = w_ih @ f + b_ih, w_hh @ h + b_hh
        r = torch.sigmoid(a[:hidden] + b[:hidden])
        u = torch.sigmoid(a[hidden : 2 * hidden] + b[hidden : 2 * hidden])
        c = torch.tanh(a[2 * hidden :] + r * b[2 * hidden :])
        h = (1 - u) * c + u * h
    return classify.head.weight @ h + classify.head.bias


def test_loops_agree_gradients_included(clips, batch):
    classify = model(bidirectional=False)
    weights = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    fast = classify(batch)
    fast_gradients = torch.autograd.grad((fast * weights).sum(), list(classify.parameters()))
    slow = torch.stack([by_loops(classify, one) for one in clips])
    slow_gradients = torch.autograd.grad((slow * weights).sum(), list(classify.parameters()))
    assert_close(fast, slow, rtol=1e-10, atol=1e-12)
    for one, other in zip(fast_gradients, slow_gradients, strict=True):
        assert_close(one, other, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("recurrence", ["frames", "nodes"])
def test_attention_weights_sum_to_one(recurrence, batch):
    classify = model("attention", recurrence, "attention")
    given = batch
    logits, attention = classify.attend(given)
    assert_close(logits, classify(given))
    assert_close(attention.frames.sum(1), torch.ones(len(attention.frames), dtype=torch.float64))
    group = given.frame if recurrence == "frames" else given.batch
    if recurrence == "nodes":  # one weight per track, shown at each of its nodes
        first = torch.stack([given.track == t for t in given.track.unique()]).float().argmax(1)
        sums = torch.zeros(4, dtype=torch.float64).index_add(0, group[first], attention.nodes[first])
    else:
        sums = torch.zeros(int(group.max()) + 1, dtype=torch.float64).index_add(0, group, attention.nodes)
        sums = sums[torch.bincount(group) > 0]
    assert_close(sums, torch.ones_like(sums))


def test_without_a_recurrent_layer_the_order_of_frames_does_not_matter(clips):
    torch.manual_seed(0)
    classify = ClipClassifier(GraphLayers(3, 5), None, 3).double()
    given = [one.undirected() for one in clips]
    backwards = [one.reversed_in_time().undirected() for one in clips]
    assert_close(classify(Batch.from_data_list(given)), classify(Batch.from_data_list(backwards)))


def test_with_a_recurrent_layer_it_does(clips):
    classify = model()
    assert not torch.allclose(classify(clips[0]), classify(clips[0].reversed_in_time()))


def test_a_clip_of_empty_frames_is_classified_by_its_length_alone():
    classify = model()
    empty = Clip.from_frames([torch.zeros(0, 3, dtype=torch.float64)] * 2, [torch.zeros(2, 0, dtype=torch.long)] * 2)
    beside = classify(Batch.from_data_list([empty, empty]))
    assert_close(beside[0], beside[1])
    assert torch.isfinite(beside).all()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"pool": "sum"}, "pool must be one of mean, max, attention, concat, people, got 'sum'"),
        ({"pool": "concat"}, 'tracks, the number of them in every clip, goes with pool="concat", got None'),
        ({"recurrence": "edges"}, "recurrence must be one of frames, nodes, got 'edges'"),
        ({"readout": "first"}, "readout must be one of last, mean, max, attention, got 'first'"),
    ],
)
def test_unknown_options_are_named(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        ClipClassifier(gnn.GCNConv(3, 5), rnn.GRU(5, 4), 3, **arguments)


def test_a_layer_that_does_not_say_its_width_is_named():
    with pytest.raises(
        ValueError, match="Identity does not say its width: it has neither hidden_size nor out_channels"
    ):
        ClipClassifier(nn.Identity(), None, 3)


def test_tracks_are_followed_without_a_recurrent_layer(clips, batch):
    classify = ClipClassifier(gnn.GCNConv(3, 5), None, 3, "concat", "nodes", tracks=4).double()
    assert_close(classify(batch), torch.cat([classify(one) for one in clips]), rtol=1e-10, atol=1e-12)


def test_bad_clips_are_named(clips, batch, make_clip):
    classify, given = model(), batch.clone()
    given.num_frames = torch.tensor([3, 0, 1, 2])
    with pytest.raises(ValueError, match="clip 1 has no frames: a clip needs at least one"):
        classify(given)
    given = batch.clone()
    given.frame = given.frame[:-1]
    with pytest.raises(ValueError, match=r"frame must be \[21\], one for every row of x, got \[20\]"):
        classify(given)
    given = batch.clone()
    given.frame = given.frame + 5
    with pytest.raises(ValueError, match="frame holds 14, but there are 10 frames"):
        classify(given)
    given.frame = batch.frame - 1
    with pytest.raises(ValueError, match="frame holds -1, but there are 10 frames"):
        classify(given)
    given = batch.clone()
    given.num_frames = None
    with pytest.raises(ValueError, match="num_frames is missing"):
        classify(given)
    given = clips[0]
    given.track = None
    with pytest.raises(ValueError, match='recurrence="nodes" needs clips with `track`'):
        model(recurrence="nodes")(given)
    with pytest.raises(ValueError, match='pool="concat" needs clips with `track`'):
        model("concat")(given)
    many = make_clip(0, [5])
    with pytest.raises(ValueError, match="tracks is 4, but a clip has 5"):
        model("concat")(many)


def test_a_convolution_over_time_is_its_formula_over_the_real_steps():
    torch.manual_seed(0)
    convolve = TimeConvolution(3, 2, span=5).double()
    lengths = torch.tensor([4, 7, 1])
    x = torch.randn(3, 7, 3, dtype=torch.float64)
    x = (x * (torch.arange(7) < lengths[:, None])[..., None]).requires_grad_()
    rows = []
    for clip, length in enumerate(lengths.tolist()):
        for t in range(length):
            row = convolve.conv.bias
            for k in range(-2, 3):
                if 0 <= t + k < length:
                    row = row + convolve.conv.weight[:, :, k + 2] @ x[clip, t + k]
            rows.append(row)
    flat = torch.stack(rows)
    expected = ((flat - flat.mean(0)) / (flat.var(0, unbiased=False) + convolve.norm.eps).sqrt()).relu()
    found = convolve(x, lengths)
    real = torch.arange(7) < lengths[:, None]
    assert_close(found[real], expected, rtol=1e-10, atol=1e-12)
    assert (found[~real] == 0).all()
    weights = torch.randn_like(expected)
    ours = torch.autograd.grad((found[real] * weights).sum(), [x, convolve.conv.weight])
    theirs = torch.autograd.grad((expected * weights).sum(), [x, convolve.conv.weight])
    assert_close(ours[0][real], theirs[0][real], rtol=1e-9, atol=1e-11)
    assert_close(ours[1], theirs[1], rtol=1e-9, atol=1e-11)
    lossy = TimeConvolution(3, 2, dropout=0.5).double()
    lossy.conv.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    seen: list[Tensor] = []
    lossy(torch.ones(50, 7, 3, dtype=torch.float64), torch.full((50,), 7))
    assert (seen[0] == seen[0][:, :, :1]).all() and {0.0, 2.0} == set(seen[0].flatten().tolist())
    with pytest.raises(ValueError, match="span must be odd, as many steps before as after, got 4"):
        TimeConvolution(3, 2, span=4)


def test_a_single_step_is_normalised_by_the_batches_before():
    convolve = TimeConvolution(3, 2).double()
    convolve(torch.randn(4, 5, 3, dtype=torch.float64), torch.full((4,), 5))
    before = convolve.norm.running_mean.clone()
    step = torch.randn(1, 1, 3, dtype=torch.float64)
    found = convolve(step, torch.tensor([1]))
    assert torch.equal(convolve.norm.running_mean, before)
    assert_close(found, convolve.eval()(step, torch.tensor([1])))


@pytest.mark.parametrize("pool", ["mean", "attention", "concat"])
def test_a_clip_with_a_convolution_before_the_recurrent_layer_does_not_depend_on_its_neighbours(pool, clips, batch):
    tracks = 4 if pool == "concat" else None
    front = TimeConvolution(5 * (tracks or 1), 6)
    temporal = rnn.GRU(6, 4, batch_first=True, bidirectional=True)
    classify = ClipClassifier(gnn.GCNConv(3, 5), temporal, 3, pool, tracks=tracks, front=front).double().eval()
    assert_close(classify(batch), torch.cat([classify(one) for one in clips]), rtol=1e-10, atol=1e-12)
    ending = ClipClassifier(gnn.GCNConv(3, 5), None, 3, pool, tracks=tracks, front=front).double().eval()
    assert_close(ending(batch), torch.cat([ending(one) for one in clips]), rtol=1e-10, atol=1e-12)
