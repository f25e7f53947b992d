"""The page of a clip: its frames in time, and the weights that `clip_attention` says."""

import pytest
import torch

from graphreel.combined import ClipClassifier, clip_attention, clip_attention_page
from graphreel.data.clips.digits import dance, render
from graphreel.gnn import GAT
from graphreel.rnn import GRU


@pytest.fixture
def clip():
    return dance(0, torch.Generator().manual_seed(0))


@pytest.fixture
def classify(clip):
    torch.manual_seed(0)
    return ClipClassifier(GAT(clip.num_features, 8, 2, 8, heads=2), GRU(8, 6, batch_first=True), 3, "attention")


def test_frames_are_walked_through(browser, classify, clip, tmp_path):
    numbers = clip_attention(classify, clip)
    page = clip_attention_page(classify, clip, ["a", "b", "c"], render(clip)).write(tmp_path / "clip.html")[0]
    browser.open(page)
    browser.evaluate("frame.value = 3; frame.oninput({target: frame})")
    first = clip.frame.tolist().index(3)
    browser.call(
        "Input.dispatchMouseEvent",
        type="mouseMoved",
        **browser.evaluate(f"attention.place('{int(clip.track[first])}')"),
    )
    assert f"weight in its frame {numbers['nodes'][first]:.3f}" in browser.evaluate("panel.textContent")
    browser.evaluate("layer.value = 2; layer.oninput({target: layer})")
    shown = browser.evaluate(
        "[...document.querySelectorAll('.from tr[data-node]')].map(r => [+r.dataset.node, +r.dataset.weight])"
    )
    assert dict(shown) == pytest.approx(
        {e["source"]: e["weight"] for e in numbers["edges"] if e["target"] == first}, abs=1e-6
    )
    assert sum(weight for _, weight in shown) == pytest.approx(1, abs=1e-6)
    before = browser.evaluate("document.getElementById('frame-value').textContent")
    browser.evaluate("play.onclick()")
    browser.evaluate("new Promise(done => setTimeout(done, 700))")
    assert browser.evaluate("document.getElementById('frame-value').textContent") != before


def test_without_attention_edges_share_the_degree(classify, clip):
    plain = ClipClassifier(None, GRU(clip.num_features, 6, batch_first=True), 3)
    page = clip_attention_page(plain, clip)
    ((edge_index, alpha),) = page.layers
    sums = torch.zeros(len(clip.x)).index_add_(0, edge_index[1], alpha[:, 0])
    assert "No layer attends" in page.note and set(sums.round(decimals=5).tolist()) <= {0.0, 1.0}


def test_pictures_are_one_a_frame(classify, clip):
    with pytest.raises(ValueError, match="pictures has 2 frames"):
        clip_attention_page(classify, clip, pictures=render(clip)[:2])
