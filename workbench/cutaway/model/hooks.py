"""The only place that registers hooks, and that undoes them on every way out."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import torch
from torch import nn

Watcher: TypeAlias = Callable[[nn.Module, tuple[Any, ...], Any], Any]
Begin: TypeAlias = Callable[[tuple[Any, ...], dict[str, Any]], None]


@contextlib.contextmanager
def hooked(
    root: nn.Module,
    watchers: Mapping[str, Watcher],
    *,
    begin: Begin | None = None,
) -> Iterator[None]:
    """Watch the outputs of some modules for the length of a ``with`` block.

    Parameters
    ----------
    root : nn.Module
        The whole model.
    watchers : mapping of str to callable
        Path in ``root.named_modules()`` to a forward hook ``(module, arguments, output)``; what it
        returns replaces the output, None leaves it. A module that is reused calls it once a call.
    begin : callable or None
        Called with its arguments whenever a forward of the whole model begins: the place to count
        calls from 0 again, which holds after a forward that failed half-way, too.

    Notes
    -----
    Handles are removed on normal exit, on an exception and on `Cancelled`; hooks of other
    libraries on the same modules are not touched.
    """
    modules = dict(root.named_modules(remove_duplicate=False))
    with contextlib.ExitStack() as handles:
        if begin is not None:
            started = begin

            def first(
                _module: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]
            ) -> None:
                started(arguments, keywords)

            handle = root.register_forward_pre_hook(first, with_kwargs=True)
            handles.callback(handle.remove)
        for path, watcher in watchers.items():
            handles.callback(modules[path].register_forward_hook(watcher).remove)
        yield


@contextlib.contextmanager
def evaluating(root: nn.Module) -> Iterator[None]:
    """Eval mode without gradients; every module's own training flag comes back afterwards."""
    modes = {module: module.training for module in root.modules()}
    root.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


@contextlib.contextmanager
def untouched(root: nn.Module) -> Iterator[None]:
    """Take away the hooks and attributes that a foreign library leaves on the modules.

    Notes
    -----
    Captum undoes its own hooks, but keeps inputs and outputs as attributes of the modules when it
    is interrupted between forward and backward. What was there before stays.
    """
    before = {
        module: (
            set(vars(module)),
            {name: set(one) for name, one in vars(module).items() if _is_hooks(name, one)},
        )
        for module in root.modules()
    }
    full = {module: vars(module).get("_is_full_backward_hook") for module in before}
    try:
        yield
    finally:
        for module, (names, hooks) in before.items():
            for name in set(vars(module)) - names:
                delattr(module, name)
            for name, known in hooks.items():
                held = vars(module)[name]
                for key in set(held) - known:
                    del held[key]
            if "_is_full_backward_hook" in vars(module):
                vars(module)["_is_full_backward_hook"] = full[module]


def _is_hooks(name: str, value: object) -> bool:
    return "_hooks" in name and isinstance(value, dict)
