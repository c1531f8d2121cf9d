"""Merges as a tree: which rows are alike, and what the clusters are below a cut."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import traitlets
from numpy.typing import ArrayLike, NDArray

from cutaway.core import Index
from cutaway_widgets._array import Array
from cutaway_widgets._base import LinkedView, texts
from cutaway_widgets._link import Link

Cut: TypeAlias = Callable[[float | None], None]


class Dendrogram(LinkedView):
    """Dendrogram of merges; its leaves are rows of a link.

    A click on a branch selects its leaves. The cut is dragged or moved by the arrow keys, also
    without a kernel; clusters below it are coloured and counted.

    Parameters
    ----------
    linkage : array_like of shape (m, 4) or (m, 3), or sequence of (a, b, height)
        Merges as SciPy's ``linkage`` gives them: two nodes, the height, and the number of leaves
        where there is a fourth column. Node i below n is row i, node n + i the result of merge i.
        Fewer than n - 1 merges leave several trees.
    index : Index or None
        Ids of the leaves; None takes the link's, else 0 … m.
    link : Link or None
        Shared selection; None makes an own one.
    labels : sequence of str, mapping of id to str, or None
        What to write at the leaves; None writes the ids.
    cut : float or None
        Height of the cut at first, in the unit of the heights; None for no cut.
    name, unit : str
        What the heights are, for the axis.
    title, caption, height
        See `View`.

    Raises
    ------
    ValueError
        If a merge names a node that does not exist yet or was merged before, or lies below one of
        its own branches.
    """

    _kind = traitlets.Unicode("dendrogram").tag(sync=True)
    _merges = Array("f8", (None, 3))
    _labels = traitlets.List().tag(sync=True)
    # No echo: one that arrives during a drag would put the cut back.
    cut = traitlets.Float(None, allow_none=True).tag(sync=True, echo_update=False)
    name = traitlets.Unicode("").tag(sync=True)
    unit = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        linkage: ArrayLike | Sequence[Sequence[float]],
        *,
        index: Index | None = None,
        link: Link | None = None,
        labels: Sequence[str] | Mapping[Any, str] | None = None,
        cut: float | None = None,
        name: str = "distance",
        unit: str = "",
        title: str = "",
        caption: str = "",
        height: int = 300,
    ) -> None:
        self._heard: list[Cut] = []
        if link is None and index is None:
            index = Index.count(len(linkage) + 1, "unit")  # type: ignore[arg-type]
        super().__init__(index, link, title=title, caption=caption, height=height)
        self.set_linkage(linkage, index=index, labels=labels, cut=cut, name=name, unit=unit)

    @property
    def clusters(self) -> Mapping[int | str, int]:
        """Cluster of each id, numbered from 1 from left to right; without a cut one a tree.

        Equal to ``scipy.cluster.hierarchy.fcluster(linkage, cut, "distance")`` where the merges
        make one tree.
        """
        with self._lock:
            merges, index, cut = self._merges, self._rows, self.cut
        numbers = _below(merges, len(index), np.inf if cut is None else cut)
        return MappingProxyType(dict(zip(index.ids.tolist(), numbers.tolist(), strict=True)))

    def set_linkage(
        self,
        linkage: ArrayLike | Sequence[Sequence[float]],
        *,
        index: Index | None = None,
        labels: Sequence[str] | Mapping[Any, str] | None = None,
        cut: float | None = None,
        name: str | None = None,
        unit: str | None = None,
        title: str | None = None,
        caption: str | None = None,
    ) -> None:
        """Show other merges; as in the constructor, but None keeps the words and removes the cut.

        Raises
        ------
        ValueError
            If the merges make no forest, or a merge lies below one of its own branches.
        """
        rows = index if index is not None else self.link.index
        merges = _checked(linkage, len(rows))
        lines = texts("labels", labels, rows)
        words = {"name": name, "unit": unit, "title": title, "caption": caption}
        self._rows = self._take_index(rows)
        self._put(
            {
                "_merges": merges,
                "_labels": lines,
                "_digest": rows.digest,
                "cut": cut,
                **{key: one for key, one in words.items() if one is not None},
            }
        )

    def on_cut(self, callback: Cut) -> Callable[[], None]:
        """Call ``callback(height or None)`` after the cut moved; returns how to stop that.

        Quick moves are merged. What the callback raises is shown under the view.
        """
        self._heard.append(callback)
        return lambda: self._heard.remove(callback) if callback in self._heard else None

    @traitlets.validate("cut")
    def _finite(self, proposal: Any) -> float | None:
        cut: float | None = proposal["value"]
        if cut is not None and not np.isfinite(cut):
            raise ValueError(f"cut must be a finite height or None, got {cut}; None removes it")
        return cut

    @traitlets.observe("cut")
    def _tell(self, change: Any) -> None:
        with self._lock:
            for callback in tuple(self._heard):
                self.guarded(callback)(change["new"])


def _checked(linkage: Any, n: int) -> NDArray[np.float64]:
    """Columns a, b, height of merges that make a forest over n leaves."""
    table = np.array(linkage, dtype=np.float64)
    if table.size == 0:
        table = table.reshape(0, 3)
    if table.ndim != 2 or table.shape[1] not in (3, 4):
        raise ValueError(
            "linkage must have 3 or 4 columns (node, node, height, leaves), got shape "
            f"{table.shape}; give what scipy.cluster.hierarchy.linkage returns"
        )
    if len(table) > max(0, n - 1):
        raise ValueError(
            f"linkage must have at most {max(0, n - 1)} merges for {n} rows, got {len(table)}; "
            "give the index of the rows that were merged"
        )
    if not np.isfinite(table).all():
        at = int(np.argmin(np.isfinite(table).all(axis=1)))
        raise ValueError(
            f"linkage must be finite, got {table[at].tolist()} in merge {at}; drop such distances"
        )
    heights = np.concatenate([np.full(n, -np.inf), table[:, 2]])
    leaves = np.concatenate([np.ones(n), np.zeros(len(table))])
    used = np.zeros(n + len(table), bool)
    for i, (a, b, height) in enumerate(table[:, :3].tolist()):
        for node in (a, b):
            _node(i, node, n, used)
            used[int(node)] = True
            leaves[n + i] += leaves[int(node)]
            if heights[int(node)] > height:
                raise ValueError(
                    f"linkage heights must not fall, got {height} in merge {i} above "
                    f"{heights[int(node)]} in merge {int(node) - n}; use a method without "
                    "inversions (average, complete, ward)"
                )
        if table.shape[1] == 4 and table[i, 3] != leaves[n + i]:
            raise ValueError(
                f"linkage must count {leaves[n + i]:.0f} leaves in merge {i}, got "
                f"{table[i, 3]:.0f}; leave the fourth column out"
            )
    return table[:, :3]


def _node(i: int, node: float, n: int, used: NDArray[np.bool_]) -> None:
    if node != int(node) or not 0 <= node < n + i:
        raise ValueError(
            f"linkage must name nodes 0..{n + i - 1} in merge {i}, got {node:g}; "
            f"below {n} are rows, {n} + j is the result of merge j"
        )
    if used[int(node)]:
        raise ValueError(
            f"linkage must merge each node once, got {node:g} again in merge {i}; "
            "name the result of its merge"
        )


def _below(merges: NDArray[np.float64], n: int, cut: float) -> NDArray[np.int64]:
    """Cluster of each leaf, numbered from 1 from left to right."""
    children = merges[:, :2].astype(np.int64)
    roots = np.setdiff1d(np.arange(n + len(merges)), children.ravel())
    # As on the page: trees before lone leaves, what was merged last first.
    order = [*roots[roots >= n][::-1].tolist(), *roots[roots < n].tolist()]
    clusters = np.zeros(n, np.int64)
    found = 0
    # With each node the cluster that it lies in; 0 above the cut. A stack, not recursion: a chain
    # of 10,000 merges is as deep.
    todo = [(node, 0) for node in reversed(order)]
    while todo:
        node, cluster = todo.pop()
        if not cluster and (node < n or merges[node - n, 2] <= cut):
            found += 1
            cluster = found
        if node < n:
            clusters[node] = cluster
        else:
            a, b = children[node - n].tolist()
            if a < n <= b:  # branches left of lone leaves, as SciPy numbers them
                a, b = b, a
            todo += [(b, cluster), (a, cluster)]
    return clusters
