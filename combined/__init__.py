"""Space x time: a graph network over frames, a recurrent network over time."""

from combined.alone import GraphLayers, NodeLayers, models_to_compare, parameters_of
from combined.clip_classifier import ClipAttention, ClipClassifier

__all__ = [
    "ClipAttention",
    "ClipClassifier",
    "GraphLayers",
    "NodeLayers",
    "models_to_compare",
    "parameters_of",
]
