"""`graphreel gnn train`: on the nodes or the edges of one graph, or on a set of graphs."""

from collections.abc import Mapping
from typing import Any

from torch import nn
from torch_geometric.data import Data

from graphreel.data import DiskGraph
from graphreel.experiments.experiment import Experiment
from graphreel.experiments.graph_model import GraphExperiment
from graphreel.experiments.graph_settings import GnnSettings
from graphreel.experiments.graphs import Graphs
from graphreel.experiments.links import Links
from graphreel.experiments.nodes import Nodes
from graphreel.experiments.nodes_on_disk import NodesOnDisk


class NodesOrGraphs(GraphExperiment):
    """The door to all: --task and what is loaded decide which of them trains."""

    @classmethod
    def on(cls, source: Any, settings: GnnSettings) -> Experiment:
        if isinstance(source, DiskGraph):
            if settings.fan_out and settings.task != "link":
                return NodesOnDisk.on(source, settings)
            source = source.in_memory()
        alone = isinstance(source, Data)
        if settings.task in (("graph",) if alone else ("node", "link")):
            held = "one graph, whose nodes are told apart" if alone else "a set of graphs"
            raise ValueError(f"--task {settings.task} does not fit {settings.data}, which is {held}")
        if settings.draws > 1 and (settings.task == "link" or not alone):
            raise ValueError("--draws of more than one expects the nodes of one graph to be learned")
        return (Links if settings.task == "link" else Nodes if alone else Graphs).on(source, settings)

    @staticmethod
    def model(settings: GnnSettings, entries: Mapping[str, Any]) -> nn.Module:
        kind = Links if settings.task == "link" else Nodes if entries["pool"] is None else Graphs
        return kind.model(settings, entries)
