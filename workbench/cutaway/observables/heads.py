"""The attention heads of a layer, as the linear maps from normed input to residual stream.

Notation
--------
H, G, e, d   heads, groups of heads that share their values, width of a head, width of the model
W_V, b_V     value map of a group: (e, d), (e,)
W_O          output map of a head: (d, e)
W_OV         W_O W_V, never formed
"""

from dataclasses import dataclass

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
    """

    site: str
    values: Tensor
    values_bias: Tensor | None
    outputs: Tensor
    outputs_bias: Tensor | None

    def __len__(self) -> int:
        return len(self.outputs)

    def group(self, head: int) -> int:
        """Group whose values a head takes: floor(h / (H / G))."""
        return head // (len(self.outputs) // len(self.values))

    def pull_back(self, y: Tensor, head: int) -> Tensor:
        """W_OV^T y = W_V^T W_O^T y of shape (d,), at unit attention."""
        through = y @ self.outputs[head].detach().cpu().double()
        return through @ self.values[self.group(head)].detach().cpu().double()

    def offset(self, y: Tensor, head: int) -> float:
        """Constant y . W_O b_V of `pull_back`'s map; the output bias is no head's."""
        if self.values_bias is None:
            return 0.0
        through = y @ self.outputs[head].detach().cpu().double()
        return float(through @ self.values_bias[self.group(head)].detach().cpu().double())

    def write(self, x: Tensor, head: int) -> Tensor:
        """W_O (W_V x + b_V) of shape (…, d) for float64 normed inputs x of shape (…, d)."""
        value = x @ self.values[self.group(head)].detach().cpu().double().T
        if self.values_bias is not None:
            value = value + self.values_bias[self.group(head)].detach().cpu().double()
        return value @ self.outputs[head].detach().cpu().double().T

    def write_all(self, x: Tensor) -> Tensor:
        """Sum of all heads at unit attention, and the output bias: of shape (…, d)."""
        total = self.write(x, 0)
        for head in range(1, len(self)):
            total = total + self.write(x, head)
        if self.outputs_bias is not None:
            total = total + self.outputs_bias.detach().cpu().double()
        return total
