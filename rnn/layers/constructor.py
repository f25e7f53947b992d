"""Constructors that name only what a layer adds to those of its base, and still show every argument."""

import inspect


def whole_signature(cls: type) -> inspect.Signature:
    """The signature of a class whose __init__ takes `*args` and `**options` for its base: with the base's arguments."""
    own = list(inspect.signature(cls.__init__).parameters.values())[1:]  # type: ignore[misc]
    kinds = {parameter.kind for parameter in own}
    if inspect.Parameter.VAR_KEYWORD not in kinds:
        return inspect.Signature(own)
    names = {parameter.name for parameter in own}
    base = [p for p in inspect.signature(cls.__mro__[1]).parameters.values() if p.name not in names]
    by_kind = [
        [p for p in part if p.kind is kind]
        for kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        for part in (own, base)
    ]
    return inspect.Signature([p for part in by_kind for p in part])
