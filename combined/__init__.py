"""Space x time: a graph network over frames, a recurrent network over time."""

from combined.alone import GraphLayers, NodeLayers, graph_alone, models_to_compare, parameters_of
from combined.attention_pictures import clip_attention, draw_clip_attention
from combined.clip_classifier import ClipAttention, ClipClassifier
from combined.forecast_errors import forecast_errors, trivial_forecasts
from combined.forecaster import Forecaster
from combined.linear_forecast import LinearForecast
from combined.over_time import TimeConvolution
from combined.seasonal_traces import seasonal_traces
from combined.tgcn import TGCN

__all__ = [
    "TGCN",
    "ClipAttention",
    "ClipClassifier",
    "Forecaster",
    "GraphLayers",
    "LinearForecast",
    "NodeLayers",
    "TimeConvolution",
    "clip_attention",
    "draw_clip_attention",
    "forecast_errors",
    "graph_alone",
    "models_to_compare",
    "parameters_of",
    "seasonal_traces",
    "trivial_forecasts",
]
