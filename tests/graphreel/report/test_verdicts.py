"""Every verdict on the page follows from the numbers, by a rule."""

from copy import deepcopy

import pytest

from graphreel.report.question import find_questions

QUESTIONS = {question.id: question for question in find_questions()}
RIGHT, WRONG = {"mean": 0.9999, "std": 0.0001}, {"mean": 0.92, "std": 0.1}
SHORT = {"test_accuracy": RIGHT, "first_accuracy": 0.05, "step": 70, "setbacks": 0.0}
LONG = {"test_accuracy": RIGHT, "first_accuracy": 0.02, "step": 190, "setbacks": 0.1}
DRAWN = {"distinct_characters": 20, "known_stretches": 0.9, "repeated_words": 0.3, "real_words": 0.8}
HELD = {
    "Q1.1": {
        "report_relative_error": {"W_ph": 0.0, "W_hh": 0.0},
        "norms": [{"kind": "rnn", "setting": 0.5, "trained": False, "fade": 1e-30}],
        "bound_holds": True,
    },
    "Q1.2": {
        "longest_memory": {"first_digit": {"i": 0.7}, "later_digits": {"i": 0.6}, "kept_to_the_end": 0.8},
        "candidate_range": [-1.0, 1.0],
        "parameters": {"1, 1, 1": {"two_biases": 18, "in_the_modules": 18}},
    },
    "Q1.3": {"as_the_report": {"5": SHORT, "10": LONG}},
    "Q1.4": {
        "opened": {"5": SHORT},
        "lstm": {"5": SHORT},
        "loss_before_training": {"peephole": {"5": 0.6}, "lstm": {"5": 0.7}},
    },
    "Q2.1": {
        "steps": 1000,
        "claimed": {"steps": 336000, "accuracy": 0.66},
        "train_accuracy": {"mean": 0.655},
        "by_third": {third: {"bits_per_char": bits} for third, bits in (("1", 2.6), ("2", 2.2), ("3", 2.0))},
        "by_mode": {
            "greedy": {"repeated_words": 0.9},
            "temperature 0.5": {**DRAWN, "real_words_early": 0.85},
            "temperature 1": {
                **DRAWN,
                "distinct_characters": 30,
                "blanks": 0.2,
                "commas": 0.01,
                "quotation_marks": 0.02,
            },
            "temperature 2": {**DRAWN, "distinct_characters": 60, "known_stretches": 0.1, "repeated_words": 0.1},
        },
    },
    "Q3.1": {
        "differences": {"values": 1e-15},
        "resolution": 2.0,
        "full": [{"above": 500.0}],
        "sampled": [{"above": 180.0}],
    },
    "Q3.2": {
        "matrix_as_reported": True,
        "derivative_of_E_by_C": [0.0, 0.0, 0.0, 0.0, 4e-4],
        "updates_from_C_to_E": 4,
    },
    "Q3.3": {"difference": 1e-15, "gap_of_sums_to_1": 1e-7, "moved": 0.7},
    "Q3.4": {
        "runs": {
            data: {"data": data, "test_accuracy": {"mean": 0.9}, "baselines": {"majority": 0.5}}
            for data in ("alkanes", "karate")
        }
    },
    "Q3.5": {
        "told_apart": {
            "gnn": {"structure": 0.97, "order": 0.5},
            "rnn": {"structure": 0.5, "order": 1.0},
            "both": {"structure": 0.98, "order": 1.0},
        },
        "models": {
            name: {"test_accuracy": {"mean": mean}} for name, mean in (("gnn", 0.49), ("rnn", 0.5), ("both", 0.97))
        },
    },
}
VERDICTS = {
    "Q1.1": {"a": "confirmed", "b": "confirmed", "c": "completed"},
    "Q1.2": {"i": "confirmed", "f": "confirmed", "g": "confirmed", "o": "completed", "parameters": "completed"},
    "Q1.3": {"a": "confirmed", "b": "confirmed", "c": "confirmed"},
    "Q1.4": {"a": "confirmed", "b": "confirmed"},
    "Q2.1": {"a": "confirmed", "b1": "confirmed", "b2": "confirmed", "b3": "confirmed", "c": "confirmed"},
    "Q3.1": {"a": "confirmed", "b": "completed"},
    "Q3.2": {"a": "confirmed", "b": "completed"},
    "Q3.3": {"a": "completed"},
    "Q3.4": {"a": "completed", "b": "completed"},
    "Q3.5": {"a": "confirmed", "b": "confirmed", "c": "completed"},
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_numbers_that_hold_are_judged_so(name):
    assert QUESTIONS[name].module.verdicts(HELD[name]) == VERDICTS[name]
    assert list(VERDICTS[name]) == list(QUESTIONS[name].asked().claims)


@pytest.mark.parametrize(
    ("name", "place", "value", "part", "verdict"),
    [
        ("Q1.1", "report_relative_error/W_ph", 32.9, "a", "corrected"),
        ("Q1.1", "report_relative_error/W_hh", 2e4, "b", "corrected"),
        ("Q1.1", "bound_holds", False, "c", "confirmed"),
        ("Q1.2", "longest_memory/first_digit/i", 0.5, "i", "corrected"),
        ("Q1.2", "longest_memory/kept_to_the_end", 0.4, "f", "corrected"),
        ("Q1.2", "candidate_range", [0.1, 1.0], "g", "corrected"),
        ("Q1.2", "parameters/1, 1, 1/in_the_modules", 14, "parameters", "corrected"),
        ("Q1.3", "as_the_report/10/test_accuracy", WRONG, "a", "corrected"),
        ("Q1.3", "as_the_report/5/first_accuracy", 0.5, "b", "corrected"),
        ("Q1.3", "as_the_report/10/step", 60, "c", "corrected"),
        ("Q1.3", "as_the_report/10/setbacks", 0.0, "c", "corrected"),
        ("Q1.4", "opened/5/test_accuracy", WRONG, "a", "corrected"),
        ("Q1.4", "lstm/5/test_accuracy", WRONG, "a", "corrected"),
        ("Q1.4", "loss_before_training/peephole/5", 0.8, "b", "corrected"),
        ("Q2.1", "train_accuracy/mean", 0.57, "a", "completed"),
        ("Q2.1", "by_mode/temperature 1/blanks", 0.05, "b1", "corrected"),
        ("Q2.1", "by_mode/temperature 1/commas", 0.03, "b1", "corrected"),
        ("Q2.1", "by_third/3/bits_per_char", 2.7, "b2", "corrected"),
        ("Q2.1", "by_mode/temperature 0.5/real_words", 0.7, "b3", "corrected"),
        ("Q2.1", "by_mode/temperature 2/distinct_characters", 25, "c", "corrected"),
        ("Q2.1", "by_mode/temperature 2/known_stretches", 0.95, "c", "corrected"),
        ("Q2.1", "by_mode/greedy/repeated_words", 0.2, "c", "corrected"),
        ("Q3.1", "differences/values", 1e-6, "a", "corrected"),
        ("Q3.1", "sampled", [{"above": 600.0}], "b", "corrected"),
        ("Q3.2", "matrix_as_reported", False, "a", "corrected"),
        ("Q3.2", "derivative_of_E_by_C", [0.0, 0.0, 0.1], "b", "corrected"),
        ("Q3.3", "moved", 0.0, "a", "corrected"),
        ("Q3.3", "difference", 1e-3, "a", "corrected"),
        ("Q3.4", "runs/alkanes/test_accuracy/mean", 0.5, "a", "corrected"),
        ("Q3.4", "runs/karate/test_accuracy/mean", 0.4, "b", "corrected"),
        ("Q3.5", "told_apart/gnn/order", 0.7, "a", "corrected"),
        ("Q3.5", "told_apart/rnn/structure", 0.7, "b", "corrected"),
        ("Q3.5", "models/rnn/test_accuracy/mean", 0.98, "c", "corrected"),
    ],
)
def test_numbers_that_do_not_hold_are_judged_so(name, place, value, part, verdict):
    numbers = deepcopy(HELD[name])
    *way, last = place.split("/")
    inner = numbers
    for key in way:
        inner = inner[key]
    inner[last] = value
    assert QUESTIONS[name].module.verdicts(numbers) == {**VERDICTS[name], part: verdict}


def test_the_full_training_that_falls_short_is_corrected():
    numbers = {**HELD["Q2.1"], "steps": 336_000, "train_accuracy": {"mean": 0.57}}
    assert QUESTIONS["Q2.1"].module.verdicts(numbers)["a"] == "corrected"
