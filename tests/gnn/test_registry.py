"""Layers by name: the names lead to the classes, and naming them imports no torch."""

import subprocess
import sys
from inspect import signature

import pytest

from graphreel import gnn
from graphreel.gnn.registry import ATTENDING, LAYERS, graph_layer


def test_every_name_leads_to_a_public_layer_that_keeps_its_promises():
    assert {name: layer.load() for name, layer in LAYERS.items()} == {
        "gcn": gnn.GCNConv,
        "gat": gnn.GATConv,
        "gatv2": gnn.GATv2Conv,
    }
    assert ATTENDING == ("gat", "gatv2")
    for layer in LAYERS.values():
        kind = layer.load()
        assert layer.edges is None or layer.edges in signature(kind.forward).parameters
        assert layer.attends == ("heads" in signature(kind).parameters)


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="a graph layer is one of gcn, gat, gatv2, but got 'gin'"):
        graph_layer("gin")


def test_names_are_known_without_torch():
    code = "import sys, graphreel.gnn.registry; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
