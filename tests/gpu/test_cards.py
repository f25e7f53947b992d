"""Every layer on a GPU against itself on the CPU in float64, values and gradients; skipped where there is no GPU.

GRAPHREEL_TEST_DEVICE=cpu runs what is here on the CPU, to see that the tests themselves run.
"""

import os
import warnings
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from graphreel.gnn import GATConv, GATv2Conv, GCNConv, MixedOrderConv
from graphreel.gnn.kernels import fused_attention
from graphreel.gnn.kernels.dispatch import use_path
from graphreel.gnn.kernels.fused_attention import ATTENTION
from graphreel.gnn.kernels.spmm import PRODUCT
from graphreel.rnn import GRU, LSTM, RNN, PeepholeLSTM
from graphreel.rnn.kernels import gpu_scan
from graphreel.rnn.kernels.cuda_graphs import GRAPHS
from graphreel.rnn.kernels.dispatch import scan_path
from graphreel.rnn.kernels.gpu_scan import STEP

DEVICE = torch.device(os.environ.get("GRAPHREEL_TEST_DEVICE", "cuda"))
CUDA = DEVICE.type == "cuda"
if CUDA and not torch.cuda.is_available():
    pytest.skip("there is no CUDA device", allow_module_level=True)

NODES = 300
GRAPH_LAYERS = {
    "gcn": lambda: GCNConv(12, 20),
    "mixed": lambda: MixedOrderConv(12, 20, order=3),
    "gat": lambda: GATConv(12, 20, heads=3),
    "gat, one head of 200": lambda: GATConv(12, 200),
    "gat, edge features": lambda: GATConv(12, 16, heads=2, edge_dim=4, residual=True),
    "gatv2": lambda: GATv2Conv(12, 20, heads=3),
    "gatv2, edge features": lambda: GATv2Conv(12, 5, heads=2, edge_dim=4, share_weights=True),
}
RECURRENT_LAYERS = {
    "rnn": lambda: RNN(6, 20, 2, bidirectional=True),
    "lstm": lambda: LSTM(6, 20, 2, bidirectional=True),
    "lstm, projected": lambda: LSTM(6, 20, proj_size=4),
    "lstm, normalised": lambda: LSTM(6, 20, layer_norm=True, zoneout=0.2).eval(),
    "gru": lambda: GRU(6, 20, 2, bidirectional=True),
    "gru, uva": lambda: GRU(6, 20, variant="uva"),
    "gru, normalised": lambda: GRU(6, 20, layer_norm=True),
    "gers": lambda: PeepholeLSTM(6, 20, 2, bidirectional=True),
    "gers, normalised": lambda: PeepholeLSTM(6, 200, layer_norm=True),
    "uva": lambda: PeepholeLSTM(6, 20, variant="uva", bidirectional=True),
}


def edges() -> Tensor:
    """A hub, duplicates, loops, and nodes without an edge."""
    edge_index = torch.randint(NODES - 20, (2, 4000), generator=torch.Generator().manual_seed(0))
    edge_index[1, :500] = 7
    return edge_index


def outcome(layer: nn.Module, *given: object) -> list[Tensor]:
    """The results of a call, and the gradients of all that requires one."""
    out = layer(*given)
    outs = [out] if isinstance(out, Tensor) else [out[0], *([out[1]] if isinstance(out[1], Tensor) else out[1])]
    leaves = [part for part in given if isinstance(part, Tensor) and part.requires_grad] + list(layer.parameters())
    grads = torch.autograd.grad([part.sin().sum() for part in outs], leaves, materialize_grads=True)
    return [part.detach() for part in (*outs, *grads)]


def moved(part: object, to: torch.dtype | torch.device) -> object:
    """A leaf of its own of another type or device."""
    if not isinstance(part, Tensor) or (isinstance(to, torch.dtype) and not part.is_floating_point()):
        return part
    return part.detach().to(to).requires_grad_(part.requires_grad)


def agrees(make, *given: object, path: object = nullcontext, **tolerance: float) -> None:
    """The same layer on the device in float32 and on the CPU in float64."""
    torch.manual_seed(1)
    layer = make()
    theirs = make().double()
    theirs.load_state_dict(layer.state_dict())
    doubles, here = ([moved(part, *to) for part in given] for to in ((torch.float64,), (DEVICE,)))
    layer.to(DEVICE)
    expected = outcome(theirs, *doubles)
    tolerance = tolerance or {"rtol": 1e-3, "atol": 1e-3}
    for _ in range(3):  # the second and third time from what is remembered
        with path():
            found = [part.cpu() for part in outcome(layer, *here)]
        torch.testing.assert_close(found, expected, check_dtype=False, **tolerance)


def features(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(2)).requires_grad_()


@pytest.fixture(autouse=True)
def _no_warning_is_news():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*Sparse .* tensor support is in beta.*")
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message=".*with projections is not supported with oneDNN.*")
        yield


@pytest.mark.skipif(not CUDA, reason="of a GPU")
@pytest.mark.parametrize("guard", [ATTENTION, PRODUCT, STEP], ids=lambda guard: guard.name)
def test_the_guards_let_the_kernels_pass(guard):
    assert guard.passes(torch.device("cuda", torch.cuda.current_device()))
    assert GRAPHS.works


@pytest.mark.parametrize("path", ["csr", "messages"])
@pytest.mark.parametrize("name", GRAPH_LAYERS)
def test_graph_layers(name, path):
    given = [features(NODES, 12), edges(), *([features(4000, 4)] if "features" in name else [])]
    agrees(GRAPH_LAYERS[name], *given, path=lambda: use_path(path))


@pytest.mark.parametrize("name", ["gcn", "gat", "gatv2"])
def test_leading_dimensions(name):
    agrees(GRAPH_LAYERS[name], features(2, NODES, 12), edges(), path=lambda: use_path("csr"))


@pytest.mark.parametrize("learned", [False, True])
def test_edge_weights(learned):
    weight = features(4000).detach().abs().requires_grad_(learned)
    agrees(GRAPH_LAYERS["gcn"], features(NODES, 12), edges(), weight, path=lambda: use_path("csr"))


@pytest.mark.parametrize("name", ["gcn", "gat", "gatv2"])
@pytest.mark.parametrize("ends", [torch.empty(2, 0, dtype=torch.long), torch.tensor([[0], [0]])], ids=["none", "one"])
def test_hardly_any_edges(name, ends):
    agrees(GRAPH_LAYERS[name], features(3, 12), ends, path=lambda: use_path("csr"))


def run_names(monkeypatch, module) -> list[str]:
    found: list[str] = []
    launch = module._launch

    def launched(name: str, *args: object) -> None:
        found.append(name)
        launch(name, *args)

    monkeypatch.setattr(module, "_launch", launched)
    return found


@pytest.mark.skipif(not CUDA, reason="of a GPU")
@pytest.mark.parametrize("name", ["gat", "gatv2"])
def test_a_large_graph_takes_the_kernels(name, monkeypatch):
    names = run_names(monkeypatch, fused_attention)
    layer, x = GRAPH_LAYERS[name]().to(DEVICE), features(20_000, 12).detach().to(DEVICE).requires_grad_()
    edge_index = torch.randint(20_000, (2, 100_000), device=DEVICE)
    layer(x, edge_index).sum().backward()
    assert names == ["forward", "backward_by_target", "backward_by_source"]


@pytest.mark.parametrize("name", ["gat", "gatv2"])
def test_dropout_and_weights_of_attention(name):
    layer, x, edge_index = GRAPH_LAYERS[name]().to(DEVICE), features(NODES, 12).to(DEVICE), edges().to(DEVICE)
    with use_path("csr"):
        out, (looped, alpha) = layer(x, edge_index, return_attention_weights=True)
        torch.testing.assert_close(layer(x, edge_index), out, rtol=1e-3, atol=1e-3)
        sums = torch.zeros(NODES, 3, device=DEVICE).index_add(0, looped[1], alpha)
        torch.testing.assert_close(sums, torch.ones_like(sums), rtol=1e-3, atol=1e-3)
        layer.dropout = 0.5
        assert not torch.equal(layer(x, edge_index), layer(x, edge_index))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["gcn", "gat", "gatv2"])
def test_half_precision(name, dtype):
    torch.manual_seed(0)
    layer, x, edge_index = GRAPH_LAYERS[name]().to(DEVICE), features(NODES, 12).to(DEVICE), edges().to(DEVICE)
    with use_path("csr"):
        expected = layer(x, edge_index)
        torch.testing.assert_close(layer.to(dtype)(x.to(dtype), edge_index).float(), expected, rtol=0.1, atol=0.1)


@pytest.mark.skipif(not CUDA, reason="of a GPU")
@pytest.mark.parametrize("name", ["gcn", "gat", "gatv2", "lstm", "gers"])
def test_autocast_streams_and_captured_graphs(name):
    torch.manual_seed(0)
    if name in GRAPH_LAYERS:
        layer, given = GRAPH_LAYERS[name]().to(DEVICE), (features(NODES, 12).to(DEVICE), edges().to(DEVICE))
    else:
        layer, given = RECURRENT_LAYERS[name]().to(DEVICE), (features(9, 4, 6).to(DEVICE),)
    expected = outcome(layer, *given)
    with torch.autocast("cuda", dtype=torch.bfloat16):
        half = layer(*given)
    half = half if isinstance(half, Tensor) else half[0]
    torch.testing.assert_close(half.float(), expected[0], rtol=0.1, atol=0.1)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        other = outcome(layer, *given)
    torch.cuda.current_stream().wait_stream(stream)
    torch.testing.assert_close(other, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.skipif(not CUDA, reason="of a GPU")
def test_the_users_own_cuda_graph():
    layer, x = PeepholeLSTM(6, 20).to(DEVICE), features(9, 4, 6).detach().to(DEVICE)
    with torch.no_grad():
        expected = layer(x)[0]
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            out = layer(x)[0]
        graph.replay()
    torch.testing.assert_close(out, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.skipif(not CUDA or torch.cuda.device_count() < 2, reason="of two GPUs")
@pytest.mark.parametrize("name", ["gcn", "gat", "gatv2"])
def test_a_device_that_is_not_the_current_one(name):
    torch.manual_seed(0)
    layer, x, edge_index = GRAPH_LAYERS[name](), features(NODES, 12), edges()
    with use_path("csr"):
        first = outcome(layer.to("cuda:0"), x.to("cuda:0"), edge_index.to("cuda:0"))
        second = outcome(layer.to("cuda:1"), x.to("cuda:1"), edge_index.to("cuda:1"))
    torch.testing.assert_close([part.cpu() for part in first], [part.cpu() for part in second], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", [GCNConv, GATv2Conv, LSTM, PeepholeLSTM], ids=lambda kind: kind.__name__)
def test_compiled(kind):
    torch.manual_seed(0)
    torch._dynamo.reset()
    recurrent = kind in (LSTM, PeepholeLSTM)
    layer = kind(12, 8).to(DEVICE)
    given = (features(9, 4, 12).to(DEVICE),) if recurrent else (features(NODES, 12).to(DEVICE), edges().to(DEVICE))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiled = outcome(torch.compile(layer), *given)
    torch.testing.assert_close(compiled, outcome(layer, *given), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", RECURRENT_LAYERS)
def test_recurrent_layers(name):
    agrees(RECURRENT_LAYERS[name], features(9, 4, 6))


@pytest.mark.parametrize("name", RECURRENT_LAYERS)
@pytest.mark.parametrize("side", ["left", "right"])
def test_lengths(name, side):
    agrees(RECURRENT_LAYERS[name], features(9, 4, 6), None, [9, 2, 5, 5], side)


@pytest.mark.parametrize("name", ["lstm", "gru", "gers"])
def test_packed_sequences(name):
    layer, x = RECURRENT_LAYERS[name]().to(DEVICE), features(9, 4, 6).to(DEVICE)
    packed = pack_padded_sequence(x, torch.tensor([9, 2, 5, 5]), enforce_sorted=False)
    found, final = layer(packed)
    with scan_path("plain"):
        expected, last = layer(packed)
    torch.testing.assert_close((found.data, final), (expected.data, last), rtol=1e-3, atol=1e-3)


@pytest.mark.skipif(not CUDA, reason="of a GPU")
def test_a_plain_layer_keeps_its_parameters_side_by_side_and_drops_between_layers():
    layer, x = LSTM(6, 20, 2, dropout=0.5).to(DEVICE), features(9, 4, 6).to(DEVICE)
    addresses = {parameter.untyped_storage().data_ptr() for parameter in layer.parameters()}
    assert len(addresses) == 1
    assert not torch.equal(layer(x)[0], layer(x)[0])
    outcome(layer.eval(), x)  # torch.nn's raises in its backward pass


@pytest.mark.skipif(not CUDA, reason="of a GPU")
def test_a_peephole_layer_takes_its_kernels(monkeypatch):
    STEP.passes(DEVICE)
    names = run_names(monkeypatch, gpu_scan)
    outcome(PeepholeLSTM(6, 33).to(DEVICE), features(7, 4, 6).to(DEVICE))
    assert names == ["forward"] * 7 + ["backward"] * 7
