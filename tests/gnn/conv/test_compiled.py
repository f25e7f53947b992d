"""The layers under torch.compile, torch.export and ONNX: as one operator, with the eager numbers and gradients."""

import copy

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend

from graphreel.gnn import GATConv, GATv2Conv, GCNConv
from graphreel.gnn.conv import gat_conv, gatv2_conv, gcn_conv

OPERATORS = {"gcn": gcn_conv._sum_neighbors, "gat": gat_conv._gat, "gatv2": gatv2_conv._gatv2}


def graph(num_edges, num_nodes=50, seed=0):
    """With loops, duplicates and an isolated node; so many edges that they are worth sorting."""
    generator = torch.Generator().manual_seed(seed)
    edge_index = torch.randint(num_nodes - 1, (2, num_edges), generator=generator)
    return torch.randn(num_nodes, 6, generator=generator, dtype=torch.float64), edge_index, generator


def layer(name):
    if name == "gcn":
        return GCNConv(6, 8).double()
    kind = {"gat": GATConv, "gatv2": GATv2Conv}[name]
    made = kind(6, 4, heads=2, edge_dim=3).double()
    made._worth_sorting = (0, 0)
    return made


def extra(name, num_edges, generator):
    shape = (num_edges,) if name == "gcn" else (num_edges, 3)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def results(call, module, *inputs):
    leaves = [t.detach().requires_grad_() if t.is_floating_point() else t for t in inputs]
    out = call(*leaves)
    wanted = [*(t for t in leaves if t.requires_grad), *module.parameters()]
    grads = torch.autograd.grad(out, wanted, out.detach().cos(), allow_unused=True)
    return [out, *(grad for grad in grads if grad is not None)]


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("weighted", [pytest.param(False, marks=pytest.mark.slow), True])
def test_compiled_equals_eager_for_graphs_of_any_size(name, weighted):
    torch._dynamo.reset()
    module = layer(name)
    backend = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend=backend)
    for num_edges, num_nodes in ((9000, 50), (9500, 61), (12000, 90)):
        x, edge_index, generator = graph(num_edges, num_nodes)
        inputs = (x, edge_index, extra(name, num_edges, generator))[: 3 if weighted else 2]
        torch.testing.assert_close(results(compiled, module, *inputs), results(module, module, *inputs))
    graphs = [graph for graph in backend.graphs if any(name in str(node.target) for node in graph.graph.nodes)]
    assert len(graphs) == 1


@pytest.mark.parametrize("name", OPERATORS)
def test_compiled_equals_eager_on_a_small_graph_with_loops(name, everything):
    torch._dynamo.reset()
    module, generator = layer(name), torch.Generator().manual_seed(0)
    x = torch.randn(everything.num_nodes, 6, generator=generator, dtype=torch.float64)
    inputs = x, everything.edge_index, extra(name, everything.edge_index.size(1), generator)
    torch.testing.assert_close(torch.compile(module, backend="eager")(*inputs), module(*inputs))


@pytest.mark.parametrize("name", OPERATORS)
def test_a_write_to_the_graph_is_seen(name):
    torch._dynamo.reset()
    module, (x, edge_index, _) = layer(name), graph(9000)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    compiled(x, edge_index)
    edge_index[1] = (edge_index[1] + 1) % 49
    torch.testing.assert_close(compiled(x, edge_index), module(x, edge_index))


@pytest.mark.parametrize("kind", [GATConv, GATv2Conv])
def test_dropout_of_a_compiled_layer_and_its_gradient_are_of_one_draw(kind):
    torch._dynamo.reset()
    x, edge_index, _ = graph(9000)
    module = kind(6, 4, heads=2, dropout=0.5).double()
    module._worth_sorting = (0, 0)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")

    def run(x):
        torch.manual_seed(3)
        return compiled(x, edge_index)

    assert not torch.equal(compiled(x, edge_index), compiled(x, edge_index))
    x = x.requires_grad_()
    (grad,) = torch.autograd.grad(run(x).sum(), x)
    step = torch.randn_like(x) * 1e-6
    with torch.no_grad():
        change = (run(x + step) - run(x - step)).sum() / 2
    torch.testing.assert_close(change, (grad * step).sum(), rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_keep_the_rules_of_torch(name):
    _, edge_index, generator = graph(40, 9)
    h = torch.randn(9, 2, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    features = extra(name, 40, generator).requires_grad_()
    att = torch.randn(2, 4, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    on_edge = torch.randn({"gat": 2, "gatv2": 8}.get(name, 1), 3, dtype=torch.float64).requires_grad_()
    arguments = {
        "gcn": (h, edge_index, features, True, True, 1.0, "source_to_target"),
        "gat": (h, None, edge_index, features, att, on_edge, True, "mean", 0.2, 0.5, torch.tensor(1)),
        "gatv2": (h, h.detach(), edge_index, features, att.detach()[..., 0], on_edge, True, "1.0", 0.2, 0.0, None),
    }[name]
    if name == "gcn":
        arguments = (h[0].detach().requires_grad_(), edge_index % 2, *arguments[2:])
    flat = [place for place, part in enumerate(arguments) if isinstance(part, torch.Tensor) and part.requires_grad]
    torch.library.opcheck(getattr(torch.ops.graphreel, name).default, (*arguments, flat))


@pytest.mark.parametrize("name", OPERATORS)
def test_an_exported_layer_takes_other_graphs(name, tmp_path):
    module, (x, edge_index, _) = layer(name).eval(), graph(40)
    nodes, edges = torch.export.Dim("nodes", min=2), torch.export.Dim("edges", min=2)
    program = torch.export.export(module, (x, edge_index), dynamic_shapes=({0: nodes}, {1: edges}))
    torch.export.save(program, tmp_path / "layer.pt2")
    loaded = torch.export.load(tmp_path / "layer.pt2").module()
    for num_edges, num_nodes in ((40, 50), (9, 7)):
        x, edge_index, _ = graph(num_edges, num_nodes, seed=1)
        torch.testing.assert_close(loaded(x, edge_index), module(x, edge_index))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the exporter itself
@pytest.mark.parametrize("name", OPERATORS)
def test_onnx_passes_messages(name):
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    module, (x, edge_index, _) = copy.deepcopy(layer(name)).float().eval(), graph(40)
    nodes, edges = torch.export.Dim("nodes", min=2), torch.export.Dim("edges", min=2)
    shapes = ({0: nodes}, {1: edges})
    program = torch.onnx.export(module, (x.float(), edge_index), dynamo=True, dynamic_shapes=shapes, verbose=False)
    session = runtime.InferenceSession(program.model_proto.SerializeToString())
    for num_edges, num_nodes in ((40, 50), (90, 7)):
        x, edge_index, _ = graph(num_edges, num_nodes, seed=1)
        names = [given.name for given in session.get_inputs()]
        (out,) = session.run(None, dict(zip(names, (x.float().numpy(), edge_index.numpy()), strict=True)))
        torch.testing.assert_close(torch.from_numpy(out), module(x.float(), edge_index), rtol=1e-4, atol=1e-5)
