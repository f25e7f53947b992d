"""Figures for what is said of generated texts: real words, repetitions, blanks, punctuation."""

import re
from collections.abc import Sequence

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_QUOTES = frozenset("\"'‘’“”„«»`")


def words(text: str) -> list[str]:
    """The words of a text in lower case; an apostrophe between letters belongs to its word."""
    return [word.lower().replace("’", "'") for word in _WORD.findall(text)]


def known_words(text: str) -> frozenset[str]:
    """The word list of a training text, for `text_measures`."""
    return frozenset(words(text))


def repeated_share(items: Sequence[object]) -> float:
    """The share of items that have occurred before in the sequence; 0 for an empty one."""
    return 1 - len(set(items)) / len(items) if items else 0.0


def text_measures(texts: Sequence[str], known: frozenset[str], ngram: int = 4) -> dict[str, float]:
    """Measure generated texts.

    A text that was cut off ends in half a word, so the word at its very end is left out of the word figures, and so is
    the one at its very start, which may belong to the prompt.

    Args:
        known: the training text's `known_words`.
        ngram: length of the n-grams in characters.

    Returns:
        "real_words": share of words that the training text has; "repeated_words" and "repeated_ngrams": share that
        occurred before in the same text; "blanks", "quotation_marks" and "commas": share of the characters (blanks
        includes newlines) - all averaged over the texts that have any; "distinct_characters": mean number in a text.

    Raises:
        ValueError: there is no text, or ngram is not positive.
    """
    if not texts:
        raise ValueError("texts must hold at least one text, got none")
    if ngram < 1:
        raise ValueError(f"ngram must be at least 1, got {ngram}")
    figures: dict[str, list[float]] = {name: [] for name in _NAMES}
    for text in texts:
        whole = [
            match.group().lower().replace("’", "'")
            for match in _WORD.finditer(text)
            if match.start() > 0 and match.end() < len(text)
        ]
        if whole:
            figures["real_words"].append(sum(word in known for word in whole) / len(whole))
            figures["repeated_words"].append(repeated_share(whole))
        if len(text) >= ngram:
            figures["repeated_ngrams"].append(
                repeated_share([text[i : i + ngram] for i in range(len(text) - ngram + 1)])
            )
        if text:
            figures["blanks"].append(sum(character.isspace() for character in text) / len(text))
            figures["quotation_marks"].append(sum(character in _QUOTES for character in text) / len(text))
            figures["commas"].append(text.count(",") / len(text))
        figures["distinct_characters"].append(len(set(text)))
    return {name: sum(values) / len(values) if values else 0.0 for name, values in figures.items()}


_NAMES = (
    "real_words", "repeated_words", "repeated_ngrams", "distinct_characters", "blanks", "quotation_marks", "commas",
)  # fmt: skip
