import pytest
import torch

from rnn.gate_pictures import draw_gates, unit_order
from rnn.gates import gates
from rnn.sequence_classifier import SequenceClassifier


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
