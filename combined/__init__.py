"""Space x time: a graph network over frames, a recurrent network over time."""

from combined.alone import GraphLayers, NodeLayers, models_to_compare, parameters_of
from combined.clip_classifier import ClipAttention, ClipClassifier
from combined.forecaster import Forecaster

__all__ = [
    "ClipAttention",
    "ClipClassifier",
    "Forecaster",
    "GraphLayers",
    "NodeLayers",
    "models_to_compare",
    "parameters_of",
]
