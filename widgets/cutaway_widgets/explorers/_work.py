"""What the page computes, apart from its widgets: open, run a lens, compare, save, open again."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import cutaway_samples
from cutaway.core import Result, Tick, part
from cutaway.data import Dataset
from cutaway.lenses import LENSES, Lens
from cutaway.model import Activations, Model, Predictions, Sites, capture, predict, sites
from cutaway.policy import Policy
from cutaway.session import open_workspace
from cutaway.workspace import Workspace
from cutaway_widgets._link import Link

POOL = 8
"""Places an axis that captured pictures are averaged to, as in the filter explorer."""
TAKES = ("activations",)
"""Kinds of lenses that a page can run: others need more than picked layers."""


@dataclass(frozen=True)
class Opened:
    """A model on data, looked over once.

    Parameters
    ----------
    model : Model
        The network.
    data : Dataset
        The samples.
    sites : Sites
        Its layers with the shapes that this data gives.
    predictions : Predictions or None
        What it says about each sample; None where its answers are no classes.
    """

    model: Model
    data: Dataset
    sites: Sites
    predictions: Predictions | None


def offered() -> tuple[Lens, ...]:
    """Lenses that a page can run."""
    return tuple(one for one in LENSES if one.takes in TAKES)


def own_data(model: str) -> str | None:
    """Name of the sample data that a sample model is looked at with; None if there is none."""
    known = cutaway_samples.names() + cutaway_samples.pretrained_names()
    return cutaway_samples.entry(model).dataset if model in known else None


def epochs(model: str) -> tuple[int, ...]:
    """Checkpoints that a sample model keeps, in order; none for others."""
    return cutaway_samples.checkpoints(model) if model in cutaway_samples.names() else ()


def model_title(name: str) -> str:
    """A model's name with its line for menus."""
    known = cutaway_samples.names() + cutaway_samples.pretrained_names()
    return f"{name}: {cutaway_samples.entry(name).title}" if name in known else name


def open_model(policy: Policy, source: str, checkpoint: int | None) -> Model:
    """Model that the policy allows; `checkpoint` is an epoch, None for the finished one."""
    return policy.open(source, **({} if checkpoint is None else {"checkpoint": checkpoint}))


def take_given(workspace: Workspace, policy: Policy, model: Any, data: Any) -> None:
    """Put a model and data given in code into the workspace, loaded as the policy allows.

    Raises
    ------
    ValueError
        If there is then one without the other, and it is not a session that misses it.
    """
    if model is not None:
        workspace.model = model if isinstance(model, Model) else policy.open(model)
        if data is None and workspace.data is None and isinstance(model, str):
            data = own_data(model)
    if data is not None:
        workspace.data = data if isinstance(data, Dataset) else policy.open_data(data)
    if (workspace.model is None) != (workspace.data is None) and not workspace.missing:
        slot = "data" if workspace.data is None else "model"
        raise ValueError(
            f"{slot} must be given here or in the workspace, got None; "
            "e.g. Workbench('lenet5-digits', 'digits')"
        )


def other_than(first: Model, second: Model) -> Model:
    """The second model.

    Raises
    ------
    ValueError
        If it has the weights of the first one.
    """
    if first.digest == second.digest:
        raise ValueError(
            f"model must be another than the open one, got {second.name} for both; "
            "choose another model or checkpoint"
        )
    return second


def look_over(model: Model, data: Dataset, tick: Tick) -> Opened:
    """Layers and predictions of a model on data."""
    tick(0.0, f"layers of {model.name}")
    tree = sites(model, data)
    try:
        predictions = predict(model, data, tick=part(tick, 0.1, 1.0))
    except ValueError:
        # Not every network answers with classes; its layers can be looked at all the same.
        predictions = None
    tick(1.0, "opened")
    return Opened(model, data, tree, predictions)


def run_lens(
    lens: Lens,
    opened: Opened,
    picked: tuple[str, ...],
    arguments: Mapping[str, Any],
    workspace: Workspace,
    *,
    max_bytes: int | str,
    tick: Tick,
) -> Result:
    """Result of a lens on the picked layers; the same settings again are not computed twice.

    Parameters
    ----------
    lens : Lens
        One that takes activations.
    opened : Opened
        Model, data and layers.
    picked : tuple of str
        Paths of the layers.
    arguments : mapping
        Keywords of the lens.
    workspace : Workspace
        Keeps activations and results.
    max_bytes : int or str
        The most that the capture may keep.
    tick : Tick
        Progress.

    Raises
    ------
    UnknownSite
        If the model has no such layer.
    BudgetExceeded
        If the capture would be too large.
    """
    model, data = opened.model, opened.data
    chosen = opened.sites[list(picked)]
    same = {"model": model.digest, "data": data.index.digest, "name": data.name, "sites": picked}
    plain = {name: _plain(value) for name, value in arguments.items()}

    def maps() -> Any:
        return capture(
            model, data, chosen, pool=POOL, max_bytes=max_bytes, show=None,
            tick=part(tick, 0.0, 0.35),
        )  # fmt: skip

    def compute() -> Result:
        acts = workspace.activations
        # Only the last ones are kept: they are the large thing here.
        if not _fits(acts, chosen, opened):
            acts = maps()
            with workspace.lock:
                workspace.activations = acts
        return lens.run()(acts, **arguments, tick=part(tick, 0.35, 1.0))

    found = workspace.kept(lens.name, {**same, "arguments": plain}, compute)
    tick(1.0, lens.name)
    return found


def planned_bytes(tree: Sites, picked: tuple[str, ...], n: int) -> int:
    """Bytes that a capture of these layers will keep, by their shapes; nothing is run.

    Parameters
    ----------
    tree : Sites
        Layers with their shapes.
    picked : tuple of str
        Paths of the layers.
    n : int
        Number of samples.

    Returns
    -------
    int
        4 bytes a value; maps count as averaged to at most 8 places an axis.
    """
    total = 0
    for one in tree:
        if one.path in picked and one.shape:
            units, *places = one.shape
            pooled = (
                [min(side, POOL) for side in places] if one.layout.startswith("n c") else places
            )
            total += 4 * n * units * int(np.prod(pooled, dtype=np.int64))
    return total


def free_name(workspace: Workspace, name: str) -> str:
    """A name after those of "screen", "screen-2", … that are taken; a gap is not filled again."""
    taken = [0]
    for one in workspace.results:
        head, _, number = one.rpartition("-")
        if one == name:
            taken.append(1)
        elif head == name and number.isdecimal():
            taken.append(int(number))
    return name if max(taken) == 0 else f"{name}-{max(taken) + 1}"


def begin_anew(workspace: Workspace) -> None:
    """Empty the results: what comes next is about another model or other data."""
    with workspace.lock:
        workspace.wait_for({}, {})
        workspace.results.clear()
        workspace.selections.clear()
        workspace.activations = workspace.effect = workspace.edits = None
        workspace.forget_edits()


def take_over(workspace: Workspace, other: Workspace) -> None:
    """Results, selections and edits of a session that was opened, and what it misses.

    Parameters
    ----------
    workspace : Workspace
        Where pages and cells listen; holds the session's model and data already.
    other : Workspace
        The session.
    """
    with workspace.lock:
        for name, one in other.results.items():
            workspace.results[name] = one
        for title, selection in other.selections.items():
            workspace.selections[title] = selection
        workspace.picked, workspace.effect = other.picked, other.effect
        workspace.edits = other.edits
        workspace.forget_edits()
        workspace.wait_for(other.awaited, dict(zip(other.awaited, other.missing, strict=True)))


def save_session(
    workspace: Workspace, samples: Link, picked: tuple[str, ...], path: Path, tick: Tick
) -> None:
    """Save the workspace with the layers picked and the selections named on the page.

    Raises
    ------
    FileExistsError
        If `path` exists.
    """
    tick(0.0, "session")
    with workspace.lock:
        workspace.picked = picked
        workspace.selections.clear()
        workspace.selections.update(samples.named)
        workspace.save(path)
    tick(1.0, "saved")


def load_session(path: Path, policy: Policy, tick: Tick) -> tuple[Workspace, Opened | None]:
    """A saved session; None beside it where model or data are gone."""
    tick(0.0, "session")
    found = open_workspace(path, policy=policy)
    if found.model is None or found.data is None:
        tick(1.0, "opened without model or data")
        return found, None
    opened = Opened(found.model, found.data, sites(found.model, found.data), None)
    tick(1.0, "opened")
    return found, opened


def session_folder(policy: Policy) -> Path | None:
    """Where sessions lie; None where the server allows no files."""
    if policy.folder is not None:
        return policy.folder / "sessions"
    return None if policy.restricted else Path.cwd() / "cutaway-sessions"


def sessions(folder: Path | None) -> list[str]:
    """Names of the saved sessions, newest first."""
    if folder is None or not folder.is_dir():
        return []
    found = [one for one in folder.iterdir() if (one / "workspace.json").is_file()]
    return [one.name for one in sorted(found, key=lambda one: -one.stat().st_mtime)]


def _fits(acts: Any, chosen: Sites, opened: Opened) -> bool:
    """Whether these are the activations of the chosen layers, model and data."""
    return isinstance(acts, Activations) and (
        (acts.sites, acts.rows.digest, acts.origin.weights, acts.origin.data)
        == (tuple(one.path for one in chosen), opened.data.index.digest,
            opened.model.digest, opened.data.name)
    )  # fmt: skip


def _plain(value: Any) -> Any:
    """A keyword as JSON, for the key of what was computed."""
    return value.tolist() if isinstance(value, np.ndarray) else value
