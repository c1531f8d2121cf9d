"""The point at which an MLP is replaced by its tangent.

Notation
--------
x(t)   (1 - t) x_neg + t x_pos, inputs of the MLP after its norm
f(t)   y . MLP(x(t)) + c
c      constants of the tangents of the path's later MLPs; norms and biases are left out, as in the
       paper (an exact norm's constant holds the whole measure and would move the boundary)
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from scipy.optimize import brentq
from torch import Tensor

from cutaway.observables.mlps import Mlp

MlpPoint: TypeAlias = Literal["boundary", "mid", "pos"]
MLP_POINTS: tuple[MlpPoint, ...] = ("boundary", "mid", "pos")
_STEPS = 400


@dataclass(frozen=True)
class Point:
    """Where an MLP was linearised.

    Attributes
    ----------
    t : float
        Place on the segment: 0 is the negative prompt, 1 the positive one.
    negative, positive : float
        f at the ends.
    target : float
        Value of f that was looked for: 0, or the mean of the ends where both have one sign.
    n_roots : int
        Places on the segment where f passes the target; 0 where it is constant, or not asked for.
    same_sign : bool
        True if both ends lie on one side of 0: there is no decision boundary between the prompts.
    """

    t: float
    negative: float
    positive: float
    target: float
    n_roots: int
    same_sign: bool


def points_on_segment(
    mlp: Mlp, y: Tensor, constants: Tensor, ends: tuple[Tensor, Tensor], where: MlpPoint
) -> list[Point]:
    """Point between the inputs of two prompts at which an MLP is linearised, for each covector.

    Parameters
    ----------
    mlp : Mlp
        The layer.
    y : float64 Tensor of shape (n, d)
        Covectors on its output.
    constants : float64 Tensor of shape (n,)
        c of each.
    ends : (x_neg, x_pos), float64 Tensors of shape (d,)
        Its inputs, after the norm.
    where : {"boundary", "mid", "pos"}
        - "boundary": where f is 0, or the mean of its two ends if both have one sign;
        - "mid": halfway;
        - "pos": at the positive prompt.

    Notes
    -----
    Roots are bracketed on a grid of 400 steps and refined by Brent's method; of several, the one
    nearest to the middle counts. Roots closer than a step are missed in pairs.

    References
    ----------
    Dunefsky, Cohan, arXiv 2312.16291, section on non-linearities (the paper minimises by Adam).
    """
    low, high = ends
    steps = _STEPS if where == "boundary" else 1
    grid = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    written = mlp.output(low + grid[:, None] * (high - low))  # once for all covectors
    values = y @ written.T + constants[:, None]
    if where == "boundary":
        return [
            _boundary(mlp, y[one], float(constants[one]), ends, values=values[one], grid=grid)
            for one in range(len(y))
        ]
    t = 0.5 if where == "mid" else 1.0
    return [
        Point(t, negative, positive, 0.0, 0, negative * positive > 0)
        for negative, positive in values[:, [0, -1]].tolist()
    ]


def _boundary(
    mlp: Mlp,
    y: Tensor,
    constant: float,
    ends: tuple[Tensor, Tensor],
    *,
    values: Tensor,
    grid: Tensor,
) -> Point:
    low, high = ends
    negative, positive = float(values[0]), float(values[-1])
    same = negative * positive > 0
    target = (negative + positive) / 2 if same else 0.0

    def above(t: float) -> float:
        return float(mlp.read(y, low + t * (high - low))) + constant - target

    varies = float(values.max() - values.min()) > 1e-12 * float(values.abs().max())
    roots = _roots((values - target).tolist(), grid.tolist(), above) if varies else []
    t = min(roots, key=lambda one: abs(one - 0.5), default=0.5)
    return Point(t, negative, positive, target, len(roots), same)


def _roots(
    values: list[float], grid: list[float], function: Callable[[float], float]
) -> list[float]:
    found = [t for t, value in zip(grid, values, strict=True) if value == 0.0]
    found += [
        _refined(function, grid[place], grid[place + 1])
        for place in range(len(grid) - 1)
        if values[place] * values[place + 1] < 0
    ]
    return sorted(found)


def _refined(function: Callable[[float], float], low: float, high: float) -> float:
    """Root between two places; the nearer one where rounding has moved the sign there."""
    ends = function(low), function(high)
    if ends[0] * ends[1] >= 0:
        return low if abs(ends[0]) <= abs(ends[1]) else high
    return float(brentq(function, low, high, xtol=1e-15))
