import os
import random
import re
import sys
from math import log2
from pathlib import Path

import pytest
import torch

from graphreel.data.sequences.books import Book, load_book, load_embedded_book, strip_gutenberg
from graphreel.data.sequences.text_windows import carried_windows, random_windows
from graphreel.data.text_files import read_text

BODY = "Once upon a time there was a king.\n\nHe had three sons, and a golden bird.\n" * 4
NEW = (
    "\ufeffThe Project Gutenberg eBook of Tales\r\n\r\n"
    "*** START OF THE PROJECT GUTENBERG EBOOK TALES,\r\nWITH A LONG TITLE ***\r\n"
    + BODY.replace("\n", "\r\n")
    + "\r\nEnd of Project Gutenberg’s Tales, by Nobody\r\n\r\n"
    "*** END OF THE PROJECT GUTENBERG EBOOK TALES ***\r\nlicence\r\n"
)
OLD = (
    "Project Gutenberg Etext of Tales\n\n*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*\n\n"
    + BODY
    + "\n\nEnd of The Project Gutenberg Etext of Tales\n"
)
QUOTE = "‘Ah,’ said the königin.\n"


def write(folder, raw, name="tales.txt"):
    path = folder / name
    path.write_bytes(raw if isinstance(raw, bytes) else raw.encode())
    return path


@pytest.mark.parametrize("raw", [NEW, NEW.replace("\r\n", "\r"), OLD, OLD.replace("End of The", "End of this")])
def test_header_footer_mark_and_newlines_vanish(tmp_path, raw):
    book = load_book(write(tmp_path, raw))
    assert book.text == BODY.strip() and book.name == "tales.txt"


def test_another_text_stays_as_it_is():
    assert strip_gutenberg(BODY) == BODY
    assert strip_gutenberg("The END of it ***\n" + BODY).startswith("The END")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(tmp_path, encoding):
    assert read_text(write(tmp_path, QUOTE.encode(encoding))) == (QUOTE, [])


def test_other_encodings_are_told_or_found_out_and_said(tmp_path):
    path = write(tmp_path, (QUOTE * 20).encode("cp1252"))
    assert read_text(path, "cp1252") == (QUOTE * 20, [])
    with pytest.raises(ValueError, match=r"tales\.txt is not ascii: byte 0x91 at 0 \(line 1\) cannot be read as it"):
        read_text(path, "ascii")
    with pytest.raises(ValueError, match="encoding expects the name of one, such as utf-8 or cp1252, got 'morse'"):
        read_text(path, "morse")
    pytest.importorskip("charset_normalizer")
    text, notes = read_text(path)
    assert text == QUOTE * 20
    assert re.match(
        r"tales\.txt is no UTF-8 \(byte 0x91 at 0 \(line 1\)\): charset-normalizer takes it for cp125", notes[0]
    )


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Les élèves français étaient à l'école. L'été dernier, où étiez-vous ? Forêt, garçon, cœur.\n"),
        ("cp1252", "Räksmörgås på ön, ålar och åska.\n"),
        ("cp1250", "Wczoraj wieczorem wróciliśmy późno do domu, bo padał śnieg i drogi były śliskie. Żona śmiała.\n"),
        ("cp1253", "Η γάτα κάθεται στο χαλί και κοιτάζει τον ήλιο που δύει.\n"),
        ("koi8_r", "Мороз и солнце; день чудесный! Еще ты дремлешь, друг прелестный, пора, красавица, проснись.\n"),
        ("euc_jp", "吾輩は猫である。名前はまだ無い。\n"),
        ("euc_jp", "今日は天気がいいですね。散歩に行きましょう。\n"),
        ("cp932", "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。\n"),
        ("euc_kr", "나는 고양이다. 이름은 아직 없다. 어디서 태어났는지 도무지 짐작이 가지 않는다.\n"),
        ("gb18030", "我是猫。名字还没有。不知道在哪里出生的。只记得在一个阴暗潮湿的地方喵喵地哭着。\n"),
    ],
)  # fmt: skip
def test_of_encodings_that_are_as_likely_the_usual_one_is_taken(tmp_path, encoding, text):
    pytest.importorskip("charset_normalizer")
    for times in (1, 20) if encoding != "koi8_r" else (20,):
        found, notes = read_text(write(tmp_path, (text * times).encode(encoding)))
        assert found == text * times and "charset-normalizer takes it for" in notes[0]


def test_what_is_said_of_random_bytes(tmp_path):
    pytest.importorskip("charset_normalizer")
    with pytest.raises(ValueError, match=r"give --encoding, such as cp1252$|is in no encoding|zero bytes"):
        read_text(write(tmp_path, random.Random(0).randbytes(3000)))


def test_without_a_detector_the_encoding_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "charset_normalizer", None)
    path = write(tmp_path, (QUOTE * 20).encode("cp1252"))
    with pytest.raises(ValueError, match=r"tales.txt is not UTF-8, byte 0x91 at 0 \(line 1\) is none: give --encoding"):
        load_book(path)
    assert load_book(path, encoding="cp1252").text == (QUOTE * 20).strip()


def test_one_bad_byte_spoils_no_other(tmp_path):
    raw = (QUOTE * 20).encode()
    place = raw.index("ö".encode(), 200)
    book = load_book(write(tmp_path, raw[:place] + b"\xff" + raw[place + 2 :]))
    good = (QUOTE * 20).strip()
    differing = [number for number, pair in enumerate(zip(book.text, good, strict=True)) if pair[0] != pair[1]]
    assert len(differing) == 1 and book.text[differing[0]] == "\ufffd"
    line = raw[:place].count(b"\n") + 1
    assert f"byte 0xff at {place} (line {line}) is no UTF-8 and read as U+FFFD" in book.notes[0]


def test_every_book_of_a_file_is_kept(tmp_path):
    other = BODY.replace("king", "queen")
    for raw in (
        NEW + NEW.replace(BODY.replace("\n", "\r\n"), other.replace("\n", "\r\n")),
        OLD + OLD.replace(BODY, other),
    ):
        book = load_book(write(tmp_path, raw))
        assert book.text == f"{BODY.strip()}\n\n{other.strip()}"
        assert "tales.txt holds 2 books of Project Gutenberg" in book.notes[0]


def test_parts_and_vocabulary():
    book = Book("tales", BODY)
    size, held, validation = len(BODY), int(len(BODY) * 0.05), int(len(BODY) * 0.02)
    assert book.vocabulary == sorted(set(BODY))
    assert "".join(book.vocabulary[token] for token in book.tokens.tolist()) == BODY
    assert torch.equal(torch.cat([book.train, book.validation, book.held_out]), book.tokens)
    assert (len(book.held_out), len(book.validation), len(book.train)) == (held, validation, size - held - validation)


def test_baselines():
    even = Book("even", "abcd" * 100).baselines()
    assert even["unigram"] == pytest.approx(2.0) and even["bz2"] < 2 and even["xz"] < 2
    skewed = Book("skewed", "aaab" * 100).baselines()
    assert skewed["unigram"] == pytest.approx(-0.75 * log2(0.75) + 0.5)


def test_embedded_book_is_english():
    book = load_embedded_book()
    assert len(book.text) > 300_000 and book.text.count(" the ") > 3000
    assert 4.3 < book.baselines()["unigram"] < 5


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "tales.txt holds no text"),
        (b"\n  \r\n", "tales.txt holds no text"),
        (b"aaaa" * 100, "tales.txt holds one symbol only, 'a': there is nothing to predict"),
        (b"a short one", "tales.txt holds 11 characters, expected at least 100"),
        (b"PK\3\4\0\0\0binary" * 20, "tales.txt is not a text file: it holds zero bytes"),
    ],
)
def test_bad_text(tmp_path, raw, message):
    with pytest.raises(ValueError, match=message):
        load_book(write(tmp_path, raw))


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.txt"):
        load_book(tmp_path / "none.txt")


def test_random_windows_shift_by_one_and_depend_on_the_step():
    tokens = torch.arange(50)
    inputs, targets = random_windows(tokens, 9, 1000, step=3, seed=5)
    assert inputs.shape == targets.shape == (1000, 9)
    assert torch.equal(targets, inputs + 1) and inputs.min() == 0 and targets.max() == 49
    assert torch.equal(inputs, random_windows(tokens, 9, 1000, step=3, seed=5)[0])
    assert not torch.equal(inputs, random_windows(tokens, 9, 1000, step=4, seed=5)[0])
    assert not torch.equal(inputs, random_windows(tokens, 9, 1000, step=3, seed=6)[0])


def test_carried_windows_go_on_where_the_last_ended():
    tokens = torch.arange(1000)
    ends, starts_anew, read = None, [], []
    for step in range(2 * 25):  # 1000 // 4 // 10 steps in a pass
        inputs, targets, anew = carried_windows(tokens, 10, 4, step, seed=1)
        assert torch.equal(targets, (inputs + 1) % 1000)
        if not anew:
            assert torch.equal(inputs[:, 0], ends)
        ends = targets[:, -1]
        starts_anew.append(anew)
        read.append(inputs)
    assert [step for step, anew in enumerate(starts_anew) if anew] == [0, 25]
    assert torch.cat(read[:25]).flatten().unique().numel() == 1000  # a pass reads everything once
    assert not torch.equal(read[0], read[25])


@pytest.mark.parametrize("windows", [random_windows, carried_windows])
@pytest.mark.parametrize(
    ("size", "window", "batch", "message"),
    [
        (30, 30, 4, "the text is too short: 30 characters, but a window of 30 takes one more"),
        (30, 0, 4, "window must be an integer of at least 1, got 0"),
        (30, 3, 0, "batch_size must be an integer of at least 1, got 0"),
    ],
)
def test_bad_windows(windows, size, window, batch, message):
    with pytest.raises(ValueError, match=message):
        windows(torch.arange(size), window, batch, 0)


def test_the_smallest_text_fills_a_batch():
    inputs, _, anew = carried_windows(torch.arange(31), 30, 64, 7)
    assert inputs.shape == (64, 30) and anew


def test_grimm_without_its_licence():
    path = Path(os.environ.get("GRAPHREEL_DATA", "")) / "books" / "grimms_fairy_tales.txt"
    if not path.is_file():
        pytest.skip("$GRAPHREEL_DATA/books/grimms_fairy_tales.txt is missing")
    raw, _ = read_text(path)
    book = load_book(path)
    assert len(raw) - 18_790 - raw.index("Produced by Emma") == len(book.text) + 6  # six newlines before the licence
    assert "Gutenberg" not in book.text and len(book.vocabulary) == 80
    figures = book.baselines()
    assert figures["unigram"] == pytest.approx(4.40, abs=0.01)
    assert figures["bz2"] == pytest.approx(2.11, abs=0.01) and figures["xz"] == pytest.approx(2.36, abs=0.01)


def test_a_prompt_begins_a_paragraph_of_the_held_out_part(tmp_path):
    story = "Nothing here begins like it.\n" * 200 + "\nOne day a fox came by.\n" + "and so it went on\n" * 4
    book = load_book(write(tmp_path, story, "story.tex"))
    assert book.opening() == "One day a" and "One day a" in book.text[-len(book.held_out) :]
    assert load_book(write(tmp_path, "0123456789" * 40, "digits")).opening() == "0123456789"
