"""Screens that are kept: the same model, data and layers are not computed twice."""

from cutaway.core import Tick, part
from cutaway.filters import FilterScreen, screen_filters
from cutaway.model import Model, Predictions, capture, predict
from cutaway.session import inputs_of
from cutaway.workspace import Workspace

POOL = 8
"""Places an axis that maps are averaged to before they are screened."""


def screen_of(
    workspace: Workspace, model: Model, picked: tuple[str, ...], tick: Tick
) -> tuple[Predictions, FilterScreen]:
    """Predictions of a model on the workspace's data, and the screen of some of its sites.

    Parameters
    ----------
    workspace : Workspace
        Brings data and sites, and keeps both results; what was captured comes into its slot.
    model : Model
        Its model, or another one with the same sites.
    picked : tuple of str
        Paths of the sites.
    tick : Tick
        Progress.
    """
    data = workspace.data
    same = inputs_of(model, data)
    predictions = workspace.kept(
        "predict", same, lambda: predict(model, data, tick=part(tick, 0.0, 0.1))
    )

    def compute() -> FilterScreen:
        chosen = workspace.sites[list(picked)]
        acts = capture(model, data, chosen, pool=POOL, show=None, tick=part(tick, 0.1, 0.4))
        workspace.activations = acts
        return screen_filters(acts, tick=part(tick, 0.4, 1.0))

    return predictions, workspace.kept("screen", {**same, "sites": picked}, compute)
