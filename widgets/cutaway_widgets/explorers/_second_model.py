"""What to compare with: a model that was given, or a checkpoint that the first one keeps."""

from collections.abc import Mapping
from typing import Any

from cutaway.model import Model
from cutaway.workspace import Workspace
from cutaway_widgets.explorers import _filter_checkpoints as checkpoints
from cutaway_widgets.form import Field, Form


class SecondModel:
    """The form that asks for it; `possible` is False where there is nothing to compare with.

    Parameters
    ----------
    workspace : Workspace
        Holds the first model.
    other : Model or None
        The second one; None offers the checkpoints that the first one keeps.
    """

    def __init__(self, workspace: Workspace, other: Model | None) -> None:
        self._workspace, self._other = workspace, other
        epochs = checkpoints.epochs_of(workspace.model)
        self.possible = other is not None or bool(epochs)
        self.form = Form(
            _fields(epochs) if other is None and epochs else [], submit="Compare",
            title=f"Compare with {other.name}" if other else "Compare with a checkpoint",
            lock=workspace.lock,
        )  # fmt: skip
        self.form.layout.display = None if self.possible else "none"
        self.form.layout.max_width = "480px"

    def opened(self, values: Mapping[str, Any]) -> tuple[Model, str]:
        """The second model for what the form says, and what to call it."""
        if self._other is not None:
            return self._other, self._other.name
        epoch = int(values["checkpoint"])
        return checkpoints.checkpoint(self._workspace.model, epoch), f"epoch {epoch}"


def _fields(epochs: tuple[int, ...]) -> list[Field]:
    first, last = epochs[0], epochs[-1]
    return [
        Field("checkpoint", "whole", first, "Checkpoint", low=first, high=last,
              help=f"Epoch of training, {first} (untrained) to {last}."),
    ]  # fmt: skip
