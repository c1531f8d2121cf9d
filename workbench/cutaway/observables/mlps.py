"""Multilayer perceptrons, plain and gated, and their gradients.

Notation
--------
x       normed input, (…, d);  y  covector on the output, (…, d)
plain   W_out act(W_in x + b_in) + b_out
gated   W_out (act(W_gate x + b_gate) * (W_in x + b_in)) + b_out
r       W_out^T y, (…, m)
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Mlp:
    """One MLP; gated if it has a gate.

    Attributes
    ----------
    site : str
        Path of the module in the model.
    w_in, w_gate : Tensor of shape (m, d)
        Views of the model's weights; `w_gate` None for a plain one.
    w_out : Tensor of shape (d, m)
        View of the model's weight.
    b_in, b_gate, b_out : Tensor or None
        Biases.
    act : callable
        The model's own activation function, elementwise.
    """

    site: str
    w_in: Tensor
    b_in: Tensor | None
    w_gate: Tensor | None
    b_gate: Tensor | None
    w_out: Tensor
    b_out: Tensor | None
    act: Callable[[Tensor], Tensor]

    def widened(self) -> "Mlp":
        """The same in float64 on the CPU, for many evaluations of one MLP."""
        return replace(
            self,
            w_in=_wide(self.w_in),
            w_gate=None if self.w_gate is None else _wide(self.w_gate),
            w_out=_wide(self.w_out),
        )

    def output(self, x: Tensor) -> Tensor:
        """MLP(x) of shape (…, d), float64."""
        return _affine(self._hidden(x), self.w_out, self.b_out)

    def read(self, y: Tensor, x: Tensor) -> Tensor:
        """Reading y . MLP(x) of each x: of shape (…)."""
        read = self._hidden(x) @ (y @ _wide(self.w_out))
        return read if self.b_out is None else read + y @ _wide(self.b_out)

    def pull_back(self, y: Tensor, x: Tensor) -> Tensor:
        """Gradients of y . MLP at x, both of shape (…, d).

        Notes
        -----
        Plain: W_in^T (act'(a) r). Gated, a of the gate and b of the other branch:
        W_gate^T (act'(a) b r) + W_in^T (act(a) r).
        """
        r = y @ _wide(self.w_out)
        b = _affine(x, self.w_in, self.b_in)
        if self.w_gate is None:
            return (self._slope(b) * r) @ _wide(self.w_in)
        a = _affine(x, self.w_gate, self.b_gate)
        by_gate = (self._slope(a) * b * r) @ _wide(self.w_gate)
        return by_gate + (self.act(a) * r) @ _wide(self.w_in)

    def _hidden(self, x: Tensor) -> Tensor:
        b = _affine(x, self.w_in, self.b_in)
        if self.w_gate is None:
            return self.act(b)
        return self.act(_affine(x, self.w_gate, self.b_gate)) * b

    def _slope(self, a: Tensor) -> Tensor:
        """act'(a), elementwise."""
        with torch.enable_grad():
            at = a.detach().clone().requires_grad_()
            (slope,) = torch.autograd.grad(self.act(at).sum(), at)
        return slope


def _wide(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().double()


def _affine(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    through = x @ _wide(weight).T
    return through if bias is None else through + _wide(bias)
