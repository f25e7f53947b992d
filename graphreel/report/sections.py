"""The sections in the order of the page, which is also that of running."""

from graphreel.report import (
    applications_section,
    attention_section,
    clips_section,
    convolution_section,
    gates_section,
    gradients_section,
    palindromes_section,
    six_nodes_section,
    text_section,
)

SECTIONS = (
    gradients_section.SECTION,
    gates_section.SECTION,
    palindromes_section.LSTM_SECTION,
    palindromes_section.PEEPHOLE_SECTION,
    text_section.SECTION,
    convolution_section.SECTION,
    six_nodes_section.SECTION,
    attention_section.SECTION,
    applications_section.SECTION,
    clips_section.SECTION,
)
