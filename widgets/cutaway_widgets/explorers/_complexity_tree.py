"""Merge tree of one group as a dendrogram, and its merged features in a table."""

import ipywidgets
import numpy as np
import pandas as pd

from cutaway.core import Index, Selection
from cutaway.merging import Merge
from cutaway_widgets._link import Link
from cutaway_widgets.bars import Bars
from cutaway_widgets.dendrogram import Dendrogram
from cutaway_widgets.explorers import _complexity_words as words
from cutaway_widgets.explorers._layout import column, end, line, row
from cutaway_widgets.table import Table

_FIRST = "Merge first: the tree of the picked layer appears here."
_COLUMNS = ["feature", "units", "beta", "members"]


class TreeViews:
    """Dendrogram and table of the merged features of the picked group.

    Parameters
    ----------
    groups : Link
        Selection of groups; its first one is shown, else the first in which anything merged.
    units : Link
        Selection of the units of that group, whose rows it takes.
    """

    def __init__(self, groups: Link, units: Link) -> None:
        self.groups, self.units = groups, units
        self._merge: Merge | None = None
        self._group = ""
        self.features = Link(Index.count(0, "feature"), lock=units.lock)
        self.text = ipywidgets.HTML(line(_FIRST))
        self.tree = Dendrogram(
            np.zeros((0, 3)), index=units.index, link=units, name="beta needed",
            title="Merge tree", height=340,
        )  # fmt: skip
        self.table = Table(
            pd.DataFrame(columns=_COLUMNS), index=self.features.index, link=self.features,
            title="Merged features, closest first", height=340,
        )  # fmt: skip
        self._views = row([column([self.tree], "400px", 3), column([self.table], "300px", 2)])
        self._views.layout.display = "none"
        self.box = ipywidgets.VBox([self.text, self._views])
        self._stops = (
            groups.on_selection(self._grouped), self.features.on_selection(self._featured),
        )  # fmt: skip

    @property
    def group(self) -> str:
        """Name of the group that is shown; empty before the first merge."""
        return self._group

    def show(self, merge: Merge) -> None:
        """Show a merge whose groups are the rows of the groups' link."""
        self._merge = merge
        self._draw(pick=True)

    def close(self) -> None:
        """Stop following the selections and end the views."""
        for stop in self._stops:
            stop()
        end(self.box)
        end(self.features)

    def _grouped(self, selection: Selection | None) -> None:
        if selection is not None and str(selection.ids[0]) != self._group:
            self._draw(pick=True)

    def _featured(self, selection: Selection | None) -> None:
        """Select the units that became the picked features."""
        merge = self._merge
        if selection is None or merge is None:
            return
        places = [int(str(one).rsplit(":", 1)[1]) for one in selection.ids]
        clusters = merge.clusters[self._group]
        self.units.select([f"{self._group}:{unit}" for place in places for unit in clusters[place]])

    def _draw(self, *, pick: bool) -> None:
        merge = self._merge
        if merge is None or not len(merge.rows):
            return
        self._group = group = _chosen(merge, self.groups)
        units = words.merged_units(merge, group)
        index = words.unit_index(group, units)
        before = self.units.selection
        if self.units.digest != index.digest:
            self.units.set_index(index)
            before = None
        frame = words.merged_features(merge, group)
        some = len(frame) > 0
        self._views.layout.display = None if some else "none"
        self.text.value = line(_told(merge, group, frame))
        caption = merge.origin.caption()
        cut = merge.beta if some and np.isfinite(merge.beta) else None
        self.tree.set_linkage(
            words.linkage(merge, group), index=index, cut=cut,
            labels=[str(unit) for unit in units], title=f"Merge tree of {group}",
            caption=caption,
        )  # fmt: skip
        ids = Index(np.array([f"{group}:{one}" for one in frame.index], dtype=np.str_), "feature")
        self.features.set_index(ids)
        self.table.set_frame(
            frame.reset_index(), index=ids, sort="beta", descending=False,
            title=f"Merged features of {group}, closest first", caption=caption,
        )  # fmt: skip
        if pick and some and before is None:
            self.features.select(ids.ids[:1].tolist())
        if self.groups.selection is None:
            self.groups.select([group])


def _chosen(merge: Merge, groups: Link) -> str:
    """The picked group, else the first in which anything merged, else the first."""
    names = [str(one) for one in merge.rows.ids]
    chosen = groups.selection
    picked = [str(one) for one in chosen.ids if str(one) in names] if chosen is not None else []
    merged = [name for name in names if words.merged_units(merge, name)]
    return (picked or merged or names)[0]


def _told(merge: Merge, group: str, frame: pd.DataFrame) -> str:
    """How the units of a group went together, or why they did not."""
    left, size = merge.features_left[group], words.size_of(merge, group)
    if left == size:
        g = [str(one) for one in merge.rows.ids].index(group)
        if not np.isfinite(merge.closest[g]):
            return f"{group} has one feature only: there is nothing to merge."
        first = words.begins(merge, group)
        return (
            f"Nothing merges in {group} {words.how(merge)}: its closest pair needs "
            f"{first:.3g}. Pick another layer, or move the slider to the right."
        )
    units = int(frame["units"].sum())
    return (
        f"{group}: {units} of {size} units became {len(frame)} merged "
        f"feature{'s' * (len(frame) > 1)}, the other {size - units} stay alone: {left} are left. "
        f"The largest holds {int(frame['units'].max())} units. Click a branch or a line to see its "
        "members below."
    )


class MergeViews:
    """One merge for a card: groups as bars above, the tree of the picked one below.

    Parameters
    ----------
    groups : Link
        Selection of the groups of the merge.
    """

    def __init__(self, groups: Link) -> None:
        self.units = Link(Index.count(0, "unit"), lock=groups.lock)
        self.bars = Bars(
            np.zeros(len(groups.index)), link=groups, title="Features left of each layer",
            height=320,
        )  # fmt: skip
        self.tree = TreeViews(groups, self.units)
        self.box = ipywidgets.VBox([self.bars, self.tree.box])

    def show(self, merge: Merge) -> None:
        """Show a merge whose groups are the rows of the link."""
        self.bars.set_values(
            merge.left, whole=merge.size, index=merge.rows, details=words.distances(merge),
            notes=[words.kept_text(merge)], caption=merge.origin.caption(),
        )  # fmt: skip
        self.tree.show(merge)

    def close(self) -> None:
        """End the views and the link of the units."""
        self.tree.close()
        end(self.bars)
        end(self.units)
