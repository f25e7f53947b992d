"""All pictures of a model's attention on a graph, with their numbers."""

from pathlib import Path

from torch import nn
from torch_geometric.data import Data

from .attention_summary import draw_summary
from .attention_weights import attention_weights
from .plot_attention import draw_attention

_SMALL = 12


def write_attention(
    model: nn.Module, data: Data, node: str | int | None = None, hops: int = 1, path: str | Path = "attention.png"
) -> list[Path]:
    """Write the pictures of a model's attention, and beside each its numbers as .json.

    ``path`` shows the first attention layer (:func:`graphreel.gnn.draw_attention`), ``NAME-layer2.png`` and so on
    the others, and in a graph of more than 12 nodes ``NAME-summary.png`` all weights at once
    (:func:`graphreel.gnn.draw_summary`).

    Args:
        model: As in :func:`graphreel.gnn.explain.attention_weights`.
        node: Name or index of the node in the middle.
        path: Where to write the first picture.

    Returns:
        The files written.

    Raises:
        ValueError: If there is no such node, hops is not positive, or the model has no attention.
    """
    path = Path(path)
    if path.suffix == "":
        path = path.with_suffix(".png")
    written = []
    for layer in range(len(attention_weights(model, data))):
        picture = path if layer == 0 else path.with_stem(f"{path.stem}-layer{layer + 1}")
        draw_attention(model, data, node, hops, picture, layer)
        written += [picture, picture.with_suffix(".json")]
    if int(data.num_nodes or 0) > _SMALL:
        picture = path.with_stem(f"{path.stem}-summary")
        draw_summary(model, data, picture)
        written += [picture, picture.with_suffix(".json")]
    return written
