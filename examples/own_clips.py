# %% [markdown]
# # Your own clips
#
# Bring keypoints of people (or of anything with joints) as one .npz: `keypoints` [all frames, joints, 2],
# `lengths` [clips] and `labels` [clips]. Here 60 clips are made up in which a body of 15 joints waves with its
# left or with its right arm.

# %%
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from torch_geometric.loader import DataLoader

from graphreel.combined import ClipClassifier
from graphreel.data import load
from graphreel.gnn import GAT
from graphreel.rnn import GRU

FILE = Path("clips.npz")
if not FILE.exists():
    draw = np.random.default_rng(0)
    body = draw.normal(size=(15, 2)) * [0.3, 1]
    clips, labels = [], np.arange(60) % 2
    for label in labels:
        frames = np.repeat(body[None], draw.integers(15, 25), 0)
        wave = np.sin(np.arange(len(frames)) * 0.8 + draw.uniform(0, 6))
        frames[:, 7 + label] += wave[:, None] * [0.2, 0.8]  # one of two joints moves up and down
        clips.append(frames + draw.normal(size=frames.shape) * 0.03)
    lengths = np.array([len(clip) for clip in clips])
    np.savez(FILE, keypoints=np.concatenate(clips), lengths=lengths, labels=labels)

splits = load(FILE)
print(len(splits.train), "clips to train on,", len(splits.test), "to test,", splits.num_features, "features a joint")

# %% [markdown]
# Each clip is one graph: frames side by side, edges along the bones and from frame to frame. A graph network
# reads all frames of a batch at once, a recurrent one the frames in their order.

# %%
torch.manual_seed(0)
spatial = GAT(splits.num_features, 32, 2, 32, heads=4)
temporal = GRU(32, 32, batch_first=True)
model = ClipClassifier(spatial, temporal, len(splits.classes), readout="attention")
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
for epoch in range(20):
    losses = []
    for batch in DataLoader(splits.train, batch_size=16, shuffle=True):
        optimizer.zero_grad()
        loss = cross_entropy(model(batch), batch.y)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1}: loss {np.mean(losses):.3f}")

# %%
model.eval()
with torch.no_grad():
    batch = next(iter(DataLoader(splits.test, batch_size=len(splits.test))))
    found = model(batch).argmax(1)
print(f"test accuracy {(found == batch.y).float().mean():.0%}")

# %% [markdown]
# Without a line of Python: `graphreel combined train --data clips.npz --no-augment --out runs/waves`, then
# `graphreel combined attention runs/waves 0`. (Training mirrors clips unless it is told not to; here left and
# right are the classes.)
