"""Choose a model and data, and open them."""

from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets

from cutaway.core import Tick, part
from cutaway.data import Dataset
from cutaway.model import Model
from cutaway.policy import Policy
from cutaway_widgets.explorers import _work as work
from cutaway_widgets.explorers._layout import end
from cutaway_widgets.explorers._work import Opened
from cutaway_widgets.form import Field, Form

_SPLITS = ("train", "test")
_LIMIT = 1000
Begin = Callable[[Form, str, Callable[[Tick], Any], Callable[[Any], object]], None]
"""Starts work: the form to blame, a name, the work, and what to do with its outcome."""


def model_fields(policy: Policy, chosen: str = "") -> list[Field]:
    """Fields that say which model; a path only where the server allows files.

    Parameters
    ----------
    policy : Policy
        What may be opened.
    chosen : str
        The model chosen now; empty for the first. One that keeps checkpoints gets a field for them.
    """
    names = tuple(policy.models_offered())
    titles = tuple(work.model_title(one) for one in names)
    first = names[0] if names else ""
    fields = [Field("model", "choice", first, "Model", options=names, titles=titles)]
    epochs = work.epochs(chosen or first)
    if epochs:
        last = epochs[-1]
        fields.append(
            Field(
                "checkpoint", "whole", None, "Checkpoint", optional=True, low=epochs[0], high=last,
                help=f"Epoch of training, {epochs[0]} to {last}. Empty for the finished model.",
            )
        )  # fmt: skip
    if may_give_paths(policy):
        fields.append(
            Field(
                "model_path", "text", "", "… or a folder or file", optional=True,
                help="Of a model on this machine; wins over the list. Nothing is unpickled.",
            )
        )  # fmt: skip
    return fields


def keep_fields(form: Form, fields: list[Field]) -> None:
    """Show these fields where they differ from those shown; what stands in them stays."""
    if [one.wire() for one in form.fields] != [one.wire() for one in fields]:
        kept = {name: value for name, value in form.raw.items() if value != ""}
        form.set_fields(fields, kept)


def data_fields(policy: Policy) -> list[Field]:
    """Fields that say which samples."""
    names = tuple(policy.data_offered())
    fields = [Field("data", "choice", names[0], "Data", options=names)]
    if may_give_paths(policy):
        fields.append(
            Field(
                "data_path", "text", "", "… or a folder or table", optional=True,
                help="Of images or texts on this machine; wins over the list.",
            )
        )  # fmt: skip
    return [
        *fields,
        Field("split", "choice", "test", "Split", options=_SPLITS, optional=True,
              help="– for all, and for folders without parts."),
        Field("limit", "whole", _LIMIT, "Limit", optional=True, low=1, unit="samples",
              help="A fixed random draw, each class by its share. Empty for all."),
    ]  # fmt: skip


def may_give_paths(policy: Policy) -> bool:
    """Whether a person may name files: not where the server allows none."""
    return not policy.restricted or policy.folder is not None


class OpenPanel:
    """Form that opens a model on data.

    Parameters
    ----------
    policy : Policy
        What may be opened.
    lock : threading.RLock
        The workspace's.
    begin : callable
        Starts the work.
    done : callable
        Gets what was opened.
    """

    def __init__(
        self, policy: Policy, lock: Any, begin: Begin, done: Callable[[Opened], None]
    ) -> None:
        self._policy, self._begin, self._done = policy, begin, done
        self._stage = "model"
        self.form = Form(
            [*model_fields(policy), *data_fields(policy)],
            submit="Open",
            lock=lock,
        )
        self.box = ipywidgets.VBox([self.form])
        self._model = self.form.raw["model"]
        self._follow()
        self._stops = (self.form.on_submit(self.open), self.form.on_change(self._changed))

    @property
    def stage(self) -> str:
        """Field that an error without a name belongs to."""
        return self._stage

    def open(self, values: Mapping[str, Any]) -> None:
        """Open what the form says, in the background."""
        name = values.get("model_path") or values["model"]
        self._begin(self.form, f"open {name}", lambda tick: self.compute(values, tick), self._done)

    def open_model(self, values: Mapping[str, Any]) -> Model:
        """Model that the values of a form name."""
        path = values.get("model_path")
        self._stage = "model_path" if path else "model"
        epoch = None if path else values.get("checkpoint")
        return work.open_model(self._policy, path or values["model"], epoch)

    def compute(self, values: Mapping[str, Any], tick: Tick) -> Opened:
        """Open what the values say."""
        tick(0.0, "model")
        model = self.open_model(values)
        tick(0.1, "data")
        path = values.get("data_path")
        self._stage = "data_path" if path else "data"
        data: Dataset = self._policy.open_data(
            path or values["data"], split=values["split"], limit=values["limit"]
        )
        return work.look_over(model, data, part(tick, 0.2, 1.0))

    def _changed(self) -> None:
        if self.form.raw["model"] != self._model:
            self._model = self.form.raw["model"]
            fields = [*model_fields(self._policy, str(self._model)), *data_fields(self._policy)]
            keep_fields(self.form, fields)
            self._follow()

    def _follow(self) -> None:
        """Offer the data that the chosen sample model goes with."""
        own = work.own_data(str(self._model))
        if own is not None:
            self.form.set_values(data=own)

    def close(self) -> None:
        """Stop listening, and end the form."""
        for stop in self._stops:
            stop()
        end(self.box)
