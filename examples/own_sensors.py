# %% [markdown]
# # Your own sensors
#
# A table with a row a step and a column a sensor, and beside it the weights between the sensors. Here twelve
# sensors along a road are made up: what passes one of them passes the next an hour later, so that a sensor's
# neighbour knows its future.

# %%
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import mse_loss

from graphreel.combined import Forecaster, forecast_errors, trivial_forecasts
from graphreel.data import load
from graphreel.gnn import GCN
from graphreel.rnn import GRU

FILE = Path("sensors.csv")
if not FILE.exists():
    draw, count, hours = np.random.default_rng(0), 12, 600
    passing = np.convolve(draw.normal(size=hours + count), np.ones(3), "same")
    values = np.stack([passing[count - place : count - place + hours] for place in range(count)], 1)
    table = pd.DataFrame(values + draw.normal(size=values.shape) * 0.1, columns=[f"s{i}" for i in range(count)])
    table.insert(0, "time", pd.date_range("2026-01-01", periods=hours, freq="h"))
    table.to_csv(FILE, index=False)
    np.savetxt("sensors_adj.csv", np.eye(count, k=1) + np.eye(count, k=-1), delimiter=",")

splits = load(FILE, lags=6, horizon=2)
print(*splits.series.notes, sep="\n")
edges, weights = splits.train.series.edge_index, splits.train.series.edge_weight

# %% [markdown]
# Windows of six hours forecast the two that follow. The values are scaled by what training may know; errors are
# told in the units of the file.

# %%
torch.manual_seed(0)
inputs = splits.train.series.values.size(2)
model = Forecaster(GCN(inputs, 32, 2, 32), GRU(32, 32, batch_first=True), horizon=2, autoregressive=6)
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
for epoch in range(20):
    for chosen in torch.randperm(len(splits.train)).split(64):
        window = splits.train.batch(chosen)
        optimizer.zero_grad()
        loss = mse_loss(model(window.x, edges, weights), window.y)
        loss.backward()
        optimizer.step()
    if epoch % 10 == 9:
        print(f"epoch {epoch + 1}: loss {loss:.3f}")

# %%
test = splits.test.batch()
with torch.no_grad():
    forecast = model.eval()(test.x, edges, weights)
train = splits.train.batch()
for name, guess in {"model": forecast, **trivial_forecasts(train, test)}.items():
    undo = splits.test.scaling.undo
    errors = forecast_errors(undo(guess), undo(test.y), test.observed)
    print(f"{name:7} RMSE {errors['test_rmse']:.3f}, two hours ahead {errors['by_step'][1]['rmse']:.3f}")

# %% [markdown]
# Without a line of Python: `graphreel combined train --data sensors.csv --lags 6 --horizon 2 --out runs/road`,
# then `graphreel combined predict runs/road sensors.csv`.
