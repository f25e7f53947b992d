"""Clips: the graphs of all frames of a video, laid side by side in one `Data`."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphreel.core.checks import invalid_index

from ..graphs.edge_attributes import undirected


class Clip(Data):
    """The frames of one clip as one graph; PyG's `Batch` and `DataLoader` turn clips into a batch of clips.

    Frames may differ in nodes and edges, clips in length. Batching offsets `frame` by the number of frames that came
    before (so a frame without nodes keeps its place) and `track` by the number of tracks.

    Shapes:
        x [nodes of all frames, features]; frame [nodes], the frame that a node is in, 0 .. num_frames - 1;
        num_frames, an integer, [clips] in a batch; edge_index [2, edges] within frames and, where nodes are tracked,
        from a frame to the next; y [1], the class. Optional: edge_attr [edges, 1], how many frames lie between an
        edge's ends (0 or 1); track [nodes] and num_tracks, who a node is through time; num_people, who
        have equally many of the tracks, one after the other; pos [nodes, 2 or 3], in pixels; size [height, width] of
        the picture as `canvas` [1, 2]; the `file` it was read from.
    """

    def __inc__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        if key == "frame":
            return int(self.num_frames)
        if key == "track":
            return int(self.num_tracks)
        return super().__inc__(key, value, *args, **kwargs)

    def __cat_dim__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        return 0 if key in ("frame", "track") else super().__cat_dim__(key, value, *args, **kwargs)

    @classmethod
    def from_frames(
        cls,
        frames: Sequence[Tensor],
        edges: Sequence[Tensor],
        y: int | None = None,
        tracks: Sequence[Tensor] | None = None,
        **attributes: Any,
    ) -> "Clip":
        """Lay the graphs of frames side by side.

        Args:
            frames: for every frame the features of its nodes, [nodes, features]; a frame may have none, [0, features].
            edges: for every frame its edge_index [2, edges], counted from 0 in every frame.
            y: the class.
            tracks: for every frame the identities [nodes] of its nodes; each is then also linked, by an edge, to itself
                in the next frame.
            attributes: further attributes of the clip, as for `Data`.

        Raises:
            ValueError: there are no frames, or the lists or shapes disagree.
        """
        if len(frames) == 0:
            raise ValueError("frames is empty: a clip needs at least one frame")
        for name, given in (("edges", edges), ("tracks", tracks)):
            if given is not None and len(given) != len(frames):
                raise ValueError(f"{name} has {len(given)} entries, but there are {len(frames)} frames")
        width = frames[0].size(-1) if frames[0].dim() else 0
        for t, (nodes, pairs) in enumerate(zip(frames, edges, strict=True)):
            if nodes.dim() != 2 or nodes.size(1) != width:
                raise ValueError(f"frames[{t}] must be [nodes, {width}], got {list(nodes.shape)}")
            if pairs.numel() and (pairs.dim() != 2 or pairs.size(0) != 2):
                raise ValueError(f"edges[{t}] must be [2, edges], got {list(pairs.shape)}")
            node = invalid_index(pairs, len(nodes))
            if node is not None:
                raise ValueError(f"edges[{t}] holds node {node}, but frame {t} has {len(nodes)} nodes")
            if tracks is not None and len(tracks[t]) != len(nodes):
                raise ValueError(f"tracks[{t}] has {len(tracks[t])} entries, but frame {t} has {len(nodes)} nodes")
        counts = torch.tensor([len(nodes) for nodes in frames])
        starts = (counts.cumsum(0) - counts).tolist()
        frame = torch.repeat_interleave(torch.arange(len(frames)), counts)
        numbered = [pairs.long().reshape(2, -1) + start for pairs, start in zip(edges, starts, strict=True)]
        edge_index = torch.cat(numbered, dim=1)
        steps = torch.zeros(edge_index.size(1), 1)
        if tracks is not None:
            names, track = torch.cat([torch.as_tensor(t) for t in tracks]).unique(return_inverse=True)
            onward = edges_through_time(frame, track)
            edge_index = torch.cat([edge_index, onward], dim=1)
            steps = torch.cat([steps, torch.ones(onward.size(1), 1)])
            attributes |= {"track": track, "num_tracks": len(names)}
        if y is not None:
            attributes["y"] = torch.tensor([y])
        clip = cls(
            x=torch.cat(list(frames)),
            edge_index=edge_index,
            edge_attr=steps,
            frame=frame,
            num_frames=len(frames),
            **attributes,
        )
        return clip.checked()

    def checked(self) -> "Clip":
        """The clip itself, if it is sound.

        Raises:
            ValueError: saying what is wrong.
        """
        if self.get("num_frames") is None or int(self.num_frames) < 1:
            raise ValueError(f"num_frames is {self.get('num_frames')}: a clip needs at least one frame")
        x, frame, edge_index = self.x, self.get("frame"), self.edge_index
        if x is None or x.dim() != 2:
            raise ValueError(f"x must be [nodes, features], got {None if x is None else list(x.shape)}")
        if frame is None or frame.shape != x.shape[:1]:
            raise ValueError(f"frame must be [{len(x)}], one for every row of x, got {_shape(frame)}")
        if not torch.isfinite(x).all():
            raise ValueError(f"x holds {int((~torch.isfinite(x)).sum())} values that are NaN or infinite")
        number = invalid_index(frame, int(self.num_frames))
        if number is not None:
            raise ValueError(f"frame holds {number}, but the clip has {int(self.num_frames)} frames")
        if edge_index is None or edge_index.dim() != 2 or edge_index.size(0) != 2:
            raise ValueError(f"edge_index must be [2, edges], got {_shape(edge_index)}")
        node = invalid_index(edge_index, len(x))
        if node is not None:
            raise ValueError(f"edge_index holds node {node}, but x has {len(x)} rows")
        return self

    def between(self, start: int, stop: int) -> "Clip":
        """The frames start .. stop - 1, and the edges between them."""
        clip = self.clone()
        kept = (self.frame >= start) & (self.frame < stop)
        edges = kept[self.edge_index].all(0)
        number = kept.cumsum(0) - 1
        for name in ("x", "pos", "track", "frame"):
            if self.get(name) is not None:
                clip[name] = self[name][kept]
        for name in ("edge_attr", "edge_weight"):
            if self.get(name) is not None:
                clip[name] = self[name][edges]
        clip.edge_index, clip.frame = number[self.edge_index[:, edges]], clip.frame - start
        clip.num_frames = stop - start
        return clip

    def undirected(self) -> "Clip":
        """The clip with every edge in both directions: a graph network can then not see which way time runs.

        Of edges that fall together the largest value of each per-edge attribute stays.
        """
        return undirected(self.clone(), reduce="max")

    def apart(self) -> "Clip":
        """The clip, or batch of clips, without the edges between people."""
        clip = self.clone()
        joints = int(torch.as_tensor(self.num_tracks).max()) // int(torch.as_tensor(self.num_people).max())
        source, target = (self.track // joints)[self.edge_index]
        own = source == target
        clip.edge_index, clip.edge_attr = self.edge_index[:, own], self.edge_attr[own]
        return clip

    def reversed_in_time(self) -> "Clip":
        """The same clip played backwards: edges from a frame to the next turn round with it."""
        clip = self.clone()
        clip.frame = int(self.num_frames) - 1 - self.frame
        across = self.frame[self.edge_index[0]] != self.frame[self.edge_index[1]]
        clip.edge_index = torch.where(across, self.edge_index.flip(0), self.edge_index)
        return clip


def edges_through_time(frame: Tensor, track: Tensor) -> Tensor:
    """Edges [2, edges] from every node to the node of the same track in the next frame, where there is one."""
    order = (track * (int(frame.max()) + 1 if len(frame) else 1) + frame).argsort()
    source, target = order[:-1], order[1:]
    follows = (track[source] == track[target]) & (frame[source] + 1 == frame[target])
    return torch.stack([source[follows], target[follows]])


def _shape(value: Tensor | None) -> list[int] | None:
    return None if value is None else list(value.shape)
