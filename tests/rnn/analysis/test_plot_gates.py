import pytest
import torch

from graphreel.rnn.analysis.gates import gates
from graphreel.rnn.analysis.plot_gates import draw_gates, unit_order
from graphreel.rnn.models.char_lm import CharLM
from graphreel.rnn.models.sequence_classifier import SequenceClassifier


def test_units_are_ordered_by_when_they_are_strong():
    values = torch.zeros(6, 3)
    values[5, 0] = values[1, 1] = values[3, 2] = 1.0
    assert unit_order(values) == [1, 2, 0]


@pytest.mark.parametrize(("cell", "names"), [("lstm", "ifgoc"), ("peephole", "ifgoc"), ("gru", "rzn")])
def test_a_map_per_gate(cell, names):
    torch.manual_seed(0)
    model = SequenceClassifier(3, 4, 5, 2, cell)
    one = {name: gate[0] for name, gate in gates(model, torch.tensor([[2, 2, 0, 1, 1, 0]])).items()}
    figure = draw_gates(one, list("__0 $\n"))
    images = [axis.images[0] for axis in figure.axes if axis.images]
    assert len(images) == len(names)
    for image, name in zip(images, names, strict=True):
        wanted = one[name][:, unit_order(one[name])].T
        assert torch.tensor(image.get_array().data).equal(wanted)
    lowest = [axis for axis in figure.axes if axis.images][-1]
    assert [tick.get_text() for tick in lowest.get_xticklabels()] == ["_", "_", "0", "␣", r"\$", "⏎"]
    assert lowest.get_xlabel() == "input symbol at each step"


def test_chosen_gates_and_units():
    figure = draw_gates({"i": torch.rand(4, 100), "f": torch.rand(4, 100)}, "abcd", names=["f"], max_units=10)
    (image,) = (axis.images[0] for axis in figure.axes if axis.images)
    assert image.get_array().shape == (10, 4)


def test_bad_gates():
    with pytest.raises(ValueError, match="names must be among i, got 'q'"):
        draw_gates({"i": torch.rand(3, 2)}, "abc", names=["q"])
    with pytest.raises(ValueError, match=r"gate i must have shape \[4, H\], got \[3, 2\]"):
        draw_gates({"i": torch.rand(3, 2)}, "abcd")


@pytest.mark.parametrize("skip", [True, False])
def test_gates_of_a_character_model_are_those_of_its_walk(skip: bool) -> None:
    torch.manual_seed(0)
    model = CharLM(7, 3, 5, num_layers=2, skip=skip, dropout=0.4).eval()
    tokens = torch.randint(7, (2, 9))
    lower, upper = (gates(model, tokens, layer) for layer in range(2))
    hidden = torch.cat((lower["h"], upper["h"]), dim=2) if skip else upper["h"]
    logits, _, (h, c) = model(tokens)
    torch.testing.assert_close(model.head(hidden), logits)
    torch.testing.assert_close(torch.stack((lower["h"][:, -1], upper["h"][:, -1])), h)
    torch.testing.assert_close(torch.stack((lower["c"][:, -1], upper["c"][:, -1])), c)
    with pytest.raises(ValueError, match="layer must lie between 0 and 1, but got 2"):
        gates(model, tokens, 2)
