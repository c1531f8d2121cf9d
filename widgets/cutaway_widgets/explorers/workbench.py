"""The workbench: open a model, pick layers, run a lens, compare, keep, take away."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ipywidgets

from cutaway.core import Index, Result, Selection, Tick, part
from cutaway.model import Predictions
from cutaway.policy import Policy, current_policy
from cutaway.workspace import Workspace
from cutaway_widgets._job import Job
from cutaway_widgets._link import Link
from cutaway_widgets._reopen import Reopens
from cutaway_widgets._strict import Strict
from cutaway_widgets.choice import Choice
from cutaway_widgets.explorers import _files as files
from cutaway_widgets.explorers import _filter_views as words
from cutaway_widgets.explorers import _work as work
from cutaway_widgets.explorers._compare_panel import ComparePanel
from cutaway_widgets.explorers._layout import end, heading, line, side_and_main
from cutaway_widgets.explorers._lens_panel import LensPanel
from cutaway_widgets.explorers._open_panel import OpenPanel
from cutaway_widgets.explorers._results import Results, rows_of
from cutaway_widgets.explorers._scene import Scene
from cutaway_widgets.explorers._session_panel import SessionPanel
from cutaway_widgets.explorers._steps import READY, START, TABS, steps
from cutaway_widgets.explorers._work import Opened
from cutaway_widgets.form import Form
from cutaway_widgets.guide import Guide
from cutaway_widgets.progress import Progress
from cutaway_widgets.selection_bar import SelectionBar


class Workbench(Strict, Reopens, ipywidgets.VBox):
    """One page for everything: open, look, run any lens, compare, save, take away.

    Parameters
    ----------
    model : object or None
        What `cutaway.load_model` takes, within the policy; None leaves the choice to the page.
    data : object or None
        What `cutaway.load_data` takes, within the policy.
    workspace : Workspace or None
        Slots to share with other pages and cells; None makes an own one.
    policy : Policy or None
        What may be opened here; None takes that of the server.
    inline : bool
        Compute in the caller's thread (scripts and tests) instead of a worker thread.

    Notes
    -----
    Every result put into ``workspace.results``, from the page or from a cell, gets a card; all
    cards about the same samples share one selection, which is ``workspace.selection``.
    """

    # ipywidgets closes a widget whose construction failed, so `close` must find these.
    _parts: Sequence[Any] = ()
    _stop: Callable[[], None] | None = None

    def __init__(
        self,
        model: Any = None,
        data: Any = None,
        *,
        workspace: Workspace | None = None,
        policy: Policy | None = None,
        inline: bool = False,
    ) -> None:
        self.workspace = workspace or Workspace()
        self.policy = policy or current_policy()
        work.take_given(self.workspace, self.policy, model, data)
        self._opened: Opened | None = None
        self._blamed: Form | None = None
        self.job = Job(inline=inline, lock=self.workspace.lock)
        self._build()
        super().__init__(
            children=self._page(), layout=ipywidgets.Layout(width="100%", min_width="0")
        )
        self.add_class("cw-bench")
        self._stop = self.workspace.listen(self._heard)
        self.job.observe(self._working, "status")
        self._given()

    def close(self) -> None:
        """Stop listening, cancel what runs, and close every view."""
        if self._stop:
            self._stop()
            self._stop = None
            self.job.unobserve(self._working, "status")
        if self._parts:
            self.job.cancel()
        own = [*self._parts, *self.children, self.layout, self.samples] if self._parts else ()
        self._parts = ()
        for one in own:
            end(one)
        super().close()

    def _build(self) -> None:
        lock = self.workspace.lock
        self.samples = Link(Index.count(0), lock=lock)
        self.scene = Scene(self.samples, lock)
        self.guide = Guide([], title="First steps", lock=lock)
        self.open_panel = OpenPanel(self.policy, lock, self._begin, self._show)
        self.lens_panel = LensPanel(lock, self.policy.max_bytes, self._run, self._guide)
        self.compare_panel = ComparePanel(self.policy, lock, self._compare)
        self.session_panel = SessionPanel(
            self.policy, lock, save=self._save, load=self._load,
            makers={
                "html": lambda file: files.offer_page(file, self, f"{self!r}"[10:-1]),
                "csv": lambda file: files.offer_table(file, self.results.shown),
                "code": lambda file: files.offer_code(file, self.workspace),
            },
        )  # fmt: skip
        self.results = Results(self.scene, lock, self._drop, START)
        self.progress = Progress(self.job)
        self.tabs = Choice(
            list(TABS), titles=TABS, title="Panels",
            panels={
                "open": self.open_panel.box, "lens": self.lens_panel.box,
                "compare": self.compare_panel.box, "session": self.session_panel.box,
            },
        )  # fmt: skip
        self._parts = (
            self.guide, self.open_panel, self.lens_panel, self.compare_panel, self.session_panel,
            self.results, self.progress, self.tabs, self.scene,
        )  # fmt: skip
        self.guide.on_example(self.example)
        self.tabs.on_choice(self.session_panel.chosen)
        self.samples.on_selection(self._selected)
        self.selection = ipywidgets.VBox(layout=ipywidgets.Layout(margin="0 8px 8px 0"))
        self.selection.add_class("cw-bench-bar")

    def _page(self) -> list[Any]:
        self.head = ipywidgets.HTML(heading("Cutaway workbench"))
        self.banner = ipywidgets.HTML(layout=ipywidgets.Layout(display="none"))
        self.chosen = ipywidgets.HTML()
        self.selection.children = [SelectionBar(self.samples), self.chosen]
        panels = (self.open_panel, self.lens_panel, self.compare_panel, self.session_panel)
        body = side_and_main(
            [self.tabs, *(one.box for one in panels), self.progress],
            [self.selection, self.results.box],
        )
        top = ipywidgets.VBox([self.head, self.banner])
        top.add_class("cw-bench-head")
        self._parts = (*self._parts, self.head, self.banner, self.chosen, *body.children, body, top)
        self.selection.layout.display = "none"
        self._guide()
        return [top, self.guide, body]

    def example(self) -> None:
        """Open a small model on its data, pick two layers and run the first lens."""
        name, data = "lenet5-digits", "digits"
        offered = self.policy.models_offered()
        if name not in offered and offered:
            name, data = offered[0], work.own_data(offered[0]) or data
        self.open_panel.form.set_values(model=name)
        self.open_panel.form.set_values(data=data, split="test", limit=500)
        values = self.open_panel.form.read()
        settings = self.lens_panel.form.read()
        if values is None or settings is None:
            return

        def compute(tick: Tick) -> tuple[Opened, tuple[str, ...], Result]:
            opened = self.open_panel.compute(values, part(tick, 0.0, 0.3))
            picked = tuple(words.first_sites(opened.sites, None))
            return opened, picked, self._result(opened, picked, settings, part(tick, 0.3, 1.0))

        self._begin(self.open_panel.form, f"example: {name} on {data}", compute, self._show_example)

    def _show_example(self, found: tuple[Opened, tuple[str, ...], Result]) -> None:
        opened, picked, result = found
        with self.workspace.lock:
            self._show(opened)
            self.lens_panel.tree.pick(picked)
            self._put(self.lens_panel.lens.name, result)

    def _begin(
        self, form: Form, name: str, task: Callable[[Tick], Any], done: Callable[[Any], object]
    ) -> None:
        """Start work whose errors belong to a form; one at a time."""
        if self.job.running:
            form.note = "Wait for what is running, or cancel it."
            return
        self._blamed = form
        self.job.start(task, name=name, on_done=done)

    def _run(self, values: Mapping[str, Any]) -> None:
        picked, opened = self.lens_panel.tree.picked, self._opened
        if opened is None or not picked:
            return  # the note beside the button says what is missing
        name = self.lens_panel.lens.name
        self._begin(
            self.lens_panel.form, f"{name} {', '.join(picked)}",
            lambda tick: self._result(opened, picked, values, tick),
            lambda result: self._put(name, result),
        )  # fmt: skip

    def _result(
        self, opened: Opened, picked: tuple[str, ...], values: Mapping[str, Any], tick: Tick
    ) -> Result:
        return work.run_lens(
            self.lens_panel.lens, opened, picked,
            self.lens_panel.arguments(values, opened.data.labels), self.workspace,
            max_bytes=self.policy.max_bytes, tick=tick,
        )  # fmt: skip

    def _compare(self, second: Mapping[str, Any]) -> None:
        form, first = self.compare_panel.form, self._opened
        picked, values = self.lens_panel.tree.picked, self.lens_panel.form.read()
        if first is None or not picked or values is None:
            form.note = "First open a model, pick layers and set the lens."
            return
        form.note = ""

        def both(tick: Tick) -> tuple[Result, Result, Opened]:
            a = self._result(first, picked, values, part(tick, 0.0, 0.4))
            model = work.other_than(first.model, self.open_panel.open_model(second))
            other = work.look_over(model, first.data, part(tick, 0.4, 0.6))
            b = self._result(other, picked, values, part(tick, 0.6, 1.0))
            return a, b, other

        self._begin(form, f"compare {', '.join(picked)}", both, self._put_both)

    def _put_both(self, found: tuple[Result, Result, Opened]) -> None:
        first, second, other = found
        name = self.lens_panel.lens.name
        with self.workspace.lock:
            if other.predictions is not None:
                slot = work.free_name(self.workspace, "predictions")
                self.workspace.results[slot] = other.predictions
            a = self._put(name, first)
            self.results.front(a)
            b = self._put(name, second)
            self.results.compare((a, b), (first, second))

    def _put(self, name: str, result: Result) -> str:
        """Put a result into the workspace, once; returns its slot."""
        with self.workspace.lock:
            same = (result.digest, result.origin.digest)
            for slot, one in self.workspace.results.items():
                if (one.digest, one.origin.digest) == same:
                    return slot
            slot = work.free_name(self.workspace, name)
            self.workspace.results[slot] = result
            return slot

    def _given(self) -> None:
        """Look over what the constructor or the workspace brought."""
        model, data = self.workspace.model, self.workspace.data
        if model is None or data is None:
            self._begun(None)
            return
        self._begin(
            self.open_panel.form, f"open {model.name}",
            lambda tick: work.look_over(model, data, tick), self._begun,
        )  # fmt: skip

    def _begun(self, opened: Opened | None) -> None:
        """Show what came with the workspace, its results too."""
        space = self.workspace
        with space.lock:
            known = dict(space.results)
            if opened is not None or known:
                self._look(opened)
            for name, one in known.items():
                self._heard(f"results.{name}", None, one)

    def _show(self, opened: Opened) -> None:
        """Another model and data in place of these; results about the old ones go."""
        space = self.workspace
        with space.lock:
            work.begin_anew(space)
            space.model, space.data = opened.model, opened.data
            self._look(opened)

    def _adopt(self, found: tuple[Workspace, Opened | None]) -> None:
        """Show a saved session; without model or data its results can still be looked at."""
        other, opened = found
        space = self.workspace
        with space.lock:
            work.begin_anew(space)
            space.model, space.data = other.model, other.data
            self._look(opened, rows_of(other.results))
            work.take_over(space, other)
            self._banner(space.missing)
            if opened is not None:
                known = set(words.pickable(opened.sites))
                self.lens_panel.tree.pick([one for one in other.picked or () if one in known])
            chosen = other.selection
            if isinstance(chosen, Selection) and chosen.of == self.samples.digest:
                self.samples.select(chosen.ids)
            for title, one in other.selections.items():
                if one.of == self.samples.digest:
                    self.samples.keep(title, one.ids)

    def _look(self, opened: Opened | None, rows: Index | None = None) -> None:
        """Layers, samples and accuracy of what is open; bare rows where the data is gone."""
        space = self.workspace
        self._opened = opened
        space.sites = None if opened is None else opened.sites
        self.scene.set_data(space.data, rows or rows_of(space.results))
        self.lens_panel.set_sites(space.sites, len(self.samples.index))
        self.results.say(READY if opened is not None else START)
        self.selection.layout.display = None if len(self.samples.index) else "none"
        self._banner(())
        if opened is not None:
            self.tabs.choose("lens")
            if opened.predictions is not None:
                space.results["predictions"] = opened.predictions
        self._headline()
        self._selected(None)

    def _save(self, path: Path) -> None:
        picked = self.lens_panel.tree.picked
        self._begin(
            self.session_panel.saving, f"save {path.name}",
            lambda tick: work.save_session(self.workspace, self.samples, picked, path, tick),
            lambda _none: self.session_panel.saved(path.name),
        )  # fmt: skip

    def _load(self, path: Path) -> None:
        self._begin(
            self.session_panel.opening, f"open {path.name}",
            lambda tick: work.load_session(path, self.policy, tick), self._adopt,
        )  # fmt: skip

    def _heard(self, name: str, _old: Any, new: Any) -> None:
        """A slot of the workspace changed, from here or from a cell."""
        if not name.startswith("results."):
            return
        slot = name.removeprefix("results.")
        if isinstance(new, Predictions):
            self.scene.predictions[new.origin.weights] = new
            self._headline()
        elif new is None:
            self.results.remove(slot)
        else:
            self.results.add(slot, new)
        self._guide()

    def _working(self, _change: Any) -> None:
        """The job moved: no second one meanwhile, and errors where they belong."""
        status, panels = self.job.status, self.session_panel
        for form in (self.open_panel.form, self.lens_panel.form, self.compare_panel.form):
            form.busy = self.job.running
        panels.working(self.job.running)
        self.guide.busy = self.job.running
        if status.state == "failed" and self._blamed is not None:
            of_models = dict.fromkeys(
                (self.open_panel.form, self.compare_panel.form), self.open_panel.stage
            )
            otherwise = {**of_models, panels.saving: "name", panels.opening: "session"}
            self._blamed.blame(status.error, otherwise=otherwise.get(self._blamed, ""))
        if not self.job.running:
            self._blamed = None
            self._guide()

    def _selected(self, selection: Selection | None) -> None:
        self.workspace.selection = selection
        text = words.selection_text(self.scene.data, selection) if selection else ""
        self.chosen.value = line(text) if text else ""
        self._guide()

    def _guide(self) -> None:
        ran = bool(self.results.cards)
        self.guide.example = "" if ran else "Show me an example"
        self.guide.set_steps(
            steps(
                opened=self._opened is not None, picked=bool(self.lens_panel.tree.picked), ran=ran,
                brushed=self.samples.selection is not None,
            )
        )  # fmt: skip

    def _headline(self) -> None:
        text, opened = "Cutaway workbench", self._opened
        if opened is not None:
            found = self.scene.predictions.get(opened.model.digest)
            text = words.headline(opened.data, found, opened.model.name)
        self.head.value = heading(text)

    def _banner(self, missing: Sequence[str]) -> None:
        """Say what a session lacks; nothing where it is whole."""
        lines = ("Read-only: results can be looked at, not run again.", *missing)
        self.banner.value = line("\n".join(lines)) if missing else ""
        self.banner.layout.display = None if missing else "none"

    def _drop(self, slot: str) -> None:
        """Take a result away, from the workspace and with it from the page."""
        with self.workspace.lock:
            if self.workspace.read_only:
                self.results.remove(slot)
            else:
                self.workspace.results.pop(slot, None)

    def __repr__(self) -> str:
        one = self._opened
        return f"Workbench({f'{one.model.name} on {one.data.name}' if one else 'empty'})"
