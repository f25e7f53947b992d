import pytest

from graphreel.rnn.models.text_metrics import known_words, repeated_share, text_measures


def test_words_of_a_text():
    assert known_words("The king’s son, said 'no'. THE 3 kings") == {"the", "king's", "son", "said", "no", "kings"}


def test_repeated_share():
    assert repeated_share("abab") == 0.5
    assert repeated_share("abcd") == 0.0
    assert repeated_share("") == 0.0


def test_measures_by_hand():
    known = known_words("the king said yes")
    figures = text_measures(["x the king, the bing said; y"], known)
    assert figures["real_words"] == 4 / 5  # the, king, the, said of five: x and y are cut off
    assert figures["repeated_words"] == pytest.approx(1 / 5)
    assert figures["commas"] == 1 / 28 and figures["blanks"] == 6 / 28 and figures["quotation_marks"] == 0
    assert figures["distinct_characters"] == len(set("x the king, the bing said; y"))
    assert figures["repeated_ngrams"] == pytest.approx(2 / 25)  # " the" and "the " a second time


def test_a_mean_over_texts_and_nothing_to_measure():
    figures = text_measures(["aaaaa", "abcde"], frozenset())
    assert figures["repeated_ngrams"] == 0.25 and figures["distinct_characters"] == 3
    assert figures["real_words"] == 0.0
    assert set(text_measures([""], frozenset()).values()) == {0.0}


def test_bad_input():
    with pytest.raises(ValueError, match="texts must hold at least one text, got none"):
        text_measures([], frozenset())
    with pytest.raises(ValueError, match="ngram must be at least 1, got 0"):
        text_measures(["a"], frozenset(), 0)
