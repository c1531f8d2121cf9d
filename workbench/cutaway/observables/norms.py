"""Norm layers, and how a covector is pulled back through one.

Notation
--------
x       input of the norm, (d,)
y       covector on its output, (d,)
g, b    gain and bias, (d,)
P       x - mean(x) for a LayerNorm, x for an RMSNorm
s       sqrt(mean((P x)^2) + eps)
xhat    P x / s, the normalised input before the gain
"""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

NormMode: TypeAlias = Literal["skip", "gain", "approx", "frozen", "exact"]
MODES: tuple[NormMode, ...] = ("skip", "approx", "frozen", "exact")
FIRST_MODES: tuple[NormMode, ...] = (*MODES, "gain")
POINTLESS: tuple[NormMode, ...] = ("skip", "gain")  # need no activations


@dataclass(frozen=True, eq=False)
class Norm:
    """A LayerNorm or RMSNorm: ``g * xhat + b``.

    Attributes
    ----------
    site : str
        Path of the module in the model.
    gain, bias : float64 Tensor of shape (d,)
        On the CPU; a bias of zeros where the module has none, the gain as it multiplies.
    eps : float
        Added to the mean square.
    centred : bool
        True for a LayerNorm, which takes off the mean; False for an RMSNorm.
    """

    site: str
    gain: Tensor
    bias: Tensor
    eps: float
    centred: bool

    def centre(self, x: Tensor) -> Tensor:
        """P x, along the last axis."""
        return x - x.mean(-1, keepdim=True) if self.centred else x

    def scale(self, x: Tensor) -> Tensor:
        """Scale s of shape (…, 1)."""
        return (self.centre(x).pow(2).mean(-1, keepdim=True) + self.eps).sqrt()

    def apply(self, x: Tensor) -> Tensor:
        """Output of the norm, float64, of shape (…, d)."""
        return self.gain * self.centre(x) / self.scale(x) + self.bias


def pull_back(norm: Norm, y: Tensor, x: Tensor | None, mode: NormMode) -> Tensor:
    """Covectors on the input of a norm.

    Parameters
    ----------
    norm : Norm
        The layer.
    y : float64 Tensor of shape (…, d)
        Covectors on its output.
    x : float64 Tensor of shape (…, d) or None
        Input at the base point, of one or of each covector; "skip" and "gain" need none.
    mode : {"skip", "gain", "approx", "frozen", "exact"}
        - "skip": y, the norm left out;
        - "gain": sqrt(d) g y, for norms of vectors that are compared;
        - "approx": sqrt(d) / ``||x||`` g y, the uncentred norm of the input;
        - "frozen": P(g y) / s, s kept as it is at x;
        - "exact": the gradient, (P(g y) - xhat (xhat . g y) / d) / s.

    Notes
    -----
    A norm does not change when its input is scaled or shifted, so the exact covector is orthogonal
    to the x it was taken at: its reading there is zero up to eps. Read it on other inputs, or read
    the covector after the norm on normed inputs.

    References
    ----------
    Dunefsky, Cohan, "Observable Propagation", arXiv 2312.16291, section on LayerNorms (Theorem 1).
    """
    if mode == "skip":
        return y
    gained = norm.gain * y
    width = y.shape[-1]
    root = math.sqrt(width)
    if mode == "gain":
        return root * gained
    x = _base(x, mode)
    if mode == "approx":
        length: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        return root * gained / length
    scale = norm.scale(x)
    pulled = norm.centre(gained)
    if mode == "exact":
        hat = norm.centre(x) / scale
        pulled = pulled - hat * (hat * gained).sum(-1, keepdim=True) / width
    return pulled / scale


def offset(norm: Norm, y: Tensor, x: Tensor | None, mode: NormMode) -> Tensor:
    """Constants of the affine maps whose slopes are `pull_back`, of shape (…): in reading units.

    Notes
    -----
    y.b where the map is linear but for the bias; y.norm(x) - pull_back.x for "exact"; 0 for "skip".
    """
    if mode == "skip":
        return torch.zeros(y.shape[:-1], dtype=y.dtype)
    if mode == "exact":
        x = _base(x, mode)
        return (y * norm.apply(x) - pull_back(norm, y, x, mode) * x).sum(-1)
    return y @ norm.bias


def _base(x: Tensor | None, mode: NormMode) -> Tensor:
    if x is None:
        raise ValueError(
            f"x must be the norm's input for mode {mode!r}, got none; give one, or skip"
        )
    return x
