"""Changes of what a site holds, as values; `cutaway.model.edit` applies them."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from cutaway.core import check
from cutaway.model.activations import Activations
from cutaway.model.places import Places

Numbers: TypeAlias = tuple[Any, ...]
"""Nested tuples of floats: hashable, comparable, JSON."""


@dataclass(frozen=True)
class Edit(ABC):
    """Base of all edits; make a `Zero`, `Mean`, `Replace`, `ProjectOut` or `Steer`.

    Parameters
    ----------
    site : str
        Path of the site, ``"relu#2"`` for the second call of a reused module.
    """

    site: str

    kinds: ClassVar[dict[str, type["Edit"]]] = {}

    def __init_subclass__(cls) -> None:
        """Note the class, for `from_json`; the bases end in "Edit"."""
        if not cls.__name__.endswith("Edit"):
            Edit.kinds[cls.__name__] = cls

    @abstractmethod
    def applied(self, values: Tensor) -> Tensor:
        """Changed copy of values of shape (units, …)."""

    def placed(self, values: Tensor, _places: Places | None) -> Tensor:
        """Changed copy of values of shape (units, n, …), of which some belong to tokens of texts.

        Edits for which it matters where a text begins and ends look at the places.
        """
        return self.applied(values)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON object."""
        return {"edit": type(self).__name__} | {
            one.name: _plain(getattr(self, one.name))
            for one in fields(self)
            if not one.kw_only or getattr(self, one.name) is not None
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "Edit":
        """Edit that `to_json` wrote.

        Raises
        ------
        ValueError
            If it names no kind of edit.
        """
        rest = dict(value)
        kind = rest.pop("edit", None)
        check.one_of("edit", kind, Edit.kinds)
        return Edit.kinds[kind](**rest)

    def __repr__(self) -> str:
        said = [_short(getattr(self, one.name)) for one in fields(self) if not one.kw_only]
        named = {one.name: getattr(self, one.name) for one in fields(self) if one.kw_only}
        said += [f"{name}={value!r}" for name, value in named.items() if value is not None]
        return f"{type(self).__name__}({', '.join(said)})"


@dataclass(frozen=True, repr=False)
class UnitEdit(Edit):
    """Base of the edits of single units."""

    units: tuple[int, ...]

    def __post_init__(self) -> None:
        """Make the units a tuple of different whole numbers."""
        given: Any = self.units
        found = (given,) if isinstance(given, (int, np.integer)) else tuple(given)
        for one in found:
            check.whole("units", one, 0, remedy="count units from 0")
        units = tuple(int(one) for one in found)
        if not units or len(set(units)) != len(units):
            raise ValueError(
                f"units must be one or more different units, got {units}; name each unit once"
            )
        object.__setattr__(self, "units", units)

    def __len__(self) -> int:
        return len(self.units)

    def placed(self, values: Tensor, places: Places | None) -> Tensor:
        """Changed copy of values of shape (units, n, …)."""
        return self.applied(values, places)

    def on(self, units: Sequence[int]) -> "UnitEdit":
        """Same edit of other units."""
        return replace(self, units=tuple(units))

    def applied(self, values: Tensor, places: Places | None = None) -> Tensor:
        """Changed copy of values of shape (units, …)."""
        if max(self.units) >= len(values):
            raise ValueError(too_high(self, len(values)))
        changed = values.clone()
        chosen = torch.tensor(self.units, device=values.device)
        changed[chosen] = self._new(values[chosen], places)
        return changed

    @abstractmethod
    def _new(self, old: Tensor, places: Places | None) -> Tensor:
        """New values for those of the chosen units, of shape (k, …)."""


@dataclass(frozen=True, repr=False)
class Zero(UnitEdit):
    """Units set to 0.

    Parameters
    ----------
    site : str
        Path of the site.
    units : int or sequence of int
        Which units, from 0.
    """

    def _new(self, old: Tensor, _places: Places | None) -> Tensor:
        return torch.zeros_like(old)


@dataclass(frozen=True, repr=False)
class Mean(UnitEdit):
    """Units set to their mean, one number each.

    Parameters
    ----------
    site : str
        Path of the site.
    units : int or sequence of int
        Which units, from 0.
    values : Activations, array_like of shape (n_units,), or None
        Captured activations to take the means from (over samples and positions), or the mean of
        every unit of the site. None: the mean over the batch that is running, of texts over their
        tokens without padding (`ablate` fills in the mean over its data instead).
    """

    values: Numbers | None = None

    def __post_init__(self) -> None:
        """Reduce activations to means."""
        super().__post_init__()
        given: Any = self.values
        if given is None:
            return
        if isinstance(given, Activations):
            given = given.to_frame(self.site).to_numpy().mean(axis=0)
        numbers = _numbers("values", given)
        check.n_dims("values", np.asarray(numbers), 1, "one mean for every unit of the site")
        object.__setattr__(self, "values", numbers)

    def applied(self, values: Tensor, places: Places | None = None) -> Tensor:
        """Changed copy of values of shape (units, …)."""
        if self.values is not None and len(self.values) != len(values):
            raise ValueError(
                f"values must hold a mean for each of the {len(values)} units of {self.site}, got "
                f"{len(self.values)}; take them from this site"
            )
        return super().applied(values, places)

    def _new(self, old: Tensor, places: Places | None) -> Tensor:
        rest = (1,) * (old.ndim - 1)
        if self.values is None:
            means = old.mean(dim=list(range(1, old.ndim))) if places is None else places.means(old)
        else:
            means = old.new_tensor([self.values[unit] for unit in self.units])
        return means.reshape(-1, *rest).expand_as(old)


@dataclass(frozen=True, repr=False)
class Replace(UnitEdit):
    """Units set to given values, the same for all samples.

    Parameters
    ----------
    site : str
        Path of the site.
    units : int or sequence of int
        Which units, from 0.
    values : array_like of shape (k,) or (k, …)
        A number a unit, or a map over its positions; of texts, entry j is for token j of each,
        and a map longer than a text is cut off at its end.
    """

    values: Numbers = ()

    def __post_init__(self) -> None:
        """Make the values nested tuples."""
        super().__post_init__()
        numbers = _numbers("values", self.values)
        check.same_length("values", len(numbers), "units", len(self.units))
        object.__setattr__(self, "values", numbers)

    def _new(self, old: Tensor, places: Places | None) -> Tensor:
        new = old.new_tensor(self.values)
        if new.ndim == 1:
            new = new.reshape(-1, *(1,) * (old.ndim - 1))
        elif places is not None and places.fits(new, old):
            new = places.spread(new, old)
        elif new.shape[1:] == old.shape[2:]:
            new = new.unsqueeze(1)
        else:
            raise ValueError(
                f"values must have shape ({len(old)},) or {(len(old), *old.shape[2:])}, got "
                f"{tuple(new.shape)}; give a number or a map a unit"
            )
        return new.expand_as(old)


@dataclass(frozen=True, repr=False)
class DirectionEdit(Edit):
    """Base of the edits along one direction of the space of units.

    Parameters
    ----------
    site : str
        Path of the site.
    direction : array_like of shape (n_units,)
        Scaled to length 1.
    position : int or None
        Edit one place only: of texts a token, counted from each text's own first (0) or last (-1)
        one, whatever the padding; of other data a place of the last axis. None edits all.
    """

    direction: Numbers
    position: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Check the direction and scale it to length 1."""
        numbers = np.asarray(_numbers("direction", self.direction))
        check.n_dims("direction", numbers, 1, "one number a unit")
        length = float(np.linalg.norm(numbers))
        if not (math.isfinite(length) and length > 0):
            raise ValueError(
                f"direction must be finite and not 0, got length {length}; give a vector over units"
            )
        object.__setattr__(self, "direction", tuple((numbers / length).tolist()))
        if self.position is not None:
            check.whole("position", self.position, -(10**9), remedy="-1 is the last place")

    def applied(self, values: Tensor, places: Places | None = None) -> Tensor:
        """Changed copy of values of shape (units, …).

        Raises
        ------
        UnknownPosition
            If a text has no token at the position; it never falls on padding.
        """
        if self.position is None:
            return self._moved(values)
        if places is not None:
            chosen = places.at(self.position, self.site, values)
            return torch.where(chosen, self._moved(values), values)
        count = values.shape[-1]
        if values.ndim < 3 or not -count <= self.position < count:
            raise ValueError(
                f"position must be a place of {self.site}, got {self.position} for "
                f"{count if values.ndim > 2 else 'no'} places; choose another, or None for all"
            )
        changed = values.clone()
        changed[..., self.position] = self._moved(values[..., self.position])
        return changed

    def placed(self, values: Tensor, places: Places | None) -> Tensor:
        """Changed copy of values of shape (units, n, …)."""
        return self.applied(values, places)

    @abstractmethod
    def _moved(self, values: Tensor) -> Tensor:
        """Changed copy of values of shape (units, …), at every place."""

    def along(self, direction: ArrayLike) -> "DirectionEdit":
        """Same edit along another direction."""
        return replace(self, direction=direction)  # type: ignore[arg-type]

    def _vector(self, values: Tensor) -> Tensor:
        if len(self.direction) != len(values):
            raise ValueError(
                f"direction must have one number for each of the {len(values)} units of "
                f"{self.site}, got {len(self.direction)}; take it from this site"
            )
        return values.new_tensor(self.direction).reshape(-1, *(1,) * (values.ndim - 1))


@dataclass(frozen=True, repr=False)
class ProjectOut(DirectionEdit):
    """What lies along a direction removed, at every position or at one.

    Parameters
    ----------
    site : str
        Path of the site.
    direction : array_like of shape (n_units,)
        Scaled to length 1.
    position : int or None
        A token, counted from each text's own first (0) or last (-1) one; of other data a place of
        the last axis. None: every place.
    """

    def _moved(self, values: Tensor) -> Tensor:
        vector = self._vector(values)
        return values - vector * (vector * values).sum(0, keepdim=True)


@dataclass(frozen=True, repr=False)
class Steer(DirectionEdit):
    """A step along a direction added, at every position or at one.

    Parameters
    ----------
    site : str
        Path of the site.
    direction : array_like of shape (n_units,)
        Scaled to length 1.
    by : float
        Length of the step, in units of the activations.
    position : int or None
        A token, counted from each text's own first (0) or last (-1) one; of other data a place of
        the last axis. None: every place.
    """

    by: float = 1.0

    def __post_init__(self) -> None:
        """Check the step."""
        super().__post_init__()
        if not math.isfinite(self.by):
            raise ValueError(
                f"by must be a finite number, got {self.by}; give the length of a step"
            )

    def _moved(self, values: Tensor) -> Tensor:
        return values + self.by * self._vector(values)


def too_high(edit: UnitEdit, count: int) -> str:
    """One line about a unit that its site does not have."""
    return (
        f"units must lie in 0..{count - 1} at site {edit.site!r}, got {max(edit.units)}; "
        f"the site has {count} units"
    )


def _numbers(name: str, values: object) -> Numbers:
    detached: Callable[[], Any] | None = getattr(values, "detach", None)
    given: ArrayLike = detached().cpu() if detached is not None else values  # type: ignore[assignment]
    array = np.atleast_1d(np.asarray(given))
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be real numbers, got dtype {array.dtype}; give an array")
    return _nested(array.astype(np.float64).tolist())


def _nested(values: list[Any]) -> Numbers:
    return tuple(_nested(one) if isinstance(one, list) else one for one in values)


def _plain(value: Any) -> Any:
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def _short(value: Any) -> str:
    if isinstance(value, tuple):
        head = ", ".join(_short(one) for one in value[:4])
        return f"[{head}{', …' if len(value) > 4 else ''}]"
    return f"{value:.4g}" if isinstance(value, float) else repr(value)
