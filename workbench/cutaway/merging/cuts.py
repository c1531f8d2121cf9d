"""Groups from the layers and streams of a walk, with the cuts that layers need at their borders."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.fx import Node

from cutaway.merging import layers
from cutaway.merging.flow import Consumer, Flow, Group, Producer, Split, Streams


@dataclass
class Layer:
    """A layer that the walk has met.

    Parameters
    ----------
    path : str
    made : Flow
        What it makes; of a layer of features' own numbers what it reads.
    read : Flow or None
        What it reads; None if that is not known.
    groups : int
        Of a grouped convolution.
    own : bool
        Its numbers belong to its features: a depthwise convolution, a norm.
    node : Node
        Where it stands.
    whole : bool
        It cannot be cut.
    norm : str or None
        Path of the batch norm right behind it.
    """

    path: str
    made: Flow
    read: Flow | None
    groups: int
    own: bool
    node: Node
    whole: bool = False
    norm: str | None = None


@dataclass(frozen=True)
class _Piece:
    """A stretch of an axis of a weight; `root` is None where its features are in no group."""

    root: int | None
    length: int
    block: int


def cut_groups(
    found: Mapping[str, Layer], streams: Streams, modules: Mapping[str, nn.Module]
) -> list[Group]:
    """Groups in network order.

    Parameters
    ----------
    found : mapping of str to Layer
        By path, in network order.
    streams : Streams
    modules : mapping of str to nn.Module
        By path.
    """
    for one in found.values():
        _close_what_cannot_be_cut(one, streams, modules[one.path])
    producers: dict[int, list[Producer]] = {one: [] for one in streams.roots()}
    consumers: dict[int, list[Consumer]] = {one: [] for one in streams.roots()}
    splits: dict[int, dict[str, Split]] = {one: {} for one in streams.roots()}
    for one in found.values():
        rows, columns = _pieces(one, streams, modules[one.path])
        split = _split(one, rows, columns, modules[one.path])
        for row, column in (split or Split(one.path, (0,), (0,))).places():
            path = one.path if split is None else split.part(row, column)
            made, read = rows[row].root, columns[column].root
            if made is not None:
                producers[made].append(Producer(path, one.norm if split is None else None))
            if read is not None and not one.own:
                consumers[read].append(Consumer(path, columns[column].block))
            for root in (made, read):
                if root is not None and split is not None:
                    splits[root][one.path] = split
    return [
        Group(
            streams.all[root].name,
            streams.all[root].size // streams.all[root].parts,
            tuple(producers[root]),
            tuple(consumers[root]),
            tuple(dict.fromkeys(streams.all[root].curved)),
            tuple(splits[root].values()),
            streams.all[root].still,
            streams.all[root].parts,
        )
        for root in streams.roots()
        if not streams.all[root].reason and consumers[root] and producers[root]
    ]


def _close_what_cannot_be_cut(one: Layer, streams: Streams, module: nn.Module) -> None:
    """Refuse the groups of a layer that needs a cut and is not known to bear one."""
    rows, columns = _pieces(one, streams, module)
    plain = type(module) in (*layers.WEIGHTED, *layers.NORMS)
    if (plain and not one.whole) or max(len(rows), len(columns)) == 1:
        return
    for flow in (one.made, one.read):
        if flow is not None:
            streams.close(flow, f"layer {one.path!r} ({type(module).__name__}) cannot be cut")


def _pieces(one: Layer, streams: Streams, module: Any) -> tuple[list[_Piece], list[_Piece]]:
    """Stretches of axis 0 and of axis 1."""
    if one.groups > 1 and not one.own:
        made = _runs(one.made, module.out_channels, one.groups, streams)
        return made, _runs(one.read, module.in_channels, one.groups, streams)
    rows = _stretches(one.made, streams)
    if one.own:
        return rows, rows
    if one.read is None:
        return rows, [_Piece(None, _width(module), 1)]
    return rows, _stretches(one.read, streams)


def _runs(flow: Flow | None, channels: int, groups: int, streams: Streams) -> list[_Piece]:
    root = None if flow is None else streams.root(flow.segments[0].stream)
    if root is not None and streams.all[root].reason:
        root = None
    return [_Piece(root, channels // groups, 1)] * groups


def _stretches(flow: Flow, streams: Streams) -> list[_Piece]:
    found: list[_Piece] = []
    for one in flow.segments:
        root = streams.root(one.stream)
        stream = streams.all[root]
        if stream.reason:
            found.append(_Piece(None, stream.size * one.block, one.block))
        else:
            length = stream.size // stream.parts * one.block
            found += [_Piece(root, length, one.block)] * stream.parts
    return found


def _split(
    one: Layer, rows: list[_Piece], columns: list[_Piece], module: nn.Module
) -> Split | None:
    """The cut that a layer needs; None if it can stay as it is."""
    if all(piece.root is None for piece in (*rows, *columns)):
        return None
    alone = one.own and isinstance(module, layers.NORMS)  # gets the plain form of a norm
    if max(len(rows), len(columns)) == 1 and not alone:
        return None
    lengths = tuple(piece.length for piece in rows), tuple(piece.length for piece in columns)
    diagonal = one.own or one.groups > 1
    return Split(one.path, *lengths, diagonal=diagonal, norm=one.norm)


def _width(module: Any) -> int:
    width: int = module.in_features if isinstance(module, nn.Linear) else module.in_channels
    return width
