# %% [markdown]
# # A text, character by character
#
# A small LSTM reads a text and learns to foretell the next character. Put a path in place of `"book"` for a
# text of your own; "book" is the language reference that comes with every Python.

# %%
import torch

from graphreel.data import load
from graphreel.data.sequences.text_windows import random_windows
from graphreel.rnn import CharLM, Vocabulary, bits_per_character, generate

book = load("book")
print(f"{len(book.text):,} characters, {len(book.vocabulary)} of them different")

torch.manual_seed(0)
model = CharLM(len(book.vocabulary), embedding_dim=32, hidden_size=128, num_layers=1)
steps = 300
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)

# %% [markdown]
# Windows of 30 characters from anywhere in the training part; at every step the target is the character that
# follows.

# %%
for step in range(steps):
    inputs, targets = random_windows(book.train, window=30, batch_size=64, step=step)
    optimizer.zero_grad()
    _scores, loss, _state = model(inputs, targets)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    schedule.step()
    if step % 100 == 99:
        print(f"step {step + 1}: loss {loss:.2f}")

# %% [markdown]
# How good is that? Bits per character of the held-out end of the text, read once from start to end, beside what
# counting letters and what a compressor need.

# %%
print(f"model {bits_per_character(model, book.held_out):.2f} bits per character")
for name, bits in book.baselines().items():
    print(f"{name} {bits:.2f}")

# %%
vocabulary = Vocabulary(book.vocabulary)
[text] = generate(model, vocabulary, "The ", 200, temperature=0.7, generator=torch.Generator().manual_seed(0))
print("The " + text)
