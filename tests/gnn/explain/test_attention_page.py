"""The page that shows attention: its numbers, and what a reader sees who points at a node."""

import json

import pytest
import torch
from torch_geometric.data import Data

from graphreel.data import load
from graphreel.gnn import GAT, attention_page, attention_weights, show_attention
from graphreel.gnn.explain import attention_page as module


@pytest.fixture
def six():
    return load("six-node")


@pytest.fixture
def model(six):
    torch.manual_seed(0)
    return GAT(six.num_features, 8, 2, 2, heads=4)


def rows_of(browser, side):
    script = (
        f"[...document.querySelectorAll('.{side} tr[data-node]')].map(r => [r.cells[0].textContent, +r.dataset.weight])"
    )
    return dict(browser.evaluate(script))


def point_at(browser, name):
    place = browser.evaluate(f"attention.place({name!r})")
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", **place)


def test_pointing_at_a_node_shows_its_weights(browser, model, six, tmp_path):
    page, numbers = attention_page(model, six).write(tmp_path / "page.html")
    weights = json.loads(numbers.read_text())
    browser.open(page)
    point_at(browser, "C")
    heads = [w["weight"] for w in weights if w["layer"] == 1 and (w["source"], w["target"]) == ("D", "C")]
    listens = rows_of(browser, "from")
    assert sum(listens.values()) == pytest.approx(1, abs=1e-6)
    assert listens["D"] == pytest.approx(sum(heads) / 4, abs=1e-6)
    assert set(rows_of(browser, "to")) == {"C", "D"}
    browser.evaluate("head.value = 3; head.oninput({target: head})")
    assert rows_of(browser, "from")["D"] == pytest.approx(heads[2], abs=1e-6)
    asked = [e["params"]["request"]["url"] for e in browser.events if e.get("method") == "Network.requestWillBeSent"]
    assert all(url.startswith(("file:", "data:")) for url in asked)


def test_the_keyboard_walks_and_the_search_finds(browser, model, six, tmp_path):
    browser.open(attention_page(model, six).write(tmp_path / "page.html")[0], dark=True)
    browser.evaluate("document.getElementById('top').focus()")
    for key in ("ArrowRight", "ArrowRight"):
        browser.call("Input.dispatchKeyEvent", type="keyDown", key=key)
    assert browser.evaluate("document.getElementById('node').textContent") == "B"
    browser.evaluate("search.value = 'e'; search.oninput({target: search})")
    assert browser.evaluate("document.getElementById('node').textContent") == "E"


def test_a_page_is_one_file_and_says_nothing_as_code(model, six):
    six.node_names = ["</script><script>alert(1)</script>", "B", "C", "D", "E", "F"]
    page = attention_page(model, six, title="<b>")
    assert "</script><script>alert" not in page.html() and "<b>" not in page.html()
    assert "srcdoc" in show_attention(model, six)._repr_html_()


def test_of_a_large_graph_the_nearest_are_shown(monkeypatch):
    monkeypatch.setattr(module, "MOST_NODES", 20)
    torch.manual_seed(0)
    graph = Data(x=torch.randn(300, 4), edge_index=torch.randint(300, (2, 900)))
    model = GAT(4, 8, 2, 3, heads=2)
    page = attention_page(model, graph, node=7)
    shown = [int(name) for name in page.names]
    assert 7 in shown and len(shown) <= 20 and page.names[page.entries["center"]] == "7"
    edge_index, alpha = attention_weights(model, graph)[0]
    whole = {(s, t): a for (s, t), a in zip(edge_index.t().tolist(), alpha.tolist(), strict=True)}
    kept, weights = page.layers[0]
    for (s, t), a in zip(kept.t().tolist(), weights.tolist(), strict=True):
        assert whole[shown[s], shown[t]] == pytest.approx(a)
    assert sum(target in shown and source in shown for source, target in whole) == len(weights)


def test_no_attention_is_a_sentence(six):
    with pytest.raises(ValueError, match="must have an attention layer"):
        attention_page(torch.nn.Linear(2, 2), six)
