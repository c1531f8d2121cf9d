"""What happens inside a capture's hooks: pick the call, shape the tensor, stop after the last."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from cutaway.model.hooks import Watcher
from cutaway.model.outputs import first_tensor

Take = Callable[[int, Tensor], None]


class Enough(BaseException):
    """Raised from the last wanted hook: the rest of the network need not run.

    No `Exception`, because a model that catches those would go on.
    """


@dataclass(frozen=True)
class Wanted:
    """One call of one module whose output is recorded.

    Parameters
    ----------
    name : str
        The site's path, with ``#2`` … for a later call of a reused module.
    layout : str
        Letters of the axes as the module returns them: ``"n c h w"``, ``"t n d"``, ``"1 t d"``.
    """

    name: str
    layout: str

    @property
    def path(self) -> str:
        """Path of the module."""
        return self.name.partition("#")[0]

    @property
    def call(self) -> int:
        """Which call within one forward, from 1."""
        return int(self.name.partition("#")[2] or 1)

    @property
    def kept(self) -> str:
        """Letters of the axes as they are kept: samples first."""
        return " ".join(["n", *(one for one in self.layout.split() if one not in {"n", "1"})])


class Recorder:
    """Hooks that hand each wanted output on, in the shape in which it is kept.

    Parameters
    ----------
    wanted : sequence of Wanted
        What to record; the forward ends when all were seen.
    pool : int or None
        Side to which larger maps are averaged.
    """

    def __init__(self, wanted: Sequence[Wanted], pool: int | None) -> None:
        self.error: Exception | None = None
        self._wanted = wanted
        self._pool = pool
        self._places = {(one.path, one.call): place for place, one in enumerate(wanted)}
        self._calls: dict[str, int] = {}
        self._left: set[int] = set()
        self._n = 0
        self._mask: Tensor | None = None
        self._length = 0
        self._take: Take | None = None

    def watchers(self) -> Mapping[str, Watcher]:
        """One hook a path, for `cutaway.model.hooks.hooked`."""
        return {path: self._watcher(path) for path in dict.fromkeys(w.path for w in self._wanted)}

    def begin(self, n: int, take: Take, mask: Tensor | None = None, length: int = 0) -> None:
        """Make ready for one forward.

        Parameters
        ----------
        n : int
            Samples in the batch.
        take : callable
            Gets ``(place in wanted, tensor)``; the tensor is only valid during the call, because
            the next layer may overwrite it in place.
        mask : tensor of shape (n, t) or None
            True where a position holds a token; other positions are recorded as 0, and outputs with
            fewer positions than t are filled up.
        length : int
            Positions of this batch.
        """
        self._calls.clear()
        self._left = set(range(len(self._wanted)))
        self._n, self._take, self._mask, self._length = n, take, mask, length
        self.error = None

    def missing(self) -> list[str]:
        """Names that the last forward did not reach."""
        return [self._wanted[place].name for place in sorted(self._left)]

    def _watcher(self, path: str) -> Watcher:
        def watch(_module: nn.Module, _arguments: tuple[Any, ...], output: Any) -> None:
            call = self._calls.get(path, 0) + 1
            self._calls[path] = call
            place = self._places.get((path, call), -1)
            if place not in self._left or self._take is None:
                return
            try:
                self._take(place, self._shaped(self._wanted[place], output))
            except Exception as error:
                self.error = error  # a model may swallow it; the capture looks here
                raise
            self._left.discard(place)
            if not self._left:
                raise Enough

        return watch

    def _shaped(self, one: Wanted, output: Any) -> Tensor:
        tensor = first_tensor(output)
        if tensor is None:
            raise TypeError(
                f"site {one.name} must return a tensor, got {type(output).__name__}; "
                "choose a site inside or around it"
            )
        tensor = self._samples_first(one, tensor.detach())
        if self._mask is not None:
            tensor = _whole_length(tensor, one.kept, self._mask, self._length)
        if self._pool is not None:
            tensor = _pooled(tensor, one.kept, self._pool)
        return tensor

    def _samples_first(self, one: Wanted, tensor: Tensor) -> Tensor:
        letters = one.layout.split()
        shape = tuple(tensor.shape)
        if letters[0] == "1":  # one output for all samples
            if tensor.ndim == len(letters) - 1:
                tensor = tensor.unsqueeze(0)
            if tensor.shape[0] == 1:
                return tensor.expand(self._n, *tensor.shape[1:])
        elif "n" in letters and tensor.ndim == len(letters):
            tensor = tensor.movedim(letters.index("n"), 0)
        if tensor.ndim == 0 or tensor.shape[0] != self._n:
            raise ValueError(
                f"site {one.name} must return {self._n} samples, got shape {shape} where the axes "
                f"should be {one.layout!r}; choose a site inside or around it"
            )
        return tensor


def _whole_length(tensor: Tensor, layout: str, mask: Tensor, length: int) -> Tensor:
    """Outputs of one batch with as many positions as the longest sample of all; 0 at no token."""
    whole = mask.shape[1]
    full = bool(mask.all())
    for axis, letter in enumerate(layout.split()[: tensor.ndim]):
        if letter != "t" or tensor.shape[axis] != length:
            continue
        if length < whole:
            tensor = functional.pad(tensor, [0, 0] * (tensor.ndim - 1 - axis) + [0, whole - length])
        if not full:
            kept = [whole if other == axis else 1 for other in range(1, tensor.ndim)]
            tensor = tensor.masked_fill(~mask.to(tensor.device).reshape(-1, *kept), 0)
    return tensor


def _pooled(tensor: Tensor, layout: str, side: int) -> Tensor:
    """Maps averaged to at most `side` places an axis; anything without channels stays as it is."""
    letters = layout.split()
    spatial = sum(letter in {"h", "w", "z"} for letter in letters)
    if len(letters) != tensor.ndim or tensor.ndim != spatial + 2 or spatial not in {2, 3}:
        return tensor
    channel = next(place for place, letter in enumerate(letters) if letter in {"c", "d"})
    maps = tensor.movedim(channel, 1)
    sizes = [min(side, size) for size in maps.shape[2:]]
    if list(maps.shape[2:]) == sizes:
        return tensor
    average: Any = (
        functional.adaptive_avg_pool2d if spatial == 2 else functional.adaptive_avg_pool3d
    )
    pooled: Tensor = average(maps.to(torch.float32), sizes)
    return pooled.movedim(1, channel)
