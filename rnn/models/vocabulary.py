"""Characters as numbers and back."""

import unicodedata
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

_ALIKE = ("'‘’‛`´", '"“”„«»', "-–—‐‑−", " \u00a0\t", "…")


class Vocabulary:
    """A list of characters; a character's place in it is its number.

    Args:
        characters: all different, at least two.

    Raises:
        ValueError: a character is doubled, longer than one symbol, or alone.
    """

    def __init__(self, characters: Sequence[str]) -> None:
        if any(not isinstance(character, str) or len(character) != 1 for character in characters):
            raise ValueError("a vocabulary must hold single characters")
        if len(set(characters)) != len(characters):
            raise ValueError("a vocabulary must not hold a character twice")
        if len(characters) < 2:
            raise ValueError(f"a vocabulary must hold at least two characters, got {len(characters)}")
        self.characters = list(characters)
        self._number = {character: number for number, character in enumerate(characters)}

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str, map_unknown: bool = False) -> Tensor:
        """Numbers [len(text)] of the characters.

        Args:
            map_unknown: put a known character in the place of an unknown one: another form of the same quotation mark
                or dash, the letter without its accent or in the other case, or else a blank.

        Raises:
            ValueError: a character is not in the vocabulary (nor, with `map_unknown`, anything like it).
        """
        return torch.tensor([self._number[self._known(character, map_unknown)] for character in text], dtype=torch.long)

    def decode(self, tokens: Tensor | Iterable[int]) -> str:
        """The text of numbers [N].

        Raises:
            ValueError: a number is outside of the vocabulary.
        """
        numbers = tokens.tolist() if isinstance(tokens, Tensor) else list(tokens)
        for number in numbers:
            if not 0 <= number < len(self):
                raise ValueError(f"tokens must lie in 0..{len(self) - 1}, got {number}")
        return "".join(self.characters[number] for number in numbers)

    def _known(self, character: str, map_unknown: bool) -> str:
        if character in self._number:
            return character
        if map_unknown:
            plain = unicodedata.normalize("NFKD", character)[0]
            alike = next((group for group in _ALIKE if character in group), "")
            for candidate in (*alike, plain, plain.lower(), plain.upper(), " "):
                if candidate in self._number:
                    return candidate
        raise ValueError(
            f"the text holds {character!r} (U+{ord(character):04X}), which is not among the {len(self)} characters "
            "of the vocabulary"
        )
