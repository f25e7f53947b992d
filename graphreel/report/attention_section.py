"""Q3.3: attention on the six nodes: its formula, its weights, and how they differ from a convolution's."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from graphreel.data import load
from graphreel.experiments.graph_settings import GnnSettings
from graphreel.experiments.graph_tasks import build_model
from graphreel.experiments.graphs import resume_training, start_training
from graphreel.gnn import GATConv, attention_weights, dense_gat, normalized_adjacency
from graphreel.inspect.graph_attention import draw as draw_attention
from graphreel.report.answer import Answer, Finding, Table, Text
from graphreel.report.section import Equation, Section
from graphreel.report.wording import power
from graphreel.report.workspace import Workspace
from graphreel.training.run_folder import RunFolder
from graphreel.training.summary import percent

NODE = "A"


@dataclass(frozen=True)
class Sizes:
    """Seeds of the GAT."""

    seeds: int = 10


def run(sizes: Sizes, workspace: Workspace) -> Answer:
    graph = load("six-node")
    settings = GnnSettings.resolve("six-node", {"model": "gat", "seeds": sizes.seeds})
    trained = workspace.trainings.train("six-node-gat", settings, start_training, resume_training)
    metrics = trained.metrics()
    drawn = draw_attention(trained.path, NODE, 1, 0, workspace.folder / "attention.png")
    rows, total = _weights_into(trained, settings, graph)
    checked = _against_formula(graph.edge_index)
    accuracy = percent(metrics["test_accuracy"])
    heard = {name: row["attention"] for name, row in rows.items()}
    most, least = max(heard, key=lambda name: heard[name]), min(heard, key=lambda name: heard[name])
    return Answer(
        "completed",
        "The sum is right; what is missing is where the weights come from: a softmax over the neighbourhood of $i$, "
        f"which makes the weights sum to 1 (here within {power(total)}) and lets them depend on the features.",
        [
            Finding(
                "a",
                "completed",
                f"In the trained network {NODE} listens most to {_itself(most)} ({heard[most]:.2f}) and least to "
                f"{_itself(least)} "
                f"({heard[least]:.2f}). A convolution would weigh its neighbours by their degrees alone. Other "
                f"features at one neighbour move the attention of a layer by {checked['moved']:.2f}, and a "
                "convolution's weights by 0.",
            )
        ],
        [
            workspace.picture(
                "attention",
                drawn[0],
                f"The six nodes with the attention into {NODE} as the width and colour of the edges, for every head "
                "and averaged, and the whole matrix of attention weights.",
                "The trained GAT's attention, and the matrix of all of it (rows listen, columns are heard).",
                wide=True,
            ),
            Table(
                f"Who is heard by {NODE} in the first layer: attention (mean over heads) beside a convolution's fixed "
                "weights",
                ["neighbour", "attention $\\alpha$", "$1 / \\sqrt{\\tilde d_i \\tilde d_j}$"],
                [[name, f"{row['attention']:.3f}", f"{row['convolution']:.3f}"] for name, row in rows.items()],
            ),
            Text(
                f"Layer and formula differ by at most {power(checked['difference'])} in float64, gradients included. "
                f"The GAT names the circle of the hubs A and D with {accuracy} accuracy over {sizes.seeds} seeds."
            ),
        ],
        {
            "into": NODE,
            "weights": rows,
            "gap_of_sums_to_1": total,
            **checked,
            "test_accuracy": metrics["test_accuracy"],
        },
        {
            f"graphreel gnn train --data six-node --model gat --seeds {sizes.seeds} --out RUN": f"Prints {accuracy}:",
            f"graphreel gnn attention RUN --node {NODE}": "Draws the picture, and writes its numbers beside it:",
        },
    )


def _itself(name: str) -> str:
    return "itself" if name == NODE else name


def _weights_into(trained: RunFolder, settings: GnnSettings, graph: Any) -> tuple[dict[str, dict[str, float]], float]:
    """Per neighbour of NODE its attention in the first layer and a convolution's weight; how far any sum is from 1."""
    model = build_model(settings, graph.x.size(-1), len(graph.class_names), None, None)
    model.load_state_dict(trained.load_checkpoint()["model"])
    layers = attention_weights(model, graph)
    gaps = [
        torch.zeros(graph.num_nodes, alpha.size(1)).index_add(0, edges[1], alpha).sub(1).abs().max().item()
        for edges, alpha in layers
    ]
    edges, alpha = layers[0]
    names: list[str] = graph.node_names
    node = names.index(NODE)
    smoothed = normalized_adjacency(graph.edge_index, num_nodes=graph.num_nodes)
    rows = {
        names[source]: {"attention": weight, "convolution": smoothed[node, source].item()}
        for source, target, weight in zip(*edges.tolist(), alpha.mean(1).tolist(), strict=True)
        if target == node
    }
    return dict(sorted(rows.items())), max(gaps)


def _against_formula(edge_index: Tensor) -> dict[str, float]:
    """GATConv minus its formula in float64, and by how much attention moves when a neighbour's features change."""
    generator = torch.Generator().manual_seed(0)
    conv = GATConv(4, 3, heads=2).double()
    with torch.no_grad():
        for parameter in conv.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    x = torch.randn(6, 4, generator=generator, dtype=torch.float64).requires_grad_()
    adjacency = torch.eye(6, dtype=torch.float64)
    adjacency[edge_index[1], edge_index[0]] = 1
    out = conv(x, edge_index)
    formula = dense_gat(x, adjacency, conv.lin.weight, conv.att_src, conv.att_dst, conv.bias)
    ahead = torch.randn(out.shape, generator=generator, dtype=torch.float64)
    leaves = [x, *conv.parameters()]
    pairs = list(zip(torch.autograd.grad(out, leaves, ahead), torch.autograd.grad(formula, leaves, ahead), strict=True))
    other = x.detach().clone()
    other[1] += 1
    with torch.no_grad():
        before, after = (conv(given, edge_index, return_attention_weights=True)[1][1] for given in (x, other))
    return {
        "difference": max((a - b).abs().max().item() for a, b in [(out, formula), *pairs]),
        "moved": (after - before).abs().max().item(),
    }


SECTION = Section(
    id="Q3.3",
    title="Attention between neighbours",
    question="How can a node weigh its neighbours by what they have to say, rather than by their number of friends?",
    equations=(
        Equation(
            r"e_{ij} = \operatorname{LeakyReLU}_{0.2}(a_{src}^\top W h_j + a_{dst}^\top W h_i)",
            "A score for every edge, from both of its ends:",
        ),
        Equation(
            r"\alpha_{ij} = \frac{\exp(e_{ij})}{\sum_{k \in N(i) \cup \{i\}} \exp(e_{ik})}",
            "Normalised over the neighbourhood of the node that listens:",
        ),
        Equation(
            r"h_i' = \sigma\left( \sum\limits_{j \in N(i) \cup \{i\}} \alpha_{ij} W h_j \right)",
            "And summed up; several heads side by side, averaged in the last layer:",
        ),
    ),
    claims={"a": r"$h_i' = \sigma(\sum_j \alpha_{ij} W h_j)$: neighbours weigh by their actual values."},
    run=run,
    sizes={"quick": Sizes(), "full": Sizes(100)},
    expected={"quick": 6, "full": 90},
)
