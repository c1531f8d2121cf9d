"""Pick layers, choose a lens, set it, run it."""

from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets

from cutaway.lenses import Lens, lens
from cutaway.model import Sites
from cutaway.model.card import byte_count, bytes_text
from cutaway_widgets.explorers import _filter_views as words
from cutaway_widgets.explorers._costs import Costs
from cutaway_widgets.explorers._layout import end, line
from cutaway_widgets.explorers._lens_fields import arguments, lens_fields, mixed
from cutaway_widgets.explorers._run import (
    LIMIT,
    WHICH,
    Asked,
    chosen_ids,
    offered,
    planned_bytes,
    sample_fields,
)
from cutaway_widgets.explorers._scene import Scene
from cutaway_widgets.explorers._work import Opened
from cutaway_widgets.form import Field, Form
from cutaway_widgets.site_tree import SiteTree

EMPTY = "Open a model first: its layers appear here."
LENS = "lens"
PICKED = "picked"  # of the form: what the tree beside it shows


class LensPanel:
    """Tree of layers with what they will cost, and the settings of a lens.

    Parameters
    ----------
    lock : threading.RLock
        The workspace's.
    max_bytes : int or str
        The most that a capture may keep.
    scene : Scene
        Brings selection and predictions for a lens about samples.
    inline : bool
        Measure costs in the caller's thread.
    run : callable
        Called with the values of the form.
    picked : callable
        Called when other layers are picked.
    """

    def __init__(
        self,
        lock: Any,
        max_bytes: int | str,
        scene: Scene,
        *,
        inline: bool,
        run: Callable[[Mapping[str, Any]], None],
        picked: Callable[[], None],
    ) -> None:
        self.max_bytes = max_bytes
        self._opened: Opened | None = None
        self._scene = scene
        self._told = picked
        self.tree = SiteTree([], title="Layers", height=260, lock=lock)
        self.cost = ipywidgets.HTML()
        self.costs = Costs(max_bytes, lock, inline=inline)
        self._lenses = offered()
        self.form = Form(
            [], submit="Run", title="Lens", lock=lock, beside={PICKED: (self.tree, "_picked")}
        )
        self._run = run
        self._show(self._lenses[0])
        self.parts = (self.tree, self.cost, self.form)
        self.box = ipywidgets.VBox([self.tree, self.cost, self.costs.view, self.form])
        self._stops = (
            self.tree.on_pick(lambda _paths: self._picked()),
            self.form.on_submit(self._submitted),
            self.form.on_change(self._changed),
            self.costs.close,
        )
        self._say()

    @property
    def lens(self) -> Lens:
        """The chosen lens."""
        return lens(str(self.form.raw[LENS]))

    def set_opened(self, opened: Opened | None) -> None:
        """Show the layers of another model, none picked."""
        self._opened = opened
        tree = None if opened is None else opened.sites
        shown = [one for one in tree if one.shape] if tree is not None else []
        self.tree.set_sites(shown, pickable=words.pickable(tree) if tree is not None else ())
        self._picked()

    def _submitted(self, values: Mapping[str, Any]) -> None:
        """Run with the layers that were picked in the page when the button was pressed."""
        seen = self.form.seen.get(PICKED)
        if seen is not None and tuple(seen) != self.tree.picked:
            self.tree.pick(seen)
        self._run(values)

    def asked(self, values: Mapping[str, Any]) -> Asked | None:
        """What to run; None where something is missing, which the note beside the button says.

        Raises
        ------
        ValueError
            If the values do not fit the data or what is selected.
        """
        if self.form.note or self._opened is None:
            return None
        chosen, data, scene = self.lens, self._opened.data, self._scene
        own = {name: one for name, one in values.items() if name not in {LENS, WHICH, LIMIT}}
        settings = arguments(own, data.labels, mixed(chosen))
        if not sample_fields(chosen):
            return Asked(chosen, self.tree.picked, settings)
        known = scene.predictions.get(self._opened.model.digest)
        ids = chosen_ids(data.index, values, scene.samples.selection, known)
        return Asked(chosen, (), settings, ids)

    def close(self) -> None:
        """Stop listening, and end the views."""
        for stop in self._stops:
            stop()
        for one in (*self.parts, self.box):
            end(one)

    def _show(self, chosen: Lens) -> None:
        names = tuple(one.name for one in self._lenses)
        titles = tuple(f"{one.name}: {one.title}" for one in self._lenses)
        first = Field(LENS, "choice", chosen.name, "What to run", options=names, titles=titles)
        self._shown = chosen.name
        self.form.set_fields([first, *sample_fields(chosen), *lens_fields(chosen)])

    def _changed(self) -> None:
        if self.form.raw[LENS] != self._shown:
            self._show(self.lens)
            self._say()

    def _picked(self) -> None:
        self._say()
        self._told()

    def _say(self) -> None:
        opened, picked = self._opened, self.tree.picked
        of_samples = bool(sample_fields(self.lens))
        self.costs.want(opened, () if of_samples else picked)
        if opened is None:
            self.cost.value = line(EMPTY)
            self.form.note = "Open a model and data first."
        elif of_samples:
            self.cost.value = line("This lens looks at samples: no layer need be picked.")
            self.form.note = ""
        elif not picked:
            self.cost.value = line("Tick the layers to look into.")
            self.form.note = "Pick at least one layer."
        else:
            self.form.note = ""
            n = len(opened.data)
            self.cost.value = line(cost_text(opened.sites, picked, n, self.max_bytes))


def cost_text(tree: Sites, picked: tuple[str, ...], n: int, max_bytes: int | str) -> str:
    """One line about what a capture of the picked layers will keep, and whether it may.

    Parameters
    ----------
    tree : Sites
        Layers with their shapes.
    picked : tuple of str
        Paths of the layers.
    n : int
        Number of samples.
    max_bytes : int or str
        The most that a capture may keep.
    """
    units = sum(one.n_units or 0 for one in tree if one.path in picked)
    wanted = planned_bytes(tree, picked, n)
    layers = f"{len(picked)} {'layer' if len(picked) == 1 else 'layers'}"
    text = f"{layers}, {units:,} units, {bytes_text(wanted)} for {n:,} samples"
    limit = byte_count("max_bytes", max_bytes)
    if wanted > limit:
        return f"{text}: more than the {bytes_text(limit)} allowed. Pick fewer layers or samples."
    return f"{text}."
