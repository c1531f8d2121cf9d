"""The list of lenses: what menus, the command line and the contract test enumerate."""

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cutaway.core import Result, check


@dataclass(frozen=True)
class Lens:
    """A plain analysis function, described well enough to offer it in a menu.

    Parameters
    ----------
    name : str
        Word for slots and the command line, e.g. "screen".
    title : str
        One line for menus.
    takes : str
        What comes before its keywords: "activations", or "samples": a model, data, and which ids
        of the data (None for all).
    about : str
        What the rows of its result are: those it was given, or something else in the plural.
    function, result : str
        ``"module:name"`` of the function and of its result class; imported when asked for.
    """

    name: str
    title: str
    takes: str
    function: str
    result: str
    about: str = "samples"

    def run(self) -> Callable[..., Result]:
        """The function itself."""
        found: Callable[..., Result] = _named(self.function)
        return found

    def result_type(self) -> type[Result]:
        """The class of its result."""
        found: type[Result] = _named(self.result)
        return found

    def parameters(self) -> dict[str, inspect.Parameter]:
        """Keyword-only parameters a user may set, in order; ``tick`` is not one."""
        given = inspect.signature(self.run()).parameters
        return {
            name: one
            for name, one in given.items()
            if one.kind is inspect.Parameter.KEYWORD_ONLY and name != "tick"
        }


def _named(place: str) -> Any:
    module, name = place.split(":")
    return getattr(importlib.import_module(module), name)


LENSES = (
    Lens(
        name="screen",
        title="Filters that set a few samples apart",
        takes="activations",
        function="cutaway.filters:screen_filters",
        result="cutaway.filters:FilterScreen",
    ),
    Lens(
        name="project",
        title="Samples as points: PCA, UMAP, t-SNE",
        takes="activations",
        function="cutaway.projection:project",
        result="cutaway.projection:Projection",
    ),
    Lens(
        name="attribute",
        title="Places of the input that an answer comes from",
        takes="samples",
        function="cutaway.causal:attribute",
        result="cutaway.causal:Attributions",
    ),
    Lens(
        name="merge",
        title="Features that are nearly the same, merged",
        takes="samples",
        function="cutaway.merging:merge_on",
        result="cutaway.merging:Merge",
        about="groups",
    ),
    Lens(
        name="observe",
        title="Tokens that read on a feature vector",
        takes="samples",
        function="cutaway.observables:observe_texts",
        result="cutaway.observables:TokenScores",
        about="tokens",
    ),
)


def lens(name: str) -> Lens:
    """The lens of that name.

    Raises
    ------
    ValueError
        If there is none; lists those there are.
    """
    check.one_of("name", name, [one.name for one in LENSES])
    return next(one for one in LENSES if one.name == name)
