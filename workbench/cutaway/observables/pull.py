"""The walk from the logits to the first nodes of many paths at once.

Paths that end alike share their last steps, so the walk is over the tree of tails: one product a
layer for all covectors that reach its heads, one norm a position for all that read there.

Notation
--------
n   observables; a covector a tail and observable, (n, d)
tail   the nodes of a path from some node on, each with the position it reads
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeAlias

import torch
from torch import Tensor

from cutaway.core import Tick
from cutaway.observables.components import Components
from cutaway.observables.linearise import MlpPoint, points_on_segment
from cutaway.observables.norms import POINTLESS, Norm, NormMode, offset, pull_back
from cutaway.observables.paths import Node, Path
from cutaway.observables.prompts import Readings

Step: TypeAlias = tuple[Node, int | None]  # a node, and the position that it reads
Tail: TypeAlias = tuple[Step, ...]  # earliest first
Points: TypeAlias = tuple[tuple[dict[str, Any], ...], ...]  # by observable, latest first


@dataclass(frozen=True)
class Modes:
    """How norms are passed: of the first node, between, before the logits, of the empty path."""

    norm: NormMode
    final: NormMode
    first: NormMode
    alone: NormMode


@dataclass(frozen=True, eq=False)
class Pulled:
    """Covectors of one path before and after its first node's norm, a row an observable.

    Attributes
    ----------
    vector, vector_post : float64 Tensor of shape (n, d)
        See `FeatureVector`.
    affine : float64 Tensor of shape (n,)
        Constant of the composed maps, in logits.
    tangents : float64 Tensor of shape (n,)
        Part of it that comes from tangents of MLPs.
    points : tuple of tuple of dict
        For each observable a dict a linearised part, latest first.
    """

    vector: Tensor
    vector_post: Tensor
    affine: Tensor
    tangents: Tensor
    points: Points


def pulled(
    components: Components,
    weights: Tensor,
    paths: Sequence[Path],
    *,
    modes: Modes,
    read: Readings,
    mlp_point: MlpPoint,
    tick: Tick,
) -> list[Pulled]:
    """Pull some observables back along some paths.

    Parameters
    ----------
    components : Components
        The model, taken apart.
    weights : float64 Tensor of shape (n, V)
        The observables.
    paths : sequence of Path
        Checked against the model.
    modes : Modes
        Of the norms.
    read : Readings
        Residual streams at the norms that need them; of length 0 without prompts.
    mlp_point : {"boundary", "mid", "pos"}
        Where MLPs are linearised.
    tick : Tick
        Called after each layer.

    Returns
    -------
    list of Pulled
        One a path.
    """
    walk = _Walk(components, read, modes, mlp_point)
    wanted = [_tail(path, read.length) for path in paths]
    ends = set(wanted)
    inner: dict[Tail, Pulled] = {(): walk.start(weights, modes.final)}
    ended: dict[Tail, Pulled] = {(): walk.start(weights, modes.alone)} if () in ends else {}
    levels: dict[tuple[int, bool], set[Tail]] = defaultdict(set)
    shared = {tail[place:] for tail in ends for place in range(1, len(tail))}
    for tail in ends | shared:
        if tail:
            levels[tail[0][0].depth].add(tail)
    for done, depth in enumerate(sorted(levels, reverse=True)):
        posts = walk.through(levels[depth], inner)
        ended |= walk.normed(posts, ends, modes.first)
        inner |= walk.normed(posts, shared, modes.norm)
        tick((done + 1) / (len(levels) + 1), f"feature vectors: layer {depth[0]}")
    return [ended[tail] for tail in wanted]


def sites_read(components: Components, paths: Iterable[Path], modes: Modes) -> list[str]:
    """Norms whose inputs the walk along some paths needs to know."""
    found: dict[str, None] = {}
    for path in paths:
        if (modes.final if path.nodes else modes.alone) not in POINTLESS:
            found[components.final_norm.site] = None
        for place, node in enumerate(path.nodes):
            layer = components.layers[node.layer]
            after = layer.norm_after(node.head)
            if after is not None and modes.norm not in POINTLESS:
                found[after.site] = None
            mode = modes.first if place == 0 else modes.norm
            if node.head is None or mode not in POINTLESS:
                found[layer.norm_before(node.head).site] = None
    return list(found)


def _tail(path: Path, length: int) -> Tail:
    return tuple(zip(path.nodes, path.positions(length or None), strict=True))


@dataclass(frozen=True, eq=False)
class _Walk:
    components: Components
    read: Readings
    modes: Modes
    mlp_point: MlpPoint

    def start(self, weights: Tensor, mode: NormMode) -> Pulled:
        """Before the final norm; where logits are capped and there are prompts, past the cap."""
        final, last = self.components.final_norm, self._last
        affine = torch.zeros(len(weights), dtype=torch.float64)
        points: Points = ((),) * len(weights)
        if self.components.softcap is not None and mode not in POINTLESS and last is not None:
            ends = [
                final.apply(one(final.site, last))
                for one in (self.read.positive, self.read.negative)
            ]
            local, affine = self.components.uncapped(weights, ends[0])
            covector, constant = self.components.unembed(local)
            points = tuple(
                ({
                    "node": "logit cap", "kind": "cap", "site": self.components.head_site,
                    "position": last, "asked": mode,
                    "error_positive": float(reads[0] - self.components.measure(one, ends[0])),
                    "error_negative": float(reads[1] - self.components.measure(one, ends[1])),
                },)
                for one, *reads in zip(
                    weights, *(covector @ z + constant + affine for z in ends), strict=True
                )
            )  # fmt: skip
        else:
            covector, constant = self.components.unembed(weights)
        begun = Pulled(covector, covector, affine + constant, torch.zeros_like(constant), points)
        return self._past(begun, "final norm", final, mode, last)

    @property
    def _last(self) -> int | None:
        return self.read.length - 1 if self.read.length else None

    def through(self, tails: set[Tail], inner: dict[Tail, Pulled]) -> dict[Tail, Pulled]:
        """Covectors on the inputs, after the norm, of the first nodes of tails of one depth."""
        node = next(iter(tails))[0][0]
        parents = sorted({tail[1:] for tail in tails}, key=str)
        given = {parent: self._before(node, parent, inner[parent]) for parent in parents}
        if node.head is None:
            return {tail: self._mlp(tail, given[tail[1:]]) for tail in sorted(tails, key=str)}
        heads = sorted({tail[0][0].head or 0 for tail in tails})
        part = self.components.layers[node.layer].heads
        stacked = torch.cat([given[parent].vector for parent in parents])
        shape = (len(parents), len(stacked) // len(parents), len(heads))
        back = part.pull_back(stacked, heads).reshape(*shape, -1)
        offsets = part.offset(stacked, heads).view(shape)
        found = {}
        for tail in tails:
            parent, head = tail[1:], heads.index(tail[0][0].head or 0)
            row = parents.index(parent)
            found[tail] = replace(
                given[parent],
                vector=back[row, :, head],
                affine=given[parent].affine + offsets[row, :, head],
            )
        return found

    def _before(self, node: Node, parent: Tail, given: Pulled) -> Pulled:
        """Past the norm that a node writes through, if its layer has one."""
        norm = self.components.layers[node.layer].norm_after(node.head)
        if norm is None:
            return given
        written = parent[0][1] if parent else self._last
        name = f"norm after {'MLP' if node.head is None else 'heads'} {node.layer}"
        return self._past(given, name, norm, self.modes.norm, written)

    def _mlp(self, tail: Tail, given: Pulled) -> Pulled:
        node, position = tail[0]
        layer = self.components.layers[node.layer]
        mlp, norm, place = layer.mlp.widened(), layer.mlp_norm, -1 if position is None else position
        negative, positive = (
            norm.apply(one(norm.site, place)) for one in (self.read.negative, self.read.positive)
        )
        found = points_on_segment(
            mlp, given.vector, given.tangents, (negative, positive), self.mlp_point
        )
        t = torch.tensor([one.t for one in found], dtype=torch.float64)[:, None]
        x = negative + t * (positive - negative)
        back = mlp.pull_back(given.vector, x)
        constant = (given.vector * mlp.output(x) - back * x).sum(-1)
        errors = [
            (back @ end + constant - given.vector @ mlp.output(end)).tolist()
            for end in (negative, positive)
        ]
        common = {"node": str(node), "kind": "mlp", "site": mlp.site, "position": place,
                  "asked": self.mlp_point}  # fmt: skip
        points = tuple(
            (
                *before,
                common | asdict(one) | {"error_negative": low, "error_positive": high},
            )
            for before, one, low, high in zip(given.points, found, *errors, strict=True)
        )
        return replace(
            given,
            vector=back,
            affine=given.affine + constant,
            tangents=given.tangents + constant,
            points=points,
        )

    def normed(
        self, posts: dict[Tail, Pulled], tails: set[Tail], mode: NormMode
    ) -> dict[Tail, Pulled]:
        """Past the norms that the first nodes read through, for those that are among some tails."""
        found = {}
        for tail, post in posts.items():
            if tail in tails:
                node, position = tail[0]
                norm = self.components.layers[node.layer].norm_before(node.head)
                found[tail] = self._past(post, str(node), norm, mode, position)
        return found

    def _past(
        self, given: Pulled, name: str, norm: Norm, mode: NormMode, position: int | None
    ) -> Pulled:
        y = given.vector
        if position is None or norm.site not in self.read.residuals or mode in POINTLESS:
            return replace(
                given,
                vector=pull_back(norm, y, None, mode),
                vector_post=y,
                affine=given.affine + offset(norm, y, None, mode),
            )
        x = self.read.positive(norm.site, position)
        other = self.read.negative(norm.site, position)
        back, constant = pull_back(norm, y, x, mode), offset(norm, y, x, mode)
        errors = [(back @ end + constant - y @ norm.apply(end)).tolist() for end in (x, other)]
        common = {
            "node": name, "kind": "norm", "site": norm.site, "position": position, "asked": mode,
            "scale": float(norm.scale(x)), "scale_negative": float(norm.scale(other)),
        }  # fmt: skip
        points = tuple(
            (*before, common | {"error_positive": high, "error_negative": low})
            for before, high, low in zip(given.points, *errors, strict=True)
        )
        return replace(
            given, vector=back, vector_post=y, affine=given.affine + constant, points=points
        )
