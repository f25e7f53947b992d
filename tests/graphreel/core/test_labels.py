"""Names as text in a picture."""

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from graphreel.core.labels import legend_entry, plain


@pytest.mark.parametrize("name", ["cost $5", r"$\frac$", "_hidden", "a$b$c", r"\$x$", "$", "$$", "plain", "2 < 3 & 4"])
def test_a_name_is_drawn_as_it_stands(name):
    figure = Figure()
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.plot([0, 1], label=legend_entry(name))
    axes.legend()
    axes.set_title(plain(name))
    figure.canvas.draw()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [legend_entry(name)]
    shown, is_formula = axes.title._preprocess_math(axes.title.get_text())
    assert (shown, is_formula) == (name, False)
