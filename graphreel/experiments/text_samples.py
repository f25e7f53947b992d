"""samples.txt: what a character model writes at each third of its training, with figures beside it."""

from pathlib import Path
from typing import Any

import torch

from graphreel.core.atomic_files import write_text
from graphreel.rnn import CharLM, Vocabulary, generate, known_words, text_measures

LENGTHS = (30, 40, 60)
COUNT = 5
_RULE = "=" * 78
MODES: dict[str, dict[str, Any]] = {
    "greedy": {"greedy": True},
    "temperature 0.5": {"temperature": 0.5},
    "temperature 1": {"temperature": 1.0},
    "temperature 2": {"temperature": 2.0},
}
HEADER = (
    "Texts of 30, 40 and 60 characters, each begun with another letter; temperature divides the logits.\n"
    "real words: share of whole words that the training text has; repeated: share of words, of 4-grams, that the same\n"
    "text had before; distinct: different characters in a text.\n"
)


class SamplesFile:
    """One section per stage of a training; a section that is written again replaces the old one and all later."""

    def __init__(self, path: Path, vocabulary: Vocabulary, text: str, prompt: str) -> None:
        self.path, self.vocabulary, self.prompt = path, vocabulary, prompt
        self._known = known_words(text)
        self._letters = _first_letters(text)

    def write(self, model: CharLM, title: str, step: int) -> None:
        """Sample from the model as it is, leaving its mode and the global random state alone."""
        body = [f"{_RULE}\n{title}\n{_RULE}"]
        for mode, settings in MODES.items():
            for length in LENGTHS:
                texts = generate(
                    model, self.vocabulary, self._letters, length - 1, **settings,
                    generator=torch.Generator().manual_seed(step),
                )  # fmt: skip
                whole = [letter + text for letter, text in zip(self._letters, texts, strict=True)]
                body.append(f"{mode}, length {length}: {describe(text_measures(whole, self._known))}")
                body += [f"    {_one_line(text)}" for text in whole]
        if set(self.prompt) <= set(self.vocabulary.characters):
            completed = generate(
                model, self.vocabulary, self.prompt, 60, temperature=0.5, count=COUNT,
                generator=torch.Generator().manual_seed(step),
            )  # fmt: skip
            prompt = _one_line(self.prompt)
            body.append(f'"{prompt}" completed, temperature 0.5: {describe(text_measures(completed, self._known))}')
            body += [f"    {prompt}{_one_line(text)}" for text in completed]
        write_text(self.path, self._before(title) + "\n".join(body) + "\n\n")

    def _before(self, title: str) -> str:
        if not self.path.exists():
            return HEADER + "\n"
        text = self.path.read_text(encoding="utf-8")
        return text.partition(f"{_RULE}\n{title}\n")[0]


def describe(measures: dict[str, float]) -> str:
    """The measures in one line."""
    return (
        f"real words {measures['real_words']:.2f}, repeated words {measures['repeated_words']:.2f}, "
        f"4-grams {measures['repeated_ngrams']:.2f}, distinct {measures['distinct_characters']:.1f}, "
        f"blanks {measures['blanks']:.2f}, quotation marks {measures['quotation_marks']:.2f}, "
        f"commas {measures['commas']:.2f}"
    )


def _one_line(text: str) -> str:
    return text.replace("\n", "⏎")


def _first_letters(text: str) -> list[str]:
    """The letters that most often begin a word, as many as there are samples; other characters where letters lack."""
    counts: dict[str, int] = {}
    for word in text.split():
        counts[word[0]] = counts.get(word[0], 0) + word[0].isalpha()
    ordered = sorted(counts, key=lambda letter: (-counts[letter], letter))
    return (ordered * COUNT)[:COUNT]
