"""Writing with a character model, one character after another."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from graphreel.core.evaluation import evaluating

from .char_lm import CharLM
from .vocabulary import Vocabulary
from .writing_steps import writing_step


def next_tokens(
    logits: Tensor,
    temperature: float = 1.0,
    greedy: bool = False,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Choose one token per row of logits [B, V] -> [B].

    Args:
        temperature: divides the logits: below 1 bolder, above 1 more even. (The report's course multiplies instead.)
        greedy: take the best one; the other settings then have no say.
        top_k: draw among the k best only.
        top_p: draw among the fewest best ones that together have at least this probability.
        generator: source of the randomness.

    Raises:
        ValueError: a logit is not a number.
    """
    if bool(logits.isnan().any()):
        raise ValueError("logits must be numbers, got nan: the model's weights are damaged, or its training diverged")
    if greedy:
        return logits.argmax(1)
    logits = logits.double() / temperature
    if top_k is not None and top_k < logits.shape[1]:
        least = logits.topk(top_k, dim=1).values[:, -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    probability = torch.softmax(logits, 1)
    if top_p is not None:
        ordered, order = probability.sort(dim=1, descending=True)
        beyond = ordered.cumsum(1) - ordered >= top_p
        probability = probability.masked_fill(torch.zeros_like(beyond).scatter(1, order, beyond), 0.0)
    return torch.multinomial(probability, 1, generator=generator)[:, 0]


def check_sampling(
    length: int, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None, count: int = 1
) -> None:
    """Raise ValueError where a setting of `generate` is out of its range."""
    for name, value in (("length", length), ("count", count)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    if not 0 < temperature < float("inf"):
        raise ValueError(f"temperature must be a positive number (greedy is an option of its own), got {temperature}")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k must be at least 1, got {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p must be a probability above 0, got {top_p}")


def stream(
    model: CharLM,
    vocabulary: Vocabulary,
    prompt: str | Sequence[str],
    length: int,
    *,
    temperature: float = 1.0,
    greedy: bool = False,
    top_k: int | None = None,
    top_p: float | None = None,
    stop: str | None = None,
    count: int = 1,
    generator: torch.Generator | None = None,
    map_unknown: bool = False,
) -> Iterator[list[str]]:
    """Continue a prompt `count` times in one batch; yields the next character of every text as soon as it is chosen.

    The prompt is read once; from then on each step feeds one character and keeps the hidden state. A text that has
    written `stop` yields "" from there on, and the iteration ends when all have.

    Args:
        model: a trained CharLM; in eval mode at every step, and in its own between them. The weights of an LSTM are
            read once, with the prompt.
        prompt: at least one character; or several prompts of one length, each continued `count` times.
        length: characters to write at most.
        temperature, greedy, top_k, top_p, generator: as for `next_tokens`.
        stop: a text ends after writing this.
        map_unknown: as for `Vocabulary.encode`.

    Raises:
        ValueError: a setting is out of its range, a prompt is empty or holds a character that the model doesn't know;
            while writing, the model's logits are not numbers.
    """
    check_sampling(length, temperature, top_k, top_p, count)
    if len(vocabulary) != model.embedding.num_embeddings:
        known = model.embedding.num_embeddings
        raise ValueError(f"vocabulary must hold the {known} characters that the model knows, got {len(vocabulary)}")
    prompts = [prompt] if isinstance(prompt, str) else list(prompt)
    if not all(prompts) or not prompts:
        raise ValueError("prompt must hold at least one character, got none")
    if len({len(one) for one in prompts}) > 1:
        raise ValueError(f"prompts must have one length, got {', '.join(str(len(one)) for one in prompts)}")
    if stop == "":
        raise ValueError("stop must hold at least one character, got none")
    tokens = torch.stack([vocabulary.encode(one, map_unknown) for one in prompts]).repeat_interleave(count, 0)
    return _stream(model, vocabulary, tokens, length, (temperature, greedy, top_k, top_p, generator), stop)


def _stream(
    model: CharLM, vocabulary: Vocabulary, tokens: Tensor, length: int, how: tuple, stop: str | None
) -> Iterator[list[str]]:
    device = next(model.parameters()).device
    written, parts = [""] * len(tokens), list(model.modules())
    with torch.no_grad(), evaluating(parts):
        scored, _, state = model(tokens.to(device))
        logits, step = scored[:, -1], writing_step(model, state)
    for _ in range(length):
        chosen = next_tokens(logits.cpu(), *how)
        over = [stop is not None and text.endswith(stop) for text in written]
        new = ["" if done else vocabulary.characters[i] for done, i in zip(over, chosen.tolist(), strict=True)]
        if all(over):
            return
        written = [text + character for text, character in zip(written, new, strict=True)]
        yield new
        with torch.no_grad(), evaluating(parts):
            logits = step(chosen.to(device))


def generate(
    model: CharLM,
    vocabulary: Vocabulary,
    prompt: str | Sequence[str],
    length: int,
    *,
    temperature: float = 1.0,
    greedy: bool = False,
    top_k: int | None = None,
    top_p: float | None = None,
    stop: str | None = None,
    count: int = 1,
    generator: torch.Generator | None = None,
    map_unknown: bool = False,
) -> list[str]:
    """What `stream` writes, as whole texts without the prompt; arguments and errors are those of `stream`."""
    steps = stream(
        model, vocabulary, prompt, length, temperature=temperature, greedy=greedy, top_k=top_k, top_p=top_p, stop=stop,
        count=count, generator=generator, map_unknown=map_unknown,
    )  # fmt: skip
    with evaluating(model.modules()):  # at once, which spares the steps from doing it
        return ["".join(text) for text in zip(*steps, strict=True)]
