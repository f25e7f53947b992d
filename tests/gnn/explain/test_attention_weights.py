"""Attention weights, and the pictures and numbers made of them."""

import json

import pytest
import torch
import torch_geometric.nn as pyg
from torch_geometric.data import Data

from graphreel.gnn import GAT, GCN, GATConv, GATv2Conv, attention_weights, draw_attention, draw_summary, write_attention
from graphreel.gnn.explain.attention_summary import attention_entropy
from graphreel.gnn.explain.class_colors import class_colors

EDGES = [(0, 1), (0, 4), (0, 5), (1, 3), (2, 3), (3, 5)]


@pytest.fixture
def six() -> Data:
    one_way = torch.tensor(EDGES).t()
    return Data(
        x=torch.eye(6),
        edge_index=torch.cat([one_way, one_way.flip(0)], 1),
        y=torch.tensor([0, 0, 1, 1, 0, 1]),
        node_names=list("ABCDEF"),
        class_names=["left", "right"],
    )


MODELS = {
    "GAT": lambda: GAT(6, 16, 2, 2, heads=4, dropout=0.5),
    "GATv2": lambda: GAT(6, 16, 2, 2, heads=4, v2=True),
    "one layer": lambda: GATConv(6, 3, heads=2),
    "one layer v2": lambda: GATv2Conv(6, 3, heads=2, concat=False),
    "PyG's model": lambda: pyg.GAT(6, 16, 2, 2, heads=4),
    "PyG's layer": lambda: pyg.GATConv(6, 3, heads=2),
}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())
def test_weights_sum_to_one_per_target_and_head(make, six):
    model = make()
    before = [module.training for module in model.modules()]
    weights = attention_weights(model, six)
    assert len(weights) == sum(hasattr(module, "negative_slope") for module in model.modules())
    listed = {(s, t) for s, t in six.edge_index.t().tolist()} | {(node, node) for node in range(6)}
    for edge_index, alpha in weights:
        assert {(s, t) for s, t in edge_index.t().tolist()} == listed
        sums = torch.zeros(6, alpha.size(1)).index_add(0, edge_index[1], alpha)
        torch.testing.assert_close(sums, torch.ones_like(sums))
    assert [module.training for module in model.modules()] == before
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules() if module is model)


def test_weights_are_those_that_the_layer_sums_with(six):
    layer = GATConv(6, 3, heads=2, bias=False)
    ((edge_index, alpha),) = attention_weights(layer, six)
    h = layer.lin(six.x).view(6, 2, 3)
    out = torch.zeros(6, 2, 3).index_add(0, edge_index[1], alpha.unsqueeze(-1) * h[edge_index[0]])
    torch.testing.assert_close(out.flatten(1), layer(six.x, six.edge_index))


def test_weights_with_edge_features(six):
    model = GAT(6, 8, 2, 2, heads=2, edge_dim=1)
    with pytest.raises(ValueError, match="data must have an edge_attr"):
        attention_weights(model, six)
    six.edge_attr = torch.linspace(0, 1, 12).view(-1, 1)
    assert [tuple(alpha.shape) for _, alpha in attention_weights(model, six)] == [(18, 2), (18, 1)]


def test_a_model_without_attention_is_refused(six):
    with pytest.raises(ValueError, match=r"model must have an attention layer .* but GCN has none"):
        attention_weights(GCN(6, 4, 2, 2), six)


def sums(numbers: list[dict]) -> dict[tuple[str, int], float]:
    total: dict[tuple[str, int], float] = {}
    for entry in numbers:
        key = entry["target"], entry["head"]
        total[key] = total.get(key, 0.0) + entry["weight"]
    return total


def test_the_six_nodes_are_drawn_as_a_whole(six, tmp_path):
    model = GAT(6, 16, 2, 2, heads=4)
    files = write_attention(model, six, None, 1, tmp_path / "attention.png")
    names = ["attention.json", "attention.png", "attention-layer2.json", "attention-layer2.png"]
    assert sorted(file.name for file in files) == sorted(names) == sorted(file.name for file in tmp_path.iterdir())
    for file in files:
        if file.suffix == ".png":
            assert file.read_bytes().startswith(b"\x89PNG")
    numbers = json.loads((tmp_path / "attention.json").read_text())
    assert sums(numbers) == pytest.approx({(node, head): 1.0 for node in "ABCDEF" for head in range(4)})
    ((edge_index, alpha), _) = attention_weights(model, six)
    expected = {
        ("ABCDEF"[s], "ABCDEF"[t], head): weight
        for (s, t), row in zip(edge_index.t().tolist(), alpha.tolist(), strict=True)
        for head, weight in enumerate(row)
    }
    assert {(n["source"], n["target"], n["head"]): n["weight"] for n in numbers} == pytest.approx(expected)


def path_graph(num_nodes: int) -> Data:
    forth = torch.stack([torch.arange(num_nodes - 1), torch.arange(1, num_nodes)])
    return Data(x=torch.eye(num_nodes), edge_index=torch.cat([forth, forth.flip(0)], 1))


@pytest.mark.parametrize(("hops", "targets"), [(1, {"10"}), (2, {"9", "10", "11"})])
def test_of_a_larger_graph_the_neighbourhood_is_drawn(hops, targets):
    data = path_graph(20)
    figure, numbers = draw_attention(GAT(20, 8, 2, 3, heads=2), data, 10, hops)
    assert {target for target, _ in sums(numbers)} == targets
    assert sums(numbers) == pytest.approx({(target, head): 1.0 for target in targets for head in range(2)})
    titles = [axes.get_title() for part in figure.subfigs for axes in part.axes]
    assert "Attention around 10, layer 1 of 2, mean of the heads" in titles
    assert {"head 0", "head 1"} <= set(titles)


def test_of_many_neighbours_the_strongest_are_drawn_and_all_are_written():
    leaves = 60
    edge_index = torch.stack([torch.arange(1, leaves + 1), torch.zeros(leaves, dtype=torch.long)])
    data = Data(x=torch.randn(leaves + 1, 3), edge_index=edge_index)
    figure, numbers = draw_attention(GATConv(3, 2), data, 0)
    assert len(numbers) == leaves + 1
    assert any("(41 of 61 nodes)" in axes.get_title() for axes in figure.axes)


def test_unknown_nodes_layers_and_hops_are_refused(six, tmp_path):
    model = GATConv(6, 2)
    with pytest.raises(ValueError, match="the graph has no node 'Z': its nodes are A, B, C, D, E, F"):
        write_attention(model, six, "Z", 1, tmp_path / "a.png")
    with pytest.raises(ValueError, match="hops must be at least 1, but is 0"):
        write_attention(model, six, "A", 0, tmp_path / "a.png")
    with pytest.raises(ValueError, match="layer must be one of the model's 1 attention layers, but is 3"):
        draw_attention(model, six, layer=3)
    assert not list(tmp_path.iterdir())


def test_entropy_of_equal_weights_is_the_logarithm_of_their_number():
    edge_index = torch.tensor([[0, 1, 2, 3, 0], [0, 0, 0, 0, 1]])
    entropy, uniform = attention_entropy(edge_index, torch.tensor([[0.25], [0.25], [0.25], [0.25], [1.0]]), 3)
    torch.testing.assert_close(entropy.flatten(), torch.tensor([4.0, 1.0, 1.0]).log())
    torch.testing.assert_close(uniform, torch.tensor([4.0, 1.0, 1.0]).log())


def test_the_summary_counts_every_target(tmp_path):
    data = path_graph(20)
    data.y = torch.arange(20) % 3
    _, numbers = draw_summary(GAT(20, 8, 2, 3, heads=2), data, tmp_path / "summary.png")
    assert json.loads((tmp_path / "summary.json").read_text()) == numbers
    assert len(numbers["embedding"]) == 20
    for entry in numbers["entropy"]:
        assert max(entry["entropy"]) <= entry["uniform"] + 1e-5
    assert [entry["class"] for entry in numbers["embedding"]] == data.y.tolist()


class AsksItself(torch.nn.Module):
    def __init__(self, conv: torch.nn.Module, how: tuple[object, ...] | None) -> None:
        super().__init__()
        self.conv, self.how = conv, how

    def forward(self, x, edge_index):
        if self.how is None:
            out, (_, alpha) = self.conv(x, edge_index, return_attention_weights=True)
        else:
            out, (_, alpha) = self.conv(x, edge_index, *self.how)
        return self.conv(x, edge_index) + out * alpha.mean()


@pytest.mark.parametrize("kind", [GATConv, GATv2Conv, pyg.GATConv, pyg.GATv2Conv])
@pytest.mark.parametrize("by_position", [False, True])
def test_a_model_that_asks_for_weights_itself_gets_them(six, kind, by_position, tmp_path):
    how = ((None, True) if "v2" in kind.__name__ else (None, None, True)) if by_position else None
    model = AsksItself(kind(6, 2), how)
    before = model.eval()(six.x, six.edge_index)
    first, second = attention_weights(model, six)
    for ours, theirs in zip(first, second, strict=True):
        torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(model(six.x, six.edge_index), before)
    draw_attention(model, six, path=tmp_path / "attention.png")


NAMES = ["cost $5", r"$\frac$", "_hidden", "a$b$c", r"\$x", "plain"]


def test_names_that_are_no_formulas_are_drawn_as_they_stand(six, tmp_path):
    six.node_names, six.class_names, six.y = NAMES, NAMES, torch.arange(6)
    model = GAT(6, 8, 2, 6, heads=2)
    figure, numbers = draw_attention(model, six, NAMES[1], path=tmp_path / "attention.png")
    assert {entry["source"] for entry in numbers} == set(NAMES)
    figure.canvas.draw()
    legend = next(axes.get_legend() for part in figure.subfigs for axes in part.axes if axes.get_legend())
    assert len(legend.get_texts()) == 6
    figure, _ = draw_summary(model, six, tmp_path / "summary.png")
    assert len(figure.axes[-1].get_legend().get_texts()) == 6


def test_there_are_as_many_colours_as_classes(six):
    for count in (2, 8, 9, 14, 60):
        assert len(set(class_colors(count))) == count


def test_both_layers_are_described_alike(six):
    model = GAT(6, 8, 2, 2, heads=2)
    for layer, mean in enumerate(["mean of the heads", "one head"]):
        figure, _ = draw_attention(model, six, layer=layer)
        parts = figure.subfigs or [figure]
        titles = [axes.get_title() for part in parts for axes in part.axes]
        assert f"Attention, layer {layer + 1} of 2, {mean}" in titles
        assert f"α[target, source], {mean}" in titles


def test_a_node_with_a_name_is_also_known_by_its_index(six):
    by_name, by_index = (draw_attention(GATConv(6, 2), six, node)[0] for node in ("D", "3"))
    assert by_name.axes[0].get_title() == by_index.axes[0].get_title() == "Attention around D, layer 1 of 1, one head"
    with pytest.raises(ValueError, match="the graph has no node 6: its nodes are 0 to 5"):
        draw_attention(GATConv(6, 2), six, "6")
