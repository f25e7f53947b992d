"""A figure that shows itself in a notebook, whichever backend matplotlib has there."""

import io

from matplotlib.figure import Figure


class Picture(Figure):
    """matplotlib's Figure, displayed as PNG where a notebook shows a cell's last expression."""

    def _repr_png_(self) -> bytes:
        content = io.BytesIO()
        self.savefig(content, format="png", dpi=100)
        return content.getvalue()
