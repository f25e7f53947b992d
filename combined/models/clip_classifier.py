"""A graph network over all frames at once, a recurrent network over time, a class for every clip."""

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from graphreel.core.checks import invalid_index

from ..layers.padding import pad_sequences
from ..layers.pooling import POOLS, attend_people, concatenate_nodes, follow_tracks, pool_nodes
from ..layers.readout import Readout
from ..layers.recurrence import run_over_time

RECURRENCES = ("frames", "nodes")


@dataclass
class ClipAttention:
    """What weighed how much when clips were classified.

    Attributes:
        nodes: [nodes], the weight of each node in its frame (with recurrence over nodes: its track's in the clip).
        frames: [clips, longest] the weight of each frame; over nodes, [tracks, longest].
    """

    nodes: Tensor
    frames: Tensor


class ClipClassifier(nn.Module):
    r"""Classifies clips whose frames are graphs: a graph network in space, then a recurrent network in time.

    .. math::
        Z = \sigma(\mathrm{GNN}(X, E)), \quad f_t = \mathrm{pool}\{z_i : i \in \text{frame } t\}, \quad
        (h_1 \dots h_T) = \mathrm{RNN}(f_1 \dots f_T), \quad \text{logits} = W\, \mathrm{readout}(h_1 \dots h_T) + b

    A batch of clips is one block-diagonal graph: the graph network runs once over all frames of all clips, nodes are
    pooled by frame, frames are laid out [clips, time, features] with their lengths, and the recurrent network runs
    once. Nothing loops over frames, clips or nodes but the recurrent layer's own steps. A frame without nodes is a
    frame of zeros.

    With `recurrence="nodes"` the recurrent network follows each node (`track`) through the frames that it is in, and
    the tracks are pooled last: for skeletons and whatever else keeps its identity.

    Shapes: a `Clip` or a batch of them -> logits [clips, num_classes].

    Args:
        spatial: any graph layer or model called as (x, edge_index), with edge_weight or edge_attr where it takes them
            and the clips have them; None feeds the nodes on as they are.
        temporal: any recurrent layer of `rnn` or torch.nn; None averages the frames (nothing then sees their order).
        num_classes: how many classes.
        pool: how nodes are pooled: "mean", "max", "attention" (a learned softmax score), "concat" where every clip
            has the same tracks, as the joints of a skeleton: side by side in their order, zeros where one is missing,
            or "people": concat for each person, and people by attention.
        recurrence: "frames" (pool, then recur) or "nodes" (recur, then pool).
        readout: how steps are summed up: "last" state, "mean", "max" or "attention".
        dropout: on what the recurrent network gets (from `front`, where there is one) and on what the head gets.
        head: takes [clips, width] to logits; a linear layer by default.
        front: reads the frames before `temporal` does, as `TimeConvolution`: (frames [clips, time, in_channels],
            lengths) -> [clips, time, out_channels].
        tracks: with pool="concat", how many tracks every clip has, with "people" the joints of a person; `temporal` (or
            `front`) then reads frames that are so many times wider than the output of `spatial`.

    Raises:
        ValueError: an unknown pool, recurrence or readout, or a width that cannot be told; in forward: clips without
            frames, frame or features that do not fit.
    """

    def __init__(
        self,
        spatial: nn.Module | None,
        temporal: nn.Module | None,
        num_classes: int,
        pool: str = "mean",
        recurrence: str = "frames",
        readout: str = "last",
        dropout: float = 0.0,
        head: nn.Module | None = None,
        tracks: int | None = None,
        front: nn.Module | None = None,
    ) -> None:
        super().__init__()
        for name, value, known in (("pool", pool, POOLS), ("recurrence", recurrence, RECURRENCES)):
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}")
        self.spatial, self.front, self.temporal = spatial, front, temporal
        self.pool, self.recurrence = pool, recurrence
        self.num_classes = num_classes
        if front is not None:
            entering = int(getattr(front, "in_channels"))  # noqa: B009
        elif temporal is not None:
            entering = int(getattr(temporal, "input_size"))  # noqa: B009
        else:
            entering = width_of(spatial) * (tracks if tracks and recurrence == "frames" else 1)
        last = temporal or front
        width = width_of(last) if last is not None else entering
        step_width = width
        pooled = width if recurrence == "nodes" else entering
        self.tracks = tracks
        if (pool in ("concat", "people")) != (tracks is not None):
            raise ValueError(f'tracks, the number of them in every clip, goes with pool="concat", got {tracks}')
        if tracks is not None and recurrence == "nodes":
            width *= tracks
            pooled *= tracks
        self.node_score = nn.Linear(pooled, 1) if pool in ("attention", "people") else None
        self.summing = Readout(readout if temporal is not None else "mean", step_width)
        self.dropout = nn.Dropout(dropout)
        self.head = head if head is not None else nn.Linear(width, num_classes)

    def forward(self, clips: Data) -> Tensor:
        return self.attend(clips)[0]

    def attend(self, clips: Data) -> tuple[Tensor, ClipAttention]:
        """The logits [clips, num_classes], and what weighed how much (`ClipAttention`)."""
        num_frames = frames_of(clips)
        z = self.embed(clips)
        if self.recurrence == "nodes":
            return self._by_track(clips, z, num_frames)
        places = self._places(clips, num_frames)
        pooled, nodes = self._pool(z, clips.frame, int(num_frames.sum()), places)
        summary, frames = self._through_time(pooled, num_frames)
        return self.head(self.dropout(summary)), ClipAttention(nodes, frames)

    def embed(self, clips: Data) -> Tensor:
        """The nodes after the graph network and the ReLU, [nodes, features]: one call for all frames of all clips."""
        x = clips.x
        if self.spatial is None:
            return x
        extra = {}
        parameters = inspect.signature(self.spatial.forward).parameters
        if clips.get("edge_weight") is not None and "edge_weight" in parameters:
            extra["edge_weight"] = clips.edge_weight
        if clips.get("edge_attr") is not None and "edge_attr" in parameters and _reads_edges(self.spatial):
            extra["edge_attr"] = clips.edge_attr.to(x.dtype)
        return torch.relu(self.spatial(x, clips.edge_index, **extra))

    def one_clip(
        self, x: Tensor, edge_index: Tensor, frame: Tensor, frames: int, track: Tensor | None = None, **edges: Tensor
    ) -> Tensor:
        """The logits [1, num_classes] of one clip, with recurrence over frames, none of whose numbers are looked at:
        exporters can follow.
        """
        z = self.embed(Data(x=x, edge_index=edge_index, **edges))
        steps = self._pool(z, frame, frames, track)[0][None]
        if self.front is not None:
            steps = self.front(steps)
        outputs, last = (steps, steps[:, -1]) if self.temporal is None else run_over_time(self.temporal, steps, None)
        return self.head(self.summing(outputs, last, torch.full((1,), frames))[0])

    def _through_time(self, rows: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        if self.front is None:
            padded = pad_sequences(self.dropout(rows), lengths)
        else:
            padded = self.dropout(self.front(pad_sequences(rows, lengths), lengths))
        if self.temporal is None:
            return self.summing(padded, padded[:, -1], lengths)
        return self.summing(*run_over_time(self.temporal, padded, lengths), lengths)

    def _by_track(self, clips: Data, z: Tensor, num_frames: Tensor) -> tuple[Tensor, ClipAttention]:
        if clips.get("track") is None:
            raise ValueError('recurrence="nodes" needs clips with `track`, the identity of each node through time')
        clip_of_frame = torch.repeat_interleave(torch.arange(len(num_frames), device=z.device), num_frames)
        order, lengths, names = follow_tracks(clips.frame, clips.track, len(clip_of_frame))
        if len(order) == 0:
            raise ValueError('recurrence="nodes" needs at least one node in the batch, got none')
        summary, frames = self._through_time(z[order], lengths)
        starts = lengths.cumsum(0) - lengths
        clip_of_track = clip_of_frame[clips.frame[order[starts]]]
        places = self._places(clips, num_frames)
        places = places if places is None else places[order[starts]]
        pooled, weights = self._pool(summary, clip_of_track, len(num_frames), places)
        return self.head(self.dropout(pooled)), ClipAttention(weights[torch.searchsorted(names, clips.track)], frames)

    def _pool(self, x: Tensor, group: Tensor, groups: int, places: Tensor | None) -> tuple[Tensor, Tensor]:
        if places is not None and self.tracks is not None:
            if self.node_score is not None:
                return attend_people(x, group, groups, places, self.tracks, self.node_score)
            return concatenate_nodes(x, group, groups, places, self.tracks)
        scores = self.node_score(x).squeeze(-1) if self.node_score is not None else None
        return pool_nodes(x, group, groups, self.pool, scores)

    def _places(self, clips: Data, num_frames: Tensor) -> Tensor | None:
        """With pool="concat" and "people", the track of every node counted from 0 in its clip, [nodes]."""
        if self.tracks is None:
            return None
        if clips.get("track") is None:
            raise ValueError(f'pool="{self.pool}" needs clips with `track`, the identity of each node through time')
        given = torch.as_tensor(clips.num_tracks, device=clips.x.device).view(-1)
        if self.pool == "concat" and int(given.max()) > self.tracks:
            raise ValueError(f"tracks is {self.tracks}, but a clip has {int(given.max())}")
        clip_of_frame = torch.repeat_interleave(torch.arange(len(num_frames), device=given.device), num_frames)
        return clips.track - (given.cumsum(0) - given)[clip_of_frame[clips.frame]]


def frames_of(clips: Data) -> Tensor:
    """The number of frames of every clip [clips], after a look at whether the batch is sound.

    Raises:
        ValueError: a clip without frames, or `frame` does not fit.
    """
    given = clips.get("num_frames")
    if given is None:
        raise ValueError("num_frames is missing: clips need it, the number of frames of each")
    num_frames = torch.as_tensor(given, device=clips.x.device).view(-1)
    if int(num_frames.min()) < 1:
        raise ValueError(f"clip {int(num_frames.argmin())} has no frames: a clip needs at least one")
    frame = clips.get("frame")
    if frame is None or frame.shape != clips.x.shape[:1]:
        raise ValueError(f"frame must be [{len(clips.x)}], one for every row of x, got {_shape(frame)}")
    number = invalid_index(frame, int(num_frames.sum()))
    if number is not None:
        raise ValueError(f"frame holds {number}, but there are {int(num_frames.sum())} frames")
    return num_frames


def width_of(module: Any) -> int:
    """How many features come out of a graph or recurrent layer.

    Raises:
        ValueError: the layer does not say.
    """
    if hasattr(module, "hidden_size"):
        hidden = int(getattr(module, "proj_size", 0) or module.hidden_size)
        return hidden * (2 if getattr(module, "bidirectional", False) else 1)
    width = getattr(module, "out_channels", getattr(module, "out_features", None))
    if not isinstance(width, int):
        raise ValueError(f"{type(module).__name__} does not say its width: it has neither hidden_size nor out_channels")
    return width * (int(module.heads) if getattr(module, "concat", False) else 1)


def _reads_edges(spatial: nn.Module) -> bool:
    return any(isinstance(getattr(module, "edge_dim", None), int) for module in spatial.modules())


def _shape(value: Tensor | None) -> list[int] | None:
    return None if value is None else list(value.shape)
