"""Names of a stack's parameters, as torch.nn has them."""

from functools import lru_cache


def full_name(name: str, layer: int, direction: int) -> str:
    """With the suffix of its layer and direction."""
    return f"{name}_l{layer}{'_reverse' if direction else ''}"


@lru_cache(maxsize=64)
def plain_names(bias: bool, projected: bool, layers: int, directions: int) -> tuple[str, ...]:
    """Parameters in the order in which torch's operators take them."""
    parts = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")[: 4 if bias else 2] + ("weight_hr",) * projected
    places = [(layer, direction) for layer in range(layers) for direction in range(directions)]
    return tuple(full_name(name, *place) for place in places for name in parts)
