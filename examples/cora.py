# %% [markdown]
# # Papers by what they cite
#
# 2708 papers on machine learning, 1433 words that each has or has not, 5278 citations, 7 fields. 140 labels are
# known, the others are to be found. GCN (Kipf and Welling, 2017) with the paper's settings; about 82 % of the
# 1000 test papers.

# %%
import torch
from torch.nn.functional import cross_entropy

from graphreel.data import load
from graphreel.gnn import GCN

# Looked for in $GRAPHREEL_DATA and ~/.cache/graphreel, then downloaded. Words are mostly zeros: read them as sparse.
graph = load("cora", sparse_features=True)
classes = int(graph.y.max()) + 1

torch.manual_seed(0)
model = GCN(graph.num_features, 16, 2, classes, dropout=0.5, input_dropout=0.5)
first, second = model.convs
optimizer = torch.optim.Adam(
    [{"params": first.parameters(), "weight_decay": 5e-4}, {"params": second.parameters()}],  # as in the paper
    lr=0.01,
)

# %% [markdown]
# The whole graph is one batch. The epoch that is best on the validation papers is kept, and is tested once.

# %%
best, state = 0.0, model.state_dict()
for _epoch in range(200):
    model.train()
    optimizer.zero_grad()
    scores = model(graph.x, graph.edge_index)
    cross_entropy(scores[graph.train_mask], graph.y[graph.train_mask]).backward()
    optimizer.step()

    model.eval()
    with torch.no_grad():
        right = model(graph.x, graph.edge_index).argmax(1) == graph.y
    if (found := float(right[graph.val_mask].float().mean())) > best:
        best, state = found, {name: value.clone() for name, value in model.state_dict().items()}

model.load_state_dict(state)
with torch.no_grad():
    right = model(graph.x, graph.edge_index).argmax(1) == graph.y
print(f"test accuracy {right[graph.test_mask].float().mean():.1%}")

# %% [markdown]
# Which fields are hard? The share of right answers, field by field.

# %%
for number, name in enumerate(graph.class_names):
    papers = graph.test_mask & (graph.y == number)
    print(f"{name:24} {right[papers].float().mean():6.1%} of {int(papers.sum())}")
