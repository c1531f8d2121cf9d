"""The parts of a decoder transformer that a path can run through."""

from dataclasses import dataclass

from torch import Tensor

from cutaway.observables.heads import Heads
from cutaway.observables.mlps import Mlp
from cutaway.observables.norms import Norm


@dataclass(frozen=True, eq=False)
class Layer:
    """One block: x + attention(norm(x)), then x + MLP(norm(x)); or both of the same x.

    Attributes
    ----------
    attention_norm, mlp_norm : Norm
        Before the heads and before the MLP.
    heads : Heads
        The attention.
    mlp : Mlp
        The MLP.
    parallel : bool
        True if the MLP reads what the heads read, so that no path goes from one to the other.
    """

    attention_norm: Norm
    heads: Heads
    mlp_norm: Norm
    mlp: Mlp
    parallel: bool = False


@dataclass(frozen=True, eq=False)
class Components:
    """A decoder transformer, taken apart; weights are views, so a changed model shows.

    Attributes
    ----------
    family : str
        ``config.model_type``.
    layers : tuple of Layer
        In order.
    final_norm : Norm
        Before the unembedding.
    unembedding : Tensor of shape (V, d)
        Logits are ``unembedding @ z + unembedding_bias``.
    unembedding_bias : Tensor of shape (V,) or None
        Of the language-model head.
    head_site : str
        Path of the language-model head in the model.
    """

    family: str
    layers: tuple[Layer, ...]
    final_norm: Norm
    unembedding: Tensor
    unembedding_bias: Tensor | None
    head_site: str

    @property
    def width(self) -> int:
        """Width d of the residual stream."""
        return int(self.unembedding.shape[1])

    @property
    def n_tokens(self) -> int:
        """Rows V of the unembedding."""
        return int(self.unembedding.shape[0])

    def unembed(self, observable: Tensor) -> tuple[Tensor, float]:
        """W_U^T n of shape (d,), and n . b, for a float64 observable n of shape (V,)."""
        used = observable.nonzero()[:, 0]
        weight = self.unembedding.detach()[used.to(self.unembedding.device)].cpu().double()
        covector = observable[used] @ weight
        if self.unembedding_bias is None:
            return covector, 0.0
        return covector, float(observable @ self.unembedding_bias.detach().cpu().double())
