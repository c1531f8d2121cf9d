"""The places where activations are read: the outputs of all modules, found by one pass."""

from dataclasses import replace

import numpy as np
from torch import Tensor, nn

from cutaway.data.dataset import Batch, Dataset
from cutaway.model import layout, shapes
from cutaway.model.model import Inputs, Model, as_model
from cutaway.model.tree import Site, Sites

__all__ = ["Site", "Sites", "sites"]


def sites(
    model: Model | nn.Module, data: Dataset | None = None, *, example: Inputs | None = None
) -> Sites:
    """Tree of all sites of a model, with output shapes, from one pass that changes nothing.

    Parameters
    ----------
    model : Model or torch.nn.Module
        Looked at in eval mode without gradients; its state is the same afterwards.
    data : Dataset or None
        Its first sample tells the shape of the input.
    example : Tensor, dict of str to Tensor, or None
        A batch (sample axis first) to use instead of `data`; None and no data: the model's own.

    Returns
    -------
    Sites
        The whole model first, then its modules in the order of ``named_modules()``. A module that
        is registered under several names appears under the first; the others lead to it too.

    Raises
    ------
    ValueError
        If there is neither data nor an example, or no sample in it.
    UnsupportedModel
        If the model still has lazy parameters.
    RuntimeError
        If the model fails on the example; names the shape and the module's own message.

    Notes
    -----
    The pass runs on a copy without weights (fake tensors), so it costs no arithmetic and no memory.
    Forward hooks that others put on the model do not run there. Only a model that cannot run that
    way (control flow that depends on values) runs one real sample, repeated, on its own device.
    Shapes along a sequence are those of the first sample.
    """
    opened = as_model(model)
    with opened.lock:
        seen = shapes.trace(opened, _inputs(opened, data, example))
    modules = opened.module
    first = {id(one): path for path, one in modules.named_modules()}
    counts = _parameter_counts(modules)
    every = tuple(
        _site(path, one, seen.get(path, []), counts[path]) for path, one in modules.named_modules()
    )
    calls: dict[str, Site] = {}
    for site in every:
        for i, call in enumerate(seen.get(site.path, [])[1:], start=2):
            calls[f"{site.path}#{i}"] = _called(replace(site, path=f"{site.path}#{i}"), call)
    by_path = {site.path: site for site in every}
    for path, one in modules.named_modules(remove_duplicate=False):
        if path not in by_path:
            calls[path] = by_path[first[id(one)]]
    names = {path: layout.class_names(one) for path, one in modules.named_modules()}
    return Sites(every, calls, names)


def _inputs(model: Model, data: Dataset | None, example: Inputs | None) -> Inputs:
    if example is not None:
        return model.prepared(example)
    if data is not None:
        if len(data) == 0:
            raise ValueError("data must hold at least one sample, got 0; load a larger part of it")
        batch: Batch = data.batch(np.zeros(1, np.int64))
        return model.inputs(batch)
    if model.example is not None:
        return model.prepared(model.example)
    raise ValueError(
        f"data must be given for model {model.name!r}, got none; its input shape is not known: "
        "call sites(model, data) or sites(model, example=batch)"
    )


def _site(path: str, module: nn.Module, calls: list[shapes.Call], count: int) -> Site:
    empty = Site(
        path=path,
        type=layout.type_name(module),
        shape=None,
        layout="",
        n_parameters=count,
        n_units=None,
        unit_axis=None,
        depth=len(path.split(".")) if path else 0,
        n_calls=len(calls),
        output="not called",
        children=next(module.children(), None) is not None,
    )
    return _called(empty, calls[0]) if calls else empty


def _called(site: Site, call: shapes.Call) -> Site:
    axis = layout.unit_axis(call.layout) if call.shape is not None else None
    units = None
    if axis is not None and call.shape is not None:
        letters = call.layout.split()
        removed = any(letter in {"n", "1"} for letter in letters[:axis])
        units = call.shape[axis - removed]
    return replace(
        site,
        shape=call.shape,
        layout=call.layout,
        n_units=units,
        unit_axis=axis,
        output=call.output,
    )


def _parameter_counts(root: nn.Module) -> dict[str, int]:
    """Parameters in each module and below, each parameter counted under its first owner only."""
    owned: set[int] = set()
    counts: dict[str, int] = {}
    for path, module in root.named_modules():
        mine: list[Tensor] = [
            one for one in module.parameters(recurse=False) if id(one) not in owned
        ]
        owned.update(id(one) for one in mine)
        number = sum(one.numel() for one in mine)
        counts[path] = counts.get(path, 0) + number
        parts = path.split(".") if path else []
        for above in [".".join(parts[:i]) for i in range(len(parts))]:
            counts[above] += number
    return counts
