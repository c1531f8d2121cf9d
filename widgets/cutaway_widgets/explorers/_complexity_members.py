"""Members of a merged feature side by side: kernels, feature maps, top samples."""

import math
from dataclasses import dataclass

import ipywidgets
import numpy as np
import torch
from numpy.typing import NDArray

from cutaway.core import Index, Selection, Tick
from cutaway.data import content_of
from cutaway.model import (
    Activations,
    Model,
    Tiles,
    UnknownSite,
    capture,
    feature_maps,
    kernel_tiles,
)
from cutaway_widgets._link import Link
from cutaway_widgets.explorers import _filter_views as views
from cutaway_widgets.explorers._complexity_desk import MergeDesk
from cutaway_widgets.explorers._filter_screen import POOL
from cutaway_widgets.explorers._layout import column, end, line, row
from cutaway_widgets.feature_maps import FeatureMaps
from cutaway_widgets.image_grid import ImageGrid

MOST_MEMBERS, MOST_GRIDS, MOST_INPUTS = 12, 4, 64
TOP, SHOWN = 12, 10
"""Samples of one member's grid, and columns of the feature maps."""
_NONE = "Click a merged feature in the tree or the table: its members appear here, side by side."
_NO_MAPS = "This layer answers with one number a sample: there are no maps, see the top samples."


@dataclass(frozen=True)
class Members:
    """What is shown of some units of one site.

    Parameters
    ----------
    site : str
    units : list of int
    kernels : ndarray of shape (units, inputs, h, w) or None
        Incoming weights; None where the site has none.
    maps : Tiles or None
        Feature maps; None where the site returns none.
    answers : ndarray of shape (units, n)
        Largest value of each unit for each sample.
    """

    site: str
    units: list[int]
    kernels: NDArray[np.float32] | None
    maps: Tiles | None
    answers: NDArray[np.float64]


class MemberSection:
    """Kernels, feature maps and top samples of the selected units.

    Parameters
    ----------
    desk : MergeDesk
        Results, selections, and the job.
    """

    def __init__(self, desk: MergeDesk) -> None:
        self._desk = desk
        self._inputs = Link(Index.count(0, "input"), lock=desk.units.lock)
        self.text = ipywidgets.HTML()
        self.kernels = FeatureMaps(
            link=self._inputs, unit_link=desk.units, colors="diverging", scale="shared", tile=48,
            title="Filters", height=280, empty="This layer has no kernels to show.",
        )  # fmt: skip
        self.maps = FeatureMaps(
            link=desk.samples, unit_link=desk.units, tile=44, title="Feature maps", height=280,
            empty=_NO_MAPS,
        )  # fmt: skip
        self.grids = [
            ImageGrid(link=desk.samples, order=(), title="Top samples", height=150, tile=44)
            for _ in range(MOST_GRIDS)
        ]
        tops = row([column([one], "190px", 1) for one in self.grids])
        pair = row([column([self.kernels], "340px", 1), column([self.maps], "340px", 1)])
        self._views = ipywidgets.VBox([pair, tops])
        self._views.layout.display = "none"
        self._columns = tops.children
        self.box = ipywidgets.VBox([self.text, self._views])
        self._stops = (
            desk.units.on_selection(self._selected), desk.samples.on_selection(self._sampled),
        )  # fmt: skip
        self._shown: Members | None = None

    def close(self) -> None:
        """Stop following the selections and end the views."""
        for stop in self._stops:
            stop()
        end(self.box)
        end(self._inputs)

    def _sampled(self, _selection: Selection | None) -> None:
        """Other samples: maps of these, for the members on the page."""
        if self._shown is not None and self._shown.maps is not None:
            self._ask()

    def _selected(self, selection: Selection | None) -> None:
        if selection is None:
            self._shown = None
            self.text.value = line(_NONE) if len(self._desk.units.index) else ""
            self._views.layout.display = "none"
            return
        self._ask()

    def _ask(self) -> None:
        desk = self._desk
        picked = desk.picked()
        if not picked:
            return
        site = picked[0][0]
        units = [unit for one, unit in picked if one == site][:MOST_MEMBERS]
        chosen = desk.samples.selection
        ids = list(chosen.ids[:SHOWN]) if chosen is not None else []
        model = desk.model

        def work(tick: Tick) -> Members | str:
            try:
                acts = self._captured(model, site, tick)
            except (UnknownSite, ValueError) as error:
                return str(error)
            return _members(model, acts, site, units, ids)

        desk.later(f"members of {site}", work, self._draw)

    def _captured(self, model: Model, site: str, tick: Tick) -> Activations:
        """Activations of the site; those of the last one are kept."""
        desk = self._desk
        found = desk.workspace.activations
        same = (
            isinstance(found, Activations)
            and site in found.sites
            and found.rows.digest == desk.data.index.digest
            and found.origin.content == content_of(desk.data)
            and found.origin.weights == model.digest
        )
        if not same:
            found = capture(model, desk.data, site, pool=POOL, show=None, tick=tick)
            with desk.workspace.lock:
                desk.workspace.activations = found
        acts: Activations = found
        return acts

    def _draw(self, found: Members | str) -> None:
        with self._desk.workspace.lock:
            if isinstance(found, str):
                self.text.value = line(found)
                self._views.layout.display = "none"
                return
            names = [f"{found.site}:{unit}" for unit in found.units]
            if not set(names) <= set(self._desk.units.index.ids.tolist()):
                return
            self._shown = found
            self._views.layout.display = None
            self._kernels(found, Index(np.array(names, dtype=np.str_), "unit"))
            if found.maps is None:
                self.maps.clear()
            else:
                self.maps.set_maps(found.maps, title=f"Feature maps of {found.site}")
            self._tops(found)

    def _kernels(self, found: Members, names: Index) -> None:
        if found.kernels is None:
            self.kernels.clear()
            return
        tiles = found.kernels[:, :MOST_INPUTS]
        inputs = Index.count(tiles.shape[1], "input")
        if self._inputs.digest != inputs.digest:
            self._inputs.set_index(inputs)
        whole = tiles.shape[1] == 1
        folded = ", all inputs folded into a square" if whole and tiles.shape[2] > 8 else ""
        self.kernels.tile = 112 if folded else 48
        self.kernels.set_maps(tiles, names, inputs, title=f"Filters of {found.site}{folded}")

    def _tops(self, found: Members) -> None:
        desk = self._desk
        rows = desk.data.index
        for k, (grid, box) in enumerate(zip(self.grids, self._columns, strict=True)):
            box.layout.display = None if k < len(found.units) else "none"
            if k >= len(found.units):
                grid.set_rows(order=())
                continue
            answers = found.answers[k]
            labels = views.sample_labels(desk.data, desk.predictions, answers)
            grid.set_rows(
                order=rows.ids[top(answers, TOP)].tolist(), labels=labels,
                title=f"Top samples of {found.site}:{found.units[k]}",
            )  # fmt: skip
        self.text.value = line(_told(found, len(desk.picked())))


def top(answers: NDArray[np.float64], n: int) -> NDArray[np.int64]:
    """Places of the largest answers, largest first."""
    order = np.argsort(-np.nan_to_num(answers, nan=-np.inf), kind="stable")
    return order[:n].astype(np.int64)


def likeness(answers: NDArray[np.float64]) -> float:
    """Smallest correlation of the answers of any two units over the samples; NaN for one unit."""
    if len(answers) < 2:
        return math.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        table = np.asarray(np.corrcoef(answers), np.float64)
    off = table[np.triu_indices(len(table), 1)]
    return float(np.nanmin(off)) if np.isfinite(off).any() else math.nan


def _told(found: Members, picked: int) -> str:
    n = len(found.units)
    units = ", ".join(str(one) for one in found.units)
    text = f"{found.site}, {'unit' if n == 1 else 'units'} {units}"
    if picked > n:
        text += f" (the first {n} of {picked})"
    alike = likeness(found.answers)
    if math.isfinite(alike):
        text += f": their strongest answers to the samples correlate by {alike:.2f} or more"
    more = f"; top samples of the first {MOST_GRIDS}" if n > MOST_GRIDS else ""
    return f"{text}{more}."


def _members(
    model: Model, acts: Activations, site: str, units: list[int], ids: list[int | str]
) -> Members:
    values = strongest(acts, site, units)
    if not ids:
        few = -(-SHOWN // len(units))
        places = dict.fromkeys(int(one) for row_ in values for one in top(row_, few))
        ids = acts.rows.ids[list(places)[:SHOWN]].tolist()
    try:
        maps = feature_maps(acts, site, units, ids)
    except ValueError:
        maps = None
    return Members(site, units, incoming(model, site, units), maps, values)


def strongest(acts: Activations, site: str, units: list[int]) -> NDArray[np.float64]:
    """Largest value of each unit for each sample, over places or positions.

    Returns
    -------
    ndarray of shape (units, n)
    """
    array = np.asarray(acts[site])
    letters = acts.layouts[site].split()
    axis = next((k for k, one in enumerate(letters) if one in {"c", "d"}), 1)
    chosen = np.moveaxis(np.take(array, units, axis=axis), axis, 0).astype(np.float64)
    if acts.mask is not None and "t" in letters and chosen.ndim == 3:
        chosen = np.where(acts.mask[None], chosen, -np.inf)
    found: NDArray[np.float64] = chosen.reshape(len(units), len(array), -1).max(axis=2)
    return found


def incoming(model: Model, site: str, units: list[int]) -> NDArray[np.float32] | None:
    """Weights that make each unit, as tiles: kernels, or all inputs folded into a square."""
    try:
        return kernel_tiles(model, site, units).values
    except ValueError:
        pass
    weight = getattr(dict(model.module.named_modules()).get(site), "weight", None)
    if not isinstance(weight, torch.Tensor) or weight.ndim != 2 or max(units) >= len(weight):
        return None
    lines = weight.detach()[units].to("cpu", torch.float32).numpy()
    side = math.ceil(math.sqrt(lines.shape[1]))
    high = -(-lines.shape[1] // side)
    folded = np.full((len(lines), high * side), np.nan, np.float32)
    folded[:, : lines.shape[1]] = lines
    return folded.reshape(len(lines), 1, high, side)
