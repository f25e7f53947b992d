"""Time: closed-form back-propagation through time, cells, unrolled layers, a character language model."""

from rnn.gates import gates
from rnn.gru import GRU
from rnn.lstm import LSTM
from rnn.parameter_count import parameter_count
from rnn.peephole_lstm import PeepholeLSTM
from rnn.rnn import RNN
from rnn.sequence_classifier import SequenceClassifier

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "PeepholeLSTM",
    "SequenceClassifier",
    "gates",
    "parameter_count",
]
