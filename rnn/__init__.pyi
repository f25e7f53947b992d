from .analysis.bptt import bptt_gradients
from .analysis.gates import gates
from .analysis.gradient_norms import draw_gradient_norms, gradient_norms
from .analysis.plot_gates import draw_gates
from .analysis.report_gradients import report_gradients
from .layers.cell_modules import GRUCell, LSTMCell, PeepholeLSTMCell
from .layers.gru import GRU
from .layers.lstm import LSTM
from .layers.peephole_lstm import PeepholeLSTM
from .layers.rnn import RNN
from .models.char_lm import CharLM, bits_per_character
from .models.parameter_count import parameter_count
from .models.sampling import generate, stream
from .models.sequence_classifier import SequenceClassifier
from .models.text_metrics import known_words, text_measures
from .models.vocabulary import Vocabulary

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "CharLM",
    "GRUCell",
    "LSTMCell",
    "PeepholeLSTM",
    "PeepholeLSTMCell",
    "SequenceClassifier",
    "Vocabulary",
    "bits_per_character",
    "bptt_gradients",
    "draw_gates",
    "draw_gradient_norms",
    "gates",
    "generate",
    "gradient_norms",
    "known_words",
    "parameter_count",
    "report_gradients",
    "stream",
    "text_measures",
]
