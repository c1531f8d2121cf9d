"""The observable explorer: name what is measured, find the heads that carry it, test the vector."""

from collections.abc import Sequence
from typing import Any

import ipywidgets

from cutaway.data import Dataset, load_data
from cutaway.model import Model, load_model
from cutaway.observables import FeatureVector, components_of
from cutaway.observables.head_map import HeadMap
from cutaway.workspace import Workspace
from cutaway_widgets._reopen import Reopens
from cutaway_widgets._strict import Strict
from cutaway_widgets.choice import Choice
from cutaway_widgets.explorers import _observable_words as words
from cutaway_widgets.explorers._layout import column, end, heading, row
from cutaway_widgets.explorers._observable_coupling import CouplingSection
from cutaway_widgets.explorers._observable_defaults import MODEL, First, first_of
from cutaway_widgets.explorers._observable_desk import OF_VECTOR, Desk, Pair, Question
from cutaway_widgets.explorers._observable_heads import HeadSection, heads_by_size
from cutaway_widgets.explorers._observable_question import QuestionSection
from cutaway_widgets.explorers._observable_reads import reading_path
from cutaway_widgets.explorers._observable_search import SearchSection
from cutaway_widgets.explorers._observable_steer import SteerSection
from cutaway_widgets.explorers._observable_texts import TextSection
from cutaway_widgets.explorers._observable_vector import VectorSection
from cutaway_widgets.progress import Progress

TITLES = {"search": "Search paths", "coupling": "Couplings", "steer": "Steer"}


class ObservableExplorer(Strict, Reopens, ipywidgets.VBox):
    """Page of linked views over one causal language model and one question about its logits.

    Parameters
    ----------
    model : Model, nn.Module, str or None
        What `cutaway.load_model` takes; None uses the workspace's, else the sample model
        "gpt-occupations".
    plus, minus : sequence of str or int, or None
        Words of one token each, or token ids, whose logits are added and taken away. None for both
        takes a question that the model is known for, if it is.
    prompts : (positive, negative), sequence of such pairs, or None
        Texts of one length in tokens each, in which the observable differs.
    texts : Dataset, sequence of str, sample name or None
        What the vector is read on. None uses the workspace's data if they are texts.
    workspace : Workspace or None
        Slots to share with other pages; None makes an own one.
    start : bool
        Ask the question at once.
    inline : bool
        Compute in the caller's thread (scripts and tests) instead of a worker thread.

    Raises
    ------
    UnsupportedModel
        If the model is no decoder transformer of a known family.
    ValueError
        If the prompts are no pairs.

    Notes
    -----
    ``workspace.results`` holds "heads by norm" (and the other kinds), "vector", "vector_tokens",
    "token_scores", "paths", "coupled", "steering", and kept vectors as "kept: NAME". The step that
    is steered by is in ``workspace.edits``, undone by ``workspace.undo()``.
    """

    # ipywidgets closes a widget whose construction failed, so `close` must find these.
    _parts: Sequence[Any] = ()

    def __init__(
        self,
        model: Any = None,
        *,
        plus: Sequence[str | int] | None = None,
        minus: Sequence[str | int] | None = None,
        prompts: Sequence[Any] | None = None,
        texts: Any = None,
        workspace: Workspace | None = None,
        start: bool = True,
        inline: bool = False,
    ) -> None:
        self.workspace = workspace or Workspace()
        pairs = pairs_of(prompts)
        self._open(model)
        first = first_of(self.workspace.model.name)
        known = plus is None and minus is None
        asked = First(
            plus=first.plus if known else plus or (),
            minus=first.minus if known else minus or (),
            prompts=pairs if pairs or not known else first.prompts,
            texts=self._texts(texts, first),
        )
        self._build(asked, inline=inline)
        super().__init__(
            children=self._page(), layout=ipywidgets.Layout(width="100%", min_width="0")
        )
        self.add_class("cutaway-explorer")
        if start and (asked.plus or asked.minus):
            self.run()

    def run(self) -> None:
        """Ask the question in the form, in the background."""
        self.question.ask()

    def close(self) -> None:
        """Cancel what runs, and close every view."""
        parts, self._parts = self._parts, ()
        if parts:
            self.desk.job.unobserve(self._moved, "status")
        for one in parts:
            one.close()
        if parts:
            for widget in (*self.children, self.layout):
                end(widget)
        super().close()

    def _open(self, model: Any) -> None:
        workspace = self.workspace
        if model is None and workspace.model is None:
            model = MODEL
        if model is not None:
            workspace.model = model if isinstance(model, Model) else load_model(model)
        components_of(workspace.model)

    def _texts(self, texts: Any, first: First) -> Dataset | Sequence[str]:
        """What to read the vector on; text data are put into the workspace's slot if it is free."""
        workspace = self.workspace
        held = workspace.data
        if texts is None:
            usable = isinstance(held, Dataset) and held.kind == "text"
            texts = held if usable else first.texts
        elif isinstance(texts, str):
            texts = load_data(texts)
        if isinstance(texts, Dataset) and held is None:
            workspace.data = texts
        found: Dataset | Sequence[str] = texts
        return found

    def _build(self, asked: First, *, inline: bool) -> None:
        self.desk = Desk(self.workspace, inline=inline)
        self.question = QuestionSection(self.desk, self._asked)
        self.heads = HeadSection(self.desk, self._head)
        self.vector = VectorSection(self.desk, self._found, self._keep)
        self.texts = TextSection(self.desk)
        self.search = SearchSection(self.desk, self.vector.take)
        self.coupling = CouplingSection(self.desk, lambda: self.texts.texts, self.texts.set_others)
        self.steer = SteerSection(self.desk)
        panels = {name: getattr(self, name).box for name in TITLES}
        self.choice = Choice(list(TITLES), titles=TITLES, panels=panels, title="Look further")
        self.progress = Progress(self.desk.job, title="At work")
        self._parts = (
            self.question, self.heads, self.vector, self.texts, self.search, self.coupling,
            self.steer, self.choice, self.progress, self.desk,
        )  # fmt: skip
        self._moved(None)
        self.desk.job.observe(self._moved, "status")
        self.desk.watch()
        self.question.put(asked.plus, asked.minus, asked.prompts)
        self.texts.put(asked.texts)

    def _page(self) -> list[Any]:
        self._head_line = ipywidgets.HTML(
            heading(words.headline(self.workspace.model.name, self.desk.vector))
        )
        left = column([self.question.box], "300px", 1)
        right = column([self.heads.box], "480px", 3)
        panels = [getattr(self, name).box for name in TITLES]
        return [
            self._head_line, row([left, right]), self.progress, self.vector.box, self.texts.box,
            self.choice, *panels,
        ]  # fmt: skip

    def _asked(self, question: Question) -> None:
        """A good question: map the heads, and begin with the strongest."""
        self.desk.drop("reads", "vector", *OF_VECTOR)
        self.desk.question = question
        self.search.clear()
        self.coupling.offer()
        self.heads.ask(question, self._mapped)

    def _mapped(self, found: HeadMap) -> None:
        head = heads_by_size(found)[0]
        self.heads.pick(head)
        self._head(head)

    def _head(self, head: str) -> None:
        """A head was picked: the path through it alone, from where it reads."""
        question, model = self.desk.question, self.workspace.model
        if question is None:
            return
        self.desk.ask(
            "reads", f"Where {head} reads", lambda tick: reading_path(model, question, head, tick),
            self.vector.take, lambda _line: self.vector.take(head),
            instead_of=OF_VECTOR,
        )  # fmt: skip

    def _found(self, vector: FeatureVector) -> None:
        """Another vector: its head is marked, the texts are read, and no step is held."""
        self.heads.pick(words.one_head(vector.path))
        self._head_line.value = heading(words.headline(self.workspace.model.name, vector))
        self.steer.clear()
        self.texts.score()

    def _keep(self, vector: FeatureVector) -> None:
        self.coupling.keep(vector)

    def _moved(self, _change: Any) -> None:
        """Progress is shown while there is something to say: not before, and not when done."""
        quiet = self.desk.job.status.state in {"idle", "done"}
        self.progress.layout.display = "none" if quiet else None

    def __repr__(self) -> str:
        return f"ObservableExplorer({words.headline(self.workspace.model.name, self.desk.vector)})"


def pairs_of(prompts: Sequence[Any] | None) -> tuple[Pair, ...]:
    """Pairs of prompts, of one pair or of several.

    Raises
    ------
    ValueError
        If they are neither.
    """
    if prompts is None:
        return ()
    given = list(prompts) if not isinstance(prompts, str) else [prompts]
    if len(given) == 2 and all(isinstance(one, str) for one in given):
        return ((given[0], given[1]),)
    for one in given:
        if isinstance(one, str) or len(one) != 2 or not all(isinstance(two, str) for two in one):
            raise ValueError(
                f"prompts must be a pair (positive, negative) of texts, or several, got {one!r}; "
                "each positive prompt has a negative partner"
            )
    return tuple((one[0], one[1]) for one in given)
