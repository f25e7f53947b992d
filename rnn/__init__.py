"""Time: closed-form back-propagation through time, cells, unrolled layers, a character language model."""

from rnn.bptt import bptt_gradients
from rnn.char_lm import CharLM, bits_per_character
from rnn.gate_pictures import draw_gates
from rnn.gates import gates
from rnn.generate import generate, stream
from rnn.gradient_norms import draw_gradient_norms, gradient_norms
from rnn.gru import GRU
from rnn.lstm import LSTM
from rnn.parameter_count import parameter_count
from rnn.peephole_lstm import PeepholeLSTM
from rnn.report_gradients import report_gradients
from rnn.rnn import RNN
from rnn.sequence_classifier import SequenceClassifier
from rnn.text_measures import known_words, text_measures
from rnn.vocabulary import Vocabulary

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "CharLM",
    "PeepholeLSTM",
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
