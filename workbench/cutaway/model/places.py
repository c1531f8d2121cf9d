"""Which values of a site belong to which token of which text, in a padded batch.

Notation
--------
n, t    texts of the batch, positions of its longest one
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cutaway.model.errors import UnknownPosition
from cutaway.model.tokens import Texts, named


@dataclass(frozen=True, eq=False)
class Places:
    """Where the tokens of a batch lie in values of shape (units, n, …).

    Attributes
    ----------
    texts : Texts
        Which positions hold a token.
    axes : tuple of int
        Axes of the values with a place a position, ascending; none where the site has no positions.
        Of attention patterns there are two, from where and to where.
    certain : bool
        Whether all of `axes` are known to be positions.
    """

    texts: Texts
    axes: tuple[int, ...]
    certain: bool

    def at(self, position: int, site: str, values: Tensor) -> Tensor:
        """The token at a position of each text, as a bool Tensor to broadcast with the values.

        Raises
        ------
        UnknownPosition
            If a text has no such token, or the site no positions.
        """
        if len(self.axes) != 1:
            shape = tuple(values.movedim(0, 1).shape) if values.ndim > 1 else tuple(values.shape)
            found = "no places" if not self.axes else f"more than one axis of places in {shape}"
            raise UnknownPosition(
                f"position must be a place of {site}, got {position} for {found}; choose another "
                "site, or None for all"
            )
        held = self.texts.mask.to(values.device)
        count = held.sum(1)
        short = (count <= position) | (count < -position)
        if bool(short.any()):
            row = int(short.nonzero()[0, 0])
            raise UnknownPosition(
                f"position must be a place of {site}, got {position} for {int(count[row])} places "
                f"in {named(self.texts.ids, row)}; choose another, leave such texts out, or None "
                "for all"
            )
        rank = held.cumsum(1) - 1
        wanted = rank.new_full((1, 1), position) if position >= 0 else (count + position)[:, None]
        return self._broadcast(held & (rank == wanted), values, self.axes[-1])

    def means(self, values: Tensor) -> Tensor:
        """Mean of each unit over the texts and their tokens."""
        if bool(self.texts.mask.all()) or (self.certain and not self.axes):
            return values.mean(dim=list(range(1, values.ndim)))
        sums, count = self.sums(values)
        return sums / count

    def sums(self, values: Tensor) -> tuple[Tensor, int]:
        """Sum of each unit over the texts and their tokens, and how many numbers that adds.

        Raises
        ------
        ValueError
            If there is padding, and positions cannot be told from other axes.
        """
        if not self.certain and not bool(self.texts.mask.all()):
            raise ValueError(
                f"values must be given where positions cannot be told from other axes, got none "
                f"for shape {tuple(values.shape[1:])}; give Mean(site, units, values)"
            )
        held = torch.ones((), dtype=torch.bool, device=values.device)
        for axis in self.axes:
            held = held & self._broadcast(self.texts.mask.to(values.device), values, axis)
        held = held.expand(1, *values.shape[1:])
        # What padding holds may be NaN, and 0 times NaN is NaN.
        kept = torch.where(held, values, 0)
        return kept.sum(dim=list(range(1, values.ndim))), int(held.sum())

    def fits(self, new: Tensor, old: Tensor) -> bool:
        """Whether a map of (k, …) has an entry for each token of each text."""
        if len(self.axes) != 1 or not self.certain or new.ndim != old.ndim - 1:
            return False
        at = self.axes[0]
        rest = [size for axis, size in enumerate(old.shape) if axis not in {0, 1, at}]
        given = [size for axis, size in enumerate(new.shape) if axis not in {0, at - 1}]
        return rest == given and new.shape[at - 1] >= int(self.texts.mask.sum(1).max())

    def spread(self, new: Tensor, old: Tensor) -> Tensor:
        """A map of (k, …) laid over each text from its own first token: (k, n, …)."""
        at = self.axes[0]
        held = self.texts.mask.to(old.device)
        rank = (held.cumsum(1) - 1).clamp(0, new.shape[at - 1] - 1)
        return new.movedim(at - 1, 1)[:, rank].movedim(2, at)

    def _broadcast(self, mask: Tensor, values: Tensor, axis: int) -> Tensor:
        shape = [1] * values.ndim
        shape[1], shape[axis] = mask.shape
        return mask.reshape(shape)


def axes_of(
    letters: Sequence[str], shape: Sequence[int], texts: Texts
) -> tuple[tuple[int, ...], bool]:
    """Axes with a place a position, and whether that is certain.

    Parameters
    ----------
    letters : sequence of str
        Of each axis of the values (units, n, …), see `cutaway.model.layout`.
    shape : sequence of int
        Of the values.
    texts : Texts
        The running batch.
    """
    t = texts.mask.shape[1]
    able = [axis for axis in range(2, len(shape)) if shape[axis] == t]
    lettered = [axis for axis in able if letters[axis] == "t"]
    if len(lettered) == 1:
        return tuple(lettered), True
    patterns = able == [2, 3] and len(shape) == 4 and letters[0] == "c"
    return tuple(able), len(able) < 2 or patterns
