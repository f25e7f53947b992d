from .attention_numbers import ShownWeights, clip_attention, shown_weights
from .attention_page import clip_attention_page
from .layers.embeddings import EmbeddedHead
from .layers.seasonal_traces import seasonal_traces
from .layers.tgcn import TGCN
from .layers.time_convolution import TimeConvolution
from .metrics import forecast_errors, trivial_forecasts
from .models.ablation import GraphLayers, NodeLayers, graph_alone, models_to_compare, parameters_of
from .models.clip_classifier import ClipAttention, ClipClassifier
from .models.forecaster import Forecaster
from .models.linear_forecast import LinearForecast
from .plot_attention import draw_clip_attention

__all__ = [
    "TGCN",
    "ClipAttention",
    "ClipClassifier",
    "EmbeddedHead",
    "Forecaster",
    "GraphLayers",
    "LinearForecast",
    "NodeLayers",
    "ShownWeights",
    "TimeConvolution",
    "clip_attention",
    "clip_attention_page",
    "draw_clip_attention",
    "forecast_errors",
    "graph_alone",
    "models_to_compare",
    "parameters_of",
    "seasonal_traces",
    "shown_weights",
    "trivial_forecasts",
]
