"""The page of a forecast: the attention is the model's own, the values are the file's and the forecast's."""

import json

import pytest
import torch

from graphreel.data.examples import write_example
from graphreel.experiments import start
from graphreel.experiments.series_settings import SeriesSettings
from graphreel.inspect.clip_attention import draw
from graphreel.inspect.forecasts import forecast_of, read_series, windows_over
from graphreel.inspect.load_run import load_run
from graphreel.inspect.series_attention import series_page


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("series")
    write_example("series", folder / "s.csv")
    return folder


@pytest.fixture(scope="module", params=[("gat", "window"), ("gcn", "carried")], ids=lambda pair: "-".join(pair))
def run(request, place):
    spatial, memory = request.param
    given = {"spatial": spatial, "memory": memory, "epochs": 1, "compare_edges": False, "coverage": 0.0, "season": 0}
    settings = SeriesSettings.resolve(str(place / "s.csv"), given)
    return start(settings, place / spatial, quiet=True).path


def test_weights_values_and_forecast(run, place, browser):
    trained, file = load_run(run), place / "s.csv"
    lags, at, time = trained.settings.lags, 100, "2024-01-05T03:00"
    page = series_page(trained, file, at=time)
    series = read_series(file, None, trained.settings, trained.entries)
    past = series.values[at - lags : at, :, 0].masked_fill(~series.observed[at - lags : at], torch.nan)
    told = forecast_of(trained, file, None, time).values
    shown = torch.tensor([torch.nan if value is None else value for value in page.entries["value"]])
    torch.testing.assert_close(shown.view(-1, 3), torch.cat([past, told]).float(), equal_nan=True)
    assert sum(page.entries["node_weight"]) == pytest.approx(1, abs=1e-5)
    for edge_index, alpha in page.layers:
        sums = torch.zeros(lags * 3, alpha.size(1)).index_add_(0, edge_index[1], alpha)
        torch.testing.assert_close(sums, torch.ones_like(sums))
        assert torch.equal(edge_index[0] // 3, edge_index[1] // 3)  # edges stay in their step
    if trained.settings.spatial == "gat":
        windows = windows_over(trained, series)
        read = windows.batch(torch.tensor([at - lags]), targets=False)
        x = torch.cat([read.x, trained.model.embedding.expand(1, lags, -1, -1)], -1).transpose(0, 1)
        layer = trained.model.forecaster.spatial.convs[0]
        _, (edges, alpha) = layer(x, read.edge_index, read.edge_weight, return_attention_weights=True)
        own = page.layers[0][1].view(-1, alpha.size(-1))
        ours = {(s, t): a for s, t, a in zip(*page.layers[0][0].tolist(), own, strict=True)}
        for step in range(lags):
            for k, (s, t) in enumerate(edges.t().tolist()):
                torch.testing.assert_close(ours[step * 3 + s, step * 3 + t], alpha[step, 0, k])
    written, numbers = page.write(place / f"{run.name}.html")
    assert {row["frame"] for row in json.loads(numbers.read_text())} == set(range(lags))
    browser.open(written)
    browser.evaluate("search.value = 'middle'; search.oninput({target: search})")
    said = browser.evaluate("panel.textContent")
    assert "influence on the forecast" in said and "dashed: forecast" in said
    assert browser.evaluate("document.querySelectorAll('.course path').length") == 3


def test_a_series_is_a_page_alone(run, place):
    with pytest.raises(ValueError, match="give --html"):
        draw(run, str(place / "s.csv"), None)
