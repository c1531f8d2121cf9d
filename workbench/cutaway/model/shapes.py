"""One pass through a model that records the shapes of all outputs and changes nothing."""

import contextlib
import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cutaway.model import layout, outputs
from cutaway.model.errors import UnsupportedModel
from cutaway.model.hooks import evaluating, hooked
from cutaway.model.model import Inputs, Model

_MANY, _FEW = (101, 103, 107, 109), (11, 13, 17, 19)
"""Numbers of samples of a pass: unusual lengths of other axes, so that they mark their own."""


@dataclass(frozen=True)
class Call:
    """One call of one module during the pass.

    Attributes
    ----------
    shape : tuple of int or None
        Shape of the first tensor it returned without the sample axis; None if it returned none.
    layout : str
        Meaning of all axes, the sample axis included ("n c h w").
    output : str
        Where the tensor lies in what the module returned ("tensor", "tuple[0]", "dict[logits]").
    """

    shape: tuple[int, ...] | None
    layout: str
    output: str


def trace(model: Model, example: Inputs) -> dict[str, list[Call]]:
    """Calls of every module that ran, by its path, in the order of the calls.

    A copy of the model without weights runs first (fake tensors: shapes only, no arithmetic). If it
    cannot, because the code looks at values or leaves torch, the model itself runs on the
    example, and its training flags, buffers, attributes and the random generators are put back.

    Parameters
    ----------
    model : Model
        Its lock must be held by the caller.
    example : Tensor or dict of str to Tensor
        From `Model.prepared`; sample axis first.

    Raises
    ------
    UnsupportedModel
        If the model still has lazy parameters.
    RuntimeError
        If the model fails on the example.
    """
    lazy = [k for k, v in model.module.named_parameters() if nn.parameter.is_lazy(v)]
    if lazy:
        raise UnsupportedModel(
            f"model {model.name!r} must have all its weights, got lazy parameter {lazy[0]!r}; "
            "run one batch through it first"
        )
    failed: Exception = RuntimeError("the example is empty")
    for run, rows in ((_shapes_only, _MANY), (_for_real, _FEW)):
        for inputs in _wider(example, rows):
            try:
                calls = run(model, inputs)
            except Exception as error:  # noqa: BLE001 - models may raise anything; the last run tells
                failed = error
            else:
                return calls
    raise RuntimeError(model.failure(example, failed)) from failed


def _wider(example: Inputs, choice: tuple[int, ...]) -> Iterator[Inputs]:
    """The example with its first sample repeated, then as it was given (fixed batch size).

    The number of samples differs from every other length of the example, so that an axis of that
    length in an output is the sample axis wherever it lies.
    """
    tensors = {"": example} if isinstance(example, Tensor) else example
    if tensors and all(one.dim() and one.shape[0] for one in tensors.values()):
        taken = {length for one in tensors.values() for length in one.shape[1:]}
        rows = next((one for one in choice if one not in taken), choice[0])
        wide = {k: v[:1].expand(rows, *v.shape[1:]).clone() for k, v in tensors.items()}
        yield wide[""] if isinstance(example, Tensor) else wide
    yield example


def _shapes_only(model: Model, inputs: Inputs) -> dict[str, list[Call]]:
    # torch._subclasses is where torch keeps fake tensors; loading it takes a moment, so not before
    from torch._subclasses.fake_tensor import FakeCopyMode, FakeTensorMode

    mode = FakeTensorMode()
    with FakeCopyMode(mode):
        ghost = copy.deepcopy(model.module)
    for module in ghost.modules():
        # Watchers of other libraries would store fake tensors. Pre-hooks stay: weight_norm is one.
        module._forward_hooks.clear()  # noqa: SLF001 - no public way to list hooks
    with mode:
        fake = _each(inputs, mode.from_tensor)
        return _watched(model, ghost, fake)


def _for_real(model: Model, inputs: Inputs) -> dict[str, list[Call]]:
    device = model.device
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda), _unchanged(model.module):
        return _watched(model, model.module, inputs)


def _each(inputs: Inputs, change: Callable[[Tensor], Tensor]) -> Inputs:
    if isinstance(inputs, Tensor):
        return change(inputs)
    return {key: change(one) for key, one in inputs.items()}


def _watched(model: Model, module: nn.Module, inputs: Inputs) -> dict[str, list[Call]]:
    """Run `module` (the model's own or a copy) and note each call."""
    calls: dict[str, list[Call]] = {}
    seen: dict[tuple[int, ...], str] = {}
    n = (inputs if isinstance(inputs, Tensor) else next(iter(inputs.values()))).shape[0]

    def watcher(path: str) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        def note(part: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
            del arguments
            calls.setdefault(path, []).append(_call(part, output, n, seen))

        return note

    with evaluating(module), hooked(module, {p: watcher(p) for p, _ in module.named_modules()}):
        model.call(inputs, module=module)
    return calls


def _call(module: nn.Module, output: Any, n: int, seen: dict[tuple[int, ...], str]) -> Call:
    """Describe one output; `seen` carries layouts on to later outputs of the same shape."""
    tensor, place = outputs.located(output)
    if tensor is None:
        return Call(None, "", place)
    full = tuple(tensor.shape)
    names = layout.class_names(module)
    known = layout.certain(names, len(full)) or seen.get(full) or layout.usual(len(full))
    seen[full] = known
    if not full or full[0] == n:
        return Call(full[1:], known, place)
    if n in full:
        axis = full.index(n)
        return Call(full[:axis] + full[axis + 1 :], layout.with_samples_at(known, axis), place)
    if full[0] == 1:
        return Call(full[1:], layout.with_samples_at(known, None), place)
    if full[0] % n == 0:
        joined = " ".join(["nt", *known.split()[1:]])
        return Call((full[0] // n, *full[1:]), joined, place)
    without = layout.certain(names, len(full) + 1) or layout.usual(len(full) + 1)
    return Call(full, without.partition(" ")[2], place)


@contextlib.contextmanager
def _unchanged(root: nn.Module) -> Iterator[None]:
    """Put back what a forward pass may change in a module besides hooks and training flags."""
    before = [
        (module, {key: (one, _copied(one)) for key, one in vars(module).items()})
        for module in root.modules()
    ]
    buffers = [(one, one.detach().clone(), _count(one)) for one in root.buffers()]
    try:
        yield
    finally:
        for module, kept in before:
            _restore(vars(module), kept)
        with torch.no_grad():
            for buffer, value, version in buffers:
                if _count(buffer) != version:
                    buffer.copy_(value)


def _copied(value: Any) -> Any:
    """Shallow copy of a plain container, else None."""
    return copy.copy(value) if type(value) in {dict, list, set} else None


def _restore(now: dict[str, Any], kept: Mapping[str, tuple[Any, Any]]) -> None:
    for key in now.keys() - kept.keys():
        del now[key]
    for key, (value, content) in kept.items():
        now[key] = value
        if content is not None:
            value.clear()
            (value.extend if isinstance(value, list) else value.update)(content)


def _count(tensor: Tensor) -> int:
    return -1 if tensor.is_inference() else tensor._version  # noqa: SLF001 - the counter's only name
