"""`graphreel gnn train`: on the nodes of one graph, or on a set of graphs, as the data turns out to be."""

from typing import Any

from torch_geometric.data import Data

from graphreel.experiments.experiment import Experiment
from graphreel.experiments.graph_model import GraphExperiment
from graphreel.experiments.graph_settings import GnnSettings
from graphreel.experiments.graphs import Graphs
from graphreel.experiments.nodes import Nodes


class NodesOrGraphs(GraphExperiment):
    """The door to both: what is loaded decides which of them trains."""

    @classmethod
    def on(cls, source: Any, settings: GnnSettings) -> Experiment:
        return (Nodes if isinstance(source, Data) else Graphs).on(source, settings)
