# %% [markdown]
# # Who attends to whom
#
# Six nodes A to F, some labels hidden. A graph attention network learns them, and shows what each node listened
# to. Dropout is what makes it listen: without, it may learn the labels by looking at single nodes, and fail on
# the hidden ones.

# %%
import torch
from torch.nn.functional import cross_entropy

from graphreel.data import load
from graphreel.gnn import GAT, attention_weights, draw_attention, updates_between

graph = load("six-node")
torch.manual_seed(0)
model = GAT(graph.num_features, 16, 2, 2, dropout=0.6, input_dropout=0.6, heads=2)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for _step in range(200):
    optimizer.zero_grad()
    scores = model(graph.x, graph.edge_index)
    cross_entropy(scores[graph.train_mask], graph.y[graph.train_mask]).backward()
    optimizer.step()

model.eval()
with torch.no_grad():
    right = model(graph.x, graph.edge_index).argmax(1) == graph.y
print(f"hidden labels found: {right[graph.test_mask].float().mean():.0%}")

# %% [markdown]
# `attention_weights` gives for every layer the edges, loops included, and a weight per edge and head. The
# weights into a node sum to one, so they say how it divides its attention.

# %%
edge_index, alpha = attention_weights(model, graph)[0]
node = graph.node_names.index("C")
for source, weight in zip(edge_index[0][edge_index[1] == node], alpha[edge_index[1] == node].mean(1), strict=True):
    print(f"C listens to {graph.node_names[int(source)]}: {weight:.2f}")

# %% [markdown]
# The same as a picture, with the numbers beside it as JSON.

# %%
figure, numbers = draw_attention(model, graph, node="C", path="six-nodes.png")
figure

# %% [markdown]
# A layer carries news one edge far. After how many can E know of C?

# %%
print("C reaches E after", updates_between(graph, "C", "E"), "updates")
