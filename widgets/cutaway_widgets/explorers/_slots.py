"""The workspace's model and data, from what a page was given."""

from typing import Any

from cutaway.data import Dataset, load_data
from cutaway.model import Model, load_model
from cutaway.workspace import Workspace


def fill(workspace: Workspace, model: Any, data: Any, page: str) -> None:
    """Put what was given into the slots; raises where one stays empty.

    Parameters
    ----------
    workspace : Workspace
    model, data : anything that `load_model` and `load_data` take, or None
        None leaves the slot as it is.
    page : str
        Name of the page's class, for the example in the message.
    """
    if model is not None:
        workspace.model = model if isinstance(model, Model) else load_model(model)
    if data is not None:
        workspace.data = data if isinstance(data, Dataset) else load_data(data)
    for slot in ("model", "data"):
        if getattr(workspace, slot) is None:
            raise ValueError(
                f"{slot} must be given here or in the workspace, got None; "
                f"e.g. {page}('lenet5-digits', 'digits')"
            )
