"""What the picked filters make of the selected samples, and which pixels drive one of them."""

import importlib.util
from typing import Any

from ipywidgets import HTML, VBox

from cutaway.causal import Attributions, attribute
from cutaway.core import Selection, Tick
from cutaway.data import content_of
from cutaway.filters import FilterScreen
from cutaway.model import Activations, Tiles, UnknownSite, feature_maps
from cutaway_widgets.actions import Action, Actions
from cutaway_widgets.attribution_overlay import AttributionOverlay
from cutaway_widgets.explorers._filter_desk import BUSY, Desk
from cutaway_widgets.explorers._layout import column, end, line, row
from cutaway_widgets.feature_maps import FeatureMaps

MOST_SAMPLES, MOST_UNITS, MOST_EXPLAINED = 40, 12, 12
_EMPTY = "Pick filters in the table and select samples: their feature maps appear here."
_WHY = "Shows which pixels drive the picked filter, for at most 12 of the selected samples."
_SELECT = "First pick a filter and select samples, e.g. by a lasso in the scatter."
_NO_CAPTUM = "Attributions need captum, which is not installed; run: pip install captum"
_NO_PICTURES = "Attributions are drawn on pictures; this data holds none."


class MapSection:
    """Feature maps of the selected samples; an overlay of attributions on demand.

    Parameters
    ----------
    desk : Desk
        Results, selections, and the job.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        samples, units = desk.samples, desk.units
        self.maps = FeatureMaps(
            link=samples, unit_link=units, title="Feature maps of the selected samples",
            empty=_EMPTY, tile=44, height=360,
        )  # fmt: skip
        self.actions = Actions(
            [Action("why", "Why these samples?", help=_WHY)],
            title="Explain",
            lock=desk.workspace.lock,
        )
        self.actions.on_click("why", self.explain)
        self.text = HTML(line(_WHY))
        self.overlay = AttributionOverlay(
            link=samples, title="What drives the filter", height=360, tile=112,
            empty="Press “Why these samples?” to see which pixels drive the picked filter.",
        )  # fmt: skip
        right = column([self.actions, self.text, self.overlay], "340px", 1)
        self.box = VBox([row([column([self.maps], "340px", 1), right])])
        self._stops = (samples.on_selection(self._selected), units.on_selection(self._selected))

    def show(self, _screen: FilterScreen) -> None:
        """Maps for a new screen; attributions stay, they name the filter that they are about."""
        self._selected(None)

    def explain(self) -> None:
        """Attribute the first picked filter's firing to the pixels of the selected samples."""
        desk = self._desk
        picked, ids = desk.picked(), desk.odd_first(MOST_EXPLAINED)
        why_not = _why_not(desk.data.kind) or ("" if picked and ids else _SELECT)
        if why_not:
            self.text.value = line(why_not)
            return
        target = picked[0]
        model, data = desk.model, desk.data

        def work(tick: Tick) -> Attributions:
            return attribute(model, data, ids, target=target, tick=tick)

        begun = desk.begin(f"attribute {target[0]}:{target[1]}", work, self._explained)
        self.text.value = line(_WHY if begun else BUSY)

    def close(self) -> None:
        """Stop following the selections and end the views."""
        for stop in self._stops:
            stop()
        end(self.box)

    def _explained(self, found: Attributions) -> None:
        with self._desk.workspace.lock:
            self._desk.workspace.results["attributions"] = found
            if found.values.ndim != 3:
                self.text.value = line(_NO_PICTURES)
                return
            self.overlay.set_attributions(
                found, data=self._desk.data, title=f"What drives {found.target[0]}"
            )

    def _selected(self, _selection: Selection | None) -> None:
        desk = self._desk
        picked, ids = desk.picked(), desk.odd_first(MOST_SAMPLES)
        if not picked or not ids:
            self.maps.clear()
            return
        site = picked[0][0]
        units = [unit for one, unit in picked if one == site][:MOST_UNITS]
        captured = desk.workspace.activations
        if self._has(captured, site):
            self._draw(_tiles(captured, site, units, ids))
            return
        model, data = desk.model, desk.data
        desk.later(
            f"maps of {site}", lambda _tick: _tiles(model, site, units, ids, data), self._draw
        )

    def _has(self, captured: Activations | None, site: str) -> bool:
        """Whether what was captured last is of this site, these samples and this model."""
        return (
            captured is not None
            and site in captured.sites
            and captured.rows.digest == self._desk.data.index.digest
            and captured.origin.content == content_of(self._desk.data)
            and captured.origin.weights == self._desk.model.digest
        )

    def _draw(self, tiles: Tiles | str) -> None:
        with self._desk.workspace.lock:
            current = set(self._desk.units.index.ids.tolist())
            if isinstance(tiles, str) or not set(tiles.units.ids.tolist()) <= current:
                self.maps.clear()
                self.maps.empty = tiles if isinstance(tiles, str) else _EMPTY
                return
            chosen, shown = self._desk.samples.selection, len(tiles.samples)
            count = shown if chosen is None else max(len(chosen.ids), shown)
            samples = f"{count} selected" if count == shown else f"the {shown} oddest of {count}"
            site = str(tiles.units.ids[0]).rsplit(":", 1)[0]
            self.maps.set_maps(tiles, title=f"Feature maps of {site}, {samples}")


def _tiles(
    source: Any, site: str, units: list[int], ids: list[int | str], data: Any = None
) -> Tiles | str:
    """Tiles, or one line that says why there are none."""
    try:
        return feature_maps(source, site, units, ids, data=data)
    except (ValueError, UnknownSite) as error:
        return str(error)


def _why_not(kind: str) -> str:
    """What stands in the way of an attribution; empty for nothing."""
    if kind != "image":
        return _NO_PICTURES
    return "" if importlib.util.find_spec("captum") else _NO_CAPTUM
