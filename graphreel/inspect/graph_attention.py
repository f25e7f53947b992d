"""`graphreel gnn attention`: a trained GAT's weights, drawn."""

from pathlib import Path

from graphreel.data.registry import load_to_train
from graphreel.experiments.graph_model import prepare_graph
from graphreel.gnn import attention_page, write_attention
from graphreel.inspect.load_run import load_run
from graphreel.training.run_folder import RunFolder


def draw(path: Path, node: str | None, hops: int, graph_index: int, out: Path | None, page: bool = False) -> list[Path]:
    """Draw the attention of the run in `path`; return the files written.

    Args:
        graph_index: which graph, where the run was trained on a set of graphs.
        page: a page to walk through instead of pictures.

    Raises:
        ValueError: the run holds no attention, or the node is unknown.
    """
    if RunFolder.open(path, "gnn").config().get("model") == "gcn":
        raise ValueError(f"{path} holds a gcn, which has no attention: train with --model gat or gatv2")
    trained = load_run(path, "gnn")
    source = load_to_train(trained.settings.data)
    if trained.entries["pool"] is not None:
        if not 0 <= graph_index < len(source):
            raise ValueError(f"--graph expects 0 to {len(source) - 1}, got {graph_index}")
        source = source[graph_index]
    graph = prepare_graph(source, trained.settings, "cpu")
    if page:
        title = f"Attention of {trained.folder.path.name}, on {Path(trained.settings.data).name}"
        made = attention_page(trained.model, graph, node, title)
        return made.write(out or trained.folder.path / "attention.html")
    model = getattr(trained.model, "networks", [trained.model])[0]  # of several, the first
    return write_attention(model, graph, node, hops, out or trained.folder.path / "attention.png")
