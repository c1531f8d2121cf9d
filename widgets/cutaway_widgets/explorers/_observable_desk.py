"""What the sections of the observable explorer share: slots, links, and a queue of questions."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets

from cutaway.core import Index, Tick
from cutaway.model import Model, UnknownSite, UnsupportedModel
from cutaway.observables import FeatureVector, Observable
from cutaway.workspace import Workspace
from cutaway_widgets._job import Job
from cutaway_widgets._link import Link
from cutaway_widgets.explorers._layout import end, line

# What a person typed can be at fault for these; they are told in words, not as a failed job.
_TOLD = (ValueError, UnsupportedModel, UnknownSite)
Pair = tuple[Any, Any]
OF_VECTOR = ("texts", "against", "steer", "controls")
"""Subjects of the questions about the vector on the page."""


@dataclass(frozen=True)
class Question:
    """What is measured, and on which prompts.

    Parameters
    ----------
    observable : Observable
        The measure.
    prompts : tuple of (positive, negative)
        Pairs of prompts of one length each; may be empty.
    """

    observable: Observable
    prompts: tuple[Pair, ...] = ()

    @property
    def pair(self) -> Pair | None:
        """The first pair; None without prompts."""
        return self.prompts[0] if self.prompts else None


@dataclass(frozen=True)
class Refused:
    """One line about a question that could not be answered."""

    line: str


@dataclass(frozen=True)
class _Asked:
    key: str
    name: str
    work: Callable[[Tick], Any]
    done: Callable[[Any], object]
    refused: Callable[[str], object]


class Desk:
    """Model, question and vector of the page; the links of its views; one worker.

    Parameters
    ----------
    workspace : Workspace
        Model and results.
    inline : bool
        Compute in the caller's thread.

    Attributes
    ----------
    heads : Link
        Heads by name, e.g. "L1H0".
    layers, in_layer : Link
        The same as the two axes of a map: layers, and heads in a layer.
    texts, tokens : Link
        Texts, and their tokens, e.g. "3:7" for token 7 of text 3.
    question : Question or None
        What was asked last.
    """

    def __init__(self, workspace: Workspace, *, inline: bool) -> None:
        lock = workspace.lock
        self.workspace = workspace
        self.job = Job(inline=inline, lock=lock)
        self.heads = Link(Index.count(0, "head"), lock=lock)
        self.layers = Link(Index.count(0, "layer"), lock=lock)
        self.in_layer = Link(Index.count(0, "head"), lock=lock)
        self.texts = Link(Index.count(0, "text"), lock=lock)
        self.tokens = Link(Index.count(0, "token"), lock=lock)
        self.links = (self.heads, self.layers, self.in_layer, self.texts, self.tokens)
        self.question: Question | None = None
        self._now = ""
        self._waiting: dict[str, _Asked] = {}
        self._pumping = False

    @property
    def model(self) -> Model:
        """The model of the page."""
        found: Model = self.workspace.model
        return found

    @property
    def vector(self) -> FeatureVector | None:
        """The vector on the page."""
        found = self.workspace.results.get("vector")
        return found if isinstance(found, FeatureVector) else None

    def ask(
        self,
        key: str,
        name: str,
        work: Callable[[Tick], Any],
        done: Callable[[Any], object],
        refused: Callable[[str], object],
        *,
        instead_of: Sequence[str] = (),
    ) -> None:
        """Answer a question in the background, after those that wait already.

        Parameters
        ----------
        key : str
            Its subject: a newer question of the same subject takes the place of an older one, also
            of one under way.
        name : str
            For the heading of the progress.
        work : callable
            Called with a tick, in the worker.
        done : callable
            Called with what `work` returned, with the workspace's lock held.
        refused : callable
            Called with one line if the question was a wrong one, likewise.
        instead_of : sequence of str
            Subjects whose answers would be out of date: they are dropped.
        """
        self.drop(*instead_of)
        with self.workspace.lock:
            self._waiting.pop(key, None)
            self._waiting[key] = _Asked(key, name, work, done, refused)
            if self.job.running:
                if self._now == key:
                    self.job.cancel()
                return
        self._moved(None)

    def drop(self, *keys: str) -> None:
        """Forget questions of these subjects, and stop one under way."""
        with self.workspace.lock:
            for key in keys:
                self._waiting.pop(key, None)
            if self.job.running and self._now in keys:
                self.job.cancel()

    def put(self, name: str, result: Any) -> None:
        """Put a result into the workspace, unless its results are fixed."""
        if not self.workspace.read_only:
            self.workspace.results[name] = result

    def watch(self) -> None:
        """Begin what waits when the job ends.

        Call it after the job's views are made: they must hear of an end before the next beginning.
        """
        self.job.observe(self._moved, "status")

    def close(self) -> None:
        """Drop what waits, cancel what runs, and end the links."""
        self._waiting.clear()
        self.job.unobserve(self._moved, "status")
        self.job.cancel()
        for one in self.links:
            end(one)

    def _moved(self, _change: Any) -> None:
        """Begin questions until one stays under way: an inline job ends at once."""
        with self.workspace.lock:
            if self._pumping:
                return
            self._pumping = True
            try:
                while self._waiting and not self.job.running:
                    self._begin(self._waiting.pop(next(iter(self._waiting))))
            finally:
                self._pumping = False

    def _begin(self, asked: _Asked) -> None:
        self._now = asked.key

        def work(tick: Tick) -> Any:
            try:
                # What a vector warns of is part of it, and the page says it.
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", UserWarning)
                    return asked.work(tick)
            except _TOLD as error:
                text = str(error.args[0]) if error.args else str(error)
                return Refused(text.splitlines()[0] if text else type(error).__name__)

        def done(found: Any) -> None:
            with self.workspace.lock:
                if asked.key in self._waiting:  # a newer question: this answer is out of date
                    return
                if isinstance(found, Refused):
                    asked.refused(found.line)
                else:
                    asked.done(found)

        self.job.start(work, name=asked.name, on_done=done)


def show_if(widget: Any, shown: bool) -> None:
    """Show a widget, or take it off the page."""
    widget.layout.display = None if shown else "none"


def said(text: str = "") -> ipywidgets.HTML:
    """A line of the page."""
    return ipywidgets.HTML(line(text))
