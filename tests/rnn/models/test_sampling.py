from collections import Counter

import pytest
import torch

from graphreel.rnn.models.char_lm import CharLM
from graphreel.rnn.models.sampling import generate, next_tokens, stream
from graphreel.rnn.models.vocabulary import Vocabulary
from graphreel.rnn.models.writing_steps import writing_step
from graphreel.rnn.registry import CAUSAL_CELLS

VOCABULARY = Vocabulary("abcdefg ")


def model(cell="lstm"):
    torch.manual_seed(0)
    lm = CharLM(8, 5, 6, cell=cell, dropout=0.5)
    with torch.no_grad():
        lm.head.weight.mul_(20)  # an untrained model whose mind is made up more than by default
    return lm


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("cell", CAUSAL_CELLS)
def test_keeping_the_state_is_reading_everything_again(cell):
    lm = model(cell).eval()
    text = "bad"
    for _ in range(12):
        logits, _, _ = lm(VOCABULARY.encode(text)[None])
        text += VOCABULARY.characters[int(logits[0, -1].argmax())]
    assert generate(lm, VOCABULARY, "bad", 12, greedy=True) == [text[3:]]


def test_a_batch_is_reproducible_and_different_within():
    texts = generate(model(), VOCABULARY, "ab", 30, count=5, generator=generator())
    assert [len(text) for text in texts] == [30] * 5 and len(set(texts)) == 5
    assert texts == generate(model(), VOCABULARY, "ab", 30, count=5, generator=generator())
    assert texts != generate(model(), VOCABULARY, "ab", 30, count=5, generator=generator(1))


def test_stream_yields_what_generate_joins():
    steps = list(stream(model(), VOCABULARY, "a", 9, count=2, generator=generator()))
    assert len(steps) == 9 and all(len(step) == 2 and len(step[0]) == 1 for step in steps)
    assert ["".join(text) for text in zip(*steps, strict=True)] == generate(
        model(), VOCABULARY, "a", 9, count=2, generator=generator()
    )


def test_the_model_keeps_its_mode_also_after_an_error_and_in_an_abandoned_stream():
    one = model().train()
    one.embedding.eval()
    modes = [part.training for part in one.modules()]
    generate(one, VOCABULARY, "a", 3)
    assert [part.training for part in one.modules()] == modes
    steps = stream(one, VOCABULARY, "a", 9, generator=generator())
    next(steps)
    assert [part.training for part in one.modules()] == modes
    same = list(stream(model().eval(), VOCABULARY, "a", 9, generator=generator()))
    assert next(steps) == same[1]  # nothing was dropped
    with torch.no_grad():
        one.head.weight.fill_(float("nan"))
    for options in ({}, {"greedy": True}, {"top_p": 0.5}):
        with pytest.raises(ValueError, match="logits must be numbers, got nan: the model's weights are damaged"):
            generate(one, VOCABULARY, "a", 3, **options)
    assert [part.training for part in one.modules()] == modes


def test_several_prompts_are_written_as_one_batch():
    both = generate(model(), VOCABULARY, ["ab", "ge"], 12, greedy=True, count=2)
    apart = [generate(model(), VOCABULARY, prompt, 12, greedy=True)[0] for prompt in ("ab", "ge")]
    assert both == [apart[0], apart[0], apart[1], apart[1]]


def test_stop_ends_a_text_after_it():
    free = generate(model(), VOCABULARY, "a", 40, count=4, generator=generator())
    stop = free[0][5:7]
    stopped = generate(model(), VOCABULARY, "a", 40, count=4, stop=stop, generator=generator())
    for before, after in zip(free, stopped, strict=True):
        end = before.find(stop)
        assert after == (before if end < 0 else before[: end + len(stop)])
    one = model()
    assert len(list(stream(one, VOCABULARY, "a", 500, stop=stop, generator=generator()))) < 500


def draws(logits, **settings):
    rows = torch.tensor(logits).expand(4000, -1)
    return {
        token: n / 4000 for token, n in Counter(next_tokens(rows, generator=generator(), **settings).tolist()).items()
    }


def test_temperature_divides_the_logits():
    logits = [0.0, 1.0, 2.0]
    for temperature in (0.5, 1.0, 2.0):
        wanted = torch.softmax(torch.tensor(logits) / temperature, 0).tolist()
        got = draws(logits, temperature=temperature)
        assert [got.get(token, 0.0) for token in range(3)] == pytest.approx(wanted, abs=0.03)


def test_top_k_and_top_p_cut_the_tail():
    logits = torch.tensor([0.5, 0.1, 0.3, 0.1]).log().tolist()
    assert set(draws(logits, top_k=2)) == {0, 2}
    assert draws(logits, top_k=2)[0] == pytest.approx(0.625, abs=0.03)
    assert set(draws(logits, top_p=0.5)) == {0}
    assert set(draws(logits, top_p=0.51)) == {0, 2}
    assert set(draws(logits, top_p=1.0)) == set(draws(logits, top_k=9)) == {0, 1, 2, 3}
    assert draws(logits, greedy=True) == {0: 1.0}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 0}, "length must be at least 1, got 0"),
        ({"count": 0}, "count must be at least 1, got 0"),
        ({"temperature": 0.0}, r"temperature must be a positive number \(greedy is an option of its own\), got 0"),
        ({"temperature": -1.0}, r"temperature must be a positive number .*, got -1"),
        ({"temperature": float("nan")}, "temperature must be a positive number .*, got nan"),
        ({"top_k": 0}, "top_k must be at least 1, got 0"),
        ({"top_p": 1.5}, r"top_p must be a probability above 0, got 1\.5"),
        ({"prompt": ""}, "prompt must hold at least one character, got none"),
        ({"prompt": []}, "prompt must hold at least one character, got none"),
        ({"prompt": ["a", "bc"]}, "prompts must have one length, got 1, 2"),
        ({"stop": ""}, "stop must hold at least one character, got none"),
        ({"prompt": "bäd"}, r"the text holds 'ä' \(U\+00E4\), which is not among the 8 characters of the vocabulary"),
    ],
)
def test_bad_settings(options, message):
    arguments = {"prompt": "bad", "length": 3, **options}
    with pytest.raises(ValueError, match=message):
        stream(model(), VOCABULARY, **arguments)


def test_vocabulary_of_another_model():
    with pytest.raises(ValueError, match="vocabulary must hold the 8 characters that the model knows, got 2"):
        stream(model(), Vocabulary("ab"), "a", 3)


def test_vocabulary_maps_what_is_alike():
    vocabulary = Vocabulary("abcO’“— ")
    assert vocabulary.decode(vocabulary.encode("a’b")) == "a’b"
    assert vocabulary.decode(vocabulary.encode("á'o\"-ß\n", map_unknown=True)) == "a’O“—  "
    with pytest.raises(ValueError, match=r"the text holds 'ß' \(U\+00DF\)"):
        Vocabulary("ab").encode("ß", map_unknown=True)


@pytest.mark.parametrize(
    ("characters", "message"),
    [
        ("aab", "must not hold a character twice"),
        (["a", "bc"], "must hold single characters"),
        ("a", "must hold at least two characters, got 1"),
    ],
)
def test_bad_vocabulary(characters, message):
    with pytest.raises(ValueError, match=message):
        Vocabulary(characters)
    with pytest.raises(ValueError, match=r"tokens must lie in 0\.\.7, got 8"):
        VOCABULARY.decode([1, 8])


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("weight_dropout", [0.0, 0.5])
def test_steps_by_tables_are_the_models(skip: bool, weight_dropout: float) -> None:
    torch.manual_seed(0)
    model = CharLM(7, 5, 4, 3, "lstm", 0.3, skip=skip, weight_dropout=weight_dropout).double().eval()
    tokens = torch.randint(7, (2, 6))
    _, _, state = model(tokens[:, :2])
    want, _, _ = model(tokens[:, 2:], None, state)
    step = writing_step(model, state)
    got = torch.stack([step(column) for column in tokens[:, 2:].t()], dim=1)
    torch.testing.assert_close(got, want, rtol=1e-11, atol=1e-12)
