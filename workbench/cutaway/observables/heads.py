"""The attention heads of a layer, as the linear maps from normed input to residual stream.

Notation
--------
H, G, e, d   heads, groups of heads that share their values, width of a head, width of the model
W_V, b_V     value map of a group: (e, d), (e,)
W_O          output map of a head: (d, e)
W_OV         W_O W_V, never formed
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Heads:
    """Value and output maps of one attention layer; attention patterns are held constant.

    Attributes
    ----------
    site : str
        Path of the attention module in the model.
    values : Tensor of shape (G, e, d)
        W_V by group, a view of the model's weight.
    values_bias : Tensor of shape (G, e) or None
        b_V by group.
    outputs : Tensor of shape (H, d, e)
        W_O by head, a view of the model's weight.
    outputs_bias : Tensor of shape (d,) or None
        Added once a layer, not once a head.
    queries_keys : mapping of str to (bool Tensor or None)
        Paths of the modules that make queries and keys, and where one makes values as well, which
        of its outputs are values: what must not move for attention patterns to stay.
    """

    site: str
    values: Tensor
    values_bias: Tensor | None
    outputs: Tensor
    outputs_bias: Tensor | None
    queries_keys: Mapping[str, Tensor | None] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.outputs)

    def group(self, head: int) -> int:
        """Group whose values a head takes: floor(h / (H / G))."""
        return head // (len(self.outputs) // len(self.values))

    @cached_property
    def shared(self) -> int:
        """Heads that share one group's values, H / G."""
        return len(self.outputs) // len(self.values)

    def pull_back(self, y: Tensor, heads: Sequence[int] | None = None) -> Tensor:
        """W_OV^T y = W_V^T W_O^T y at unit attention, of shape (n, heads, d).

        Parameters
        ----------
        y : float64 Tensor of shape (n, d)
            Covectors on what the heads write.
        heads : sequence of int or None
            Which heads; None is all.
        """
        chosen = range(len(self)) if heads is None else heads
        through = self.read_back(y, chosen)
        groups = self.values.detach().cpu().double()
        back = through.new_empty(*through.shape[:2], y.shape[-1])
        for group in {self.group(head) for head in chosen}:
            places = [at for at, head in enumerate(chosen) if self.group(head) == group]
            back[:, places] = through[:, places] @ groups[group]
        return back

    def read_back(self, y: Tensor, heads: Sequence[int] | None = None) -> Tensor:
        """W_O^T y, covectors on the heads' mixed values: of shape (…, heads, e)."""
        outputs = self.outputs if heads is None else self.outputs[list(heads)]
        flat = outputs.detach().cpu().double().movedim(1, 0)  # (d, heads, e), as it is stored
        return (y @ flat.flatten(1)).reshape(*y.shape[:-1], *flat.shape[1:])

    def offset(self, y: Tensor, heads: Sequence[int] | None = None) -> Tensor:
        """Constants y . W_O b_V of `pull_back`'s maps, (n, heads); the output bias is no head's."""
        chosen = range(len(self)) if heads is None else heads
        if self.values_bias is None:
            return torch.zeros(len(y), len(chosen), dtype=y.dtype)
        bias = self.values_bias.detach().cpu().double()[[self.group(head) for head in chosen]]
        return (self.read_back(y, chosen) * bias).sum(-1)

    def value(self, x: Tensor) -> Tensor:
        """W_V x + b_V of shape (…, G, e) for float64 normed inputs x of shape (…, d)."""
        stacked = self.values.detach().cpu().double()
        value = (x @ stacked.flatten(0, 1).T).reshape(*x.shape[:-1], *stacked.shape[:2])
        return value if self.values_bias is None else value + self.values_bias.detach().cpu()

    def attend(self, x: Tensor, pattern: Tensor) -> Tensor:
        """Sum of all heads under their patterns, and the output bias: of shape (r, t, d).

        Parameters
        ----------
        x : float64 Tensor of shape (r, t, d)
            Normed inputs.
        pattern : float64 Tensor of shape (r, H, t, t)
            Attention from each position (first axis of the two) to each other one.
        """
        values = self.value(x).repeat_interleave(self.shared, dim=2)  # (r, t, H, e)
        mixed = torch.einsum("rhps,rshe->rphe", pattern, values)
        outputs = self.outputs.detach().cpu().double().movedim(1, 0).flatten(1)  # (d, H e)
        total = mixed.flatten(2) @ outputs.T
        if self.outputs_bias is not None:
            total = total + self.outputs_bias.detach().cpu().double()
        return total

    def write(self, x: Tensor, head: int) -> Tensor:
        """W_O (W_V x + b_V) of shape (…, d) for float64 normed inputs x of shape (…, d)."""
        value = x @ self.values[self.group(head)].detach().cpu().double().T
        if self.values_bias is not None:
            value = value + self.values_bias[self.group(head)].detach().cpu().double()
        return value @ self.outputs[head].detach().cpu().double().T
