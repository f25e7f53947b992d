"""Names that came from a file, as text in a picture."""


def plain(name: object) -> str:
    """``str(name)`` for Matplotlib to draw as it stands: a dollar sign would begin a formula."""
    return str(name).replace("$", r"\$")


def legend_entry(name: object) -> str:
    """The same in a legend, which leaves out what begins with an underscore."""
    return f"\u200b{plain(name)}" if str(name).startswith("_") else plain(name)
