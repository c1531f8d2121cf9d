"""What the sections of the complexity explorer share: slots, four links, one worker."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from cutaway.core import Tick, part
from cutaway.data import Dataset
from cutaway.merging import ComplexityCurve, Merge, Prepared, complexity_curve
from cutaway.model import Model, Predictions, predict
from cutaway.session import inputs_of
from cutaway.workspace import Workspace
from cutaway_widgets._link import Link
from cutaway_widgets.explorers._filter_desk import Desk

EXAMPLE = 8
"""Samples of the example: they say the shapes, and how far outputs move."""


@dataclass(frozen=True)
class Merged:
    """A merge, and what the smaller network answers.

    Parameters
    ----------
    merge : Merge
    after : Predictions
        Of the merged network, on the samples of the page.
    """

    merge: Merge
    after: Predictions


class MergeDesk(Desk):
    """Model, data, what is picked, and the job that answers questions about it.

    Parameters
    ----------
    workspace : Workspace
        Model, data and results.
    samples, groups, steps, units : Link
        Selections of samples, groups of features, betas, and units of the group on the page.
    inline : bool
        Compute in the caller's thread.
    """

    def __init__(
        self, workspace: Workspace, samples: Link, groups: Link, steps: Link, units: Link, *,
        inline: bool,
    ) -> None:  # fmt: skip
        super().__init__(workspace, samples, units, inline=inline)
        self.groups, self.steps = groups, steps
        self.after: Predictions | None = None

    @property
    def curve(self) -> ComplexityCurve | None:
        """The curve on the page."""
        found = self.workspace.results.get("complexity")
        return found if isinstance(found, ComplexityCurve) else None

    @property
    def merge(self) -> Merge | None:
        """The merge on the page."""
        found = self.workspace.results.get("merge")
        return found if isinstance(found, Merge) else None

    @property
    def beta(self) -> float | None:
        """The beta of the slider."""
        curve, chosen = self.curve, self.steps.selection
        if curve is None or chosen is None:
            return None
        return float(curve.betas[self.steps.index.positions(chosen.ids).min()])

    def first_group(self) -> str | None:
        """The picked group; None for none."""
        chosen = self.groups.selection
        return None if chosen is None else str(chosen.ids[0])


def example_of(model: Model, data: Dataset) -> Tensor:
    """The first samples as the model takes them; of texts, the ids of their tokens."""
    inputs = model.inputs(data.batch(np.arange(min(EXAMPLE, len(data)))))
    return inputs if isinstance(inputs, Tensor) else inputs["input_ids"]


def score_name(data: Dataset) -> str:
    """What a curve over this data measures: accuracy (of texts, by token); empty without labels."""
    return "accuracy" if data.labels is not None or data.kind == "text" else ""


def curve_of(
    workspace: Workspace, model: Model, betas: tuple[float, ...] | None, rule: str, tick: Tick
) -> tuple[Predictions, ComplexityCurve]:
    """Predictions on the workspace's data, and the curve; not computed twice.

    Parameters
    ----------
    workspace : Workspace
        Brings data, and keeps both.
    model : Model
        Its model, or another one.
    betas : tuple of float or None
        None takes those of `cutaway.complexity_curve`.
    rule : str
        Of the merging.
    tick : Tick
        Progress.
    """
    data = workspace.data
    same = inputs_of(model, data)
    predictions = workspace.kept(
        "predict", same, lambda: predict(model, data, tick=part(tick, 0.0, 0.05))
    )

    def compute() -> ComplexityCurve:
        metric = (data, score_name(data)) if score_name(data) else None
        return complexity_curve(
            model, example_of(model, data), betas=betas, rule=rule, metric=metric,
            tick=part(tick, 0.05, 1.0),
        )  # fmt: skip

    key = {**same, "betas": None if betas is None else list(betas), "rule": rule}
    return predictions, workspace.kept("complexity", key, compute)


def merged_at(workspace: Workspace, model: Model, beta: float, rule: str, tick: Tick) -> Merged:
    """The network merged at a beta, and its answers; not computed twice.

    Parameters
    ----------
    workspace : Workspace
        Brings data, and keeps the outcome.
    model : Model
    beta : float
    rule : str
    tick : Tick
    """
    data = workspace.data
    same = inputs_of(model, data, fresh=False)

    def compute() -> Merged:
        # Traced once: the slider then costs the merging alone.
        ready = workspace.kept(
            "merge start", {**same, "rule": rule},
            lambda: Prepared(model, example_of(model, data), rule, part(tick, 0.0, 0.4)),
        )  # fmt: skip
        merge = ready.merge(beta=beta, tick=part(tick, 0.4, 0.8))
        name = f"{model.name}, merged"
        small = Model(
            merge.model, name, kind=model.kind, tokenizer=model.tokenizer,
            special_tokens=model.special_tokens,
        )  # fmt: skip
        return Merged(merge, predict(small, data, tick=part(tick, 0.8, 1.0)))

    return workspace.kept("merge", {**same, "beta": beta, "rule": rule}, compute)
