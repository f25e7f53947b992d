"""`graphreel gnn attention`: a trained GAT's weights, drawn."""

from pathlib import Path

from graphreel.data.registry import load_to_train
from graphreel.experiments.graph_settings import GnnSettings
from graphreel.experiments.graph_tasks import build_model, edge_features, num_classes_of, prepare_graph
from graphreel.gnn import write_attention
from graphreel.training.run_folder import RunFolder


def draw(path: Path, node: str | None, hops: int, graph_index: int, out: Path | None) -> list[Path]:
    """Draw the attention of the run in `path`; return the files written.

    Args:
        graph_index: which graph, where the run was trained on a set of graphs.

    Raises:
        ValueError: the run holds no attention, or the node is unknown.
    """
    run = RunFolder.open(path, "gnn")
    settings = GnnSettings.from_dict(run.config())
    if settings.model == "gcn":
        raise ValueError(f"{path} holds a gcn, which has no attention: train with --model gat or gatv2")
    checkpoint = run.load_checkpoint()
    source = load_to_train(settings.data)
    is_set = hasattr(source, "folds")
    if is_set and not 0 <= graph_index < len(source):
        raise ValueError(f"--graph expects 0 to {len(source) - 1}, got {graph_index}")
    graph = prepare_graph(source[graph_index] if is_set else source, settings, "cpu")
    model = build_model(
        settings, graph.x.size(-1), num_classes_of(source), edge_features(graph, settings), "sum" if is_set else None
    )
    try:
        model.load_state_dict(checkpoint["model"])
    except (KeyError, RuntimeError, AttributeError, TypeError):
        raise ValueError(f"{run.checkpoint_path} does not fit the model of config.json") from None
    return write_attention(model, graph, node, hops, out or run.path / "attention.png")
