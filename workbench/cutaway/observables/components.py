"""The parts of a decoder transformer that a path can run through."""

from dataclasses import dataclass

import torch
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
    attention_post, mlp_post : Norm or None
        Between what the heads, or the MLP, give and the residual stream; most families have none.
    """

    attention_norm: Norm
    heads: Heads
    mlp_norm: Norm
    mlp: Mlp
    parallel: bool = False
    attention_post: Norm | None = None
    mlp_post: Norm | None = None

    def norm_before(self, head: int | None) -> Norm:
        """What a head, or with None the MLP, reads through."""
        return self.mlp_norm if head is None else self.attention_norm

    def norm_after(self, head: int | None) -> Norm | None:
        """What a head, or with None the MLP, writes through."""
        return self.mlp_post if head is None else self.attention_post


@dataclass(frozen=True)
class SelfCheck:
    """What was compared before a model's parts were used, and how well they agree.

    Attributes
    ----------
    n_texts, n_positions : int
        Texts that the model ran on, and tokens of each; every position was compared.
    tolerance : float
        The largest error that passes.
    compared : tuple of (str, str, float)
        Part, what it must do, and its error: the length of the difference between what the model
        gave at a position and what the part's weights give there, by the length of the latter; the
        largest of all positions.
    """

    n_texts: int
    n_positions: int
    tolerance: float
    compared: tuple[tuple[str, str, float], ...]

    @property
    def error(self) -> float:
        """The largest error of all parts."""
        return max((error for _, _, error in self.compared), default=0.0)

    def __repr__(self) -> str:
        return (
            f"SelfCheck({len(self.compared)} comparisons at every position of {self.n_texts} texts "
            f"of {self.n_positions} tokens; error {self.error:.1e}, tolerance {self.tolerance:.0e})"
        )


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
    softcap : float or None
        c of logits that are capped, ``c tanh(z / c)``; None where they are not.
    check : SelfCheck or None
        The comparison with the model that they passed; see `components_of`.
    """

    family: str
    layers: tuple[Layer, ...]
    final_norm: Norm
    unembedding: Tensor
    unembedding_bias: Tensor | None
    head_site: str
    softcap: float | None = None
    check: SelfCheck | None = None

    @property
    def width(self) -> int:
        """Width d of the residual stream."""
        return int(self.unembedding.shape[1])

    @property
    def n_tokens(self) -> int:
        """Rows V of the unembedding."""
        return int(self.unembedding.shape[0])

    def unembed(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """W_U^T n of shape (n, d), and n . b of shape (n,), for float64 weights (n, V)."""
        used = weights.any(0).nonzero()[:, 0]
        covectors = weights[:, used] @ self._rows(used)
        if self.unembedding_bias is None:
            return covectors, torch.zeros(len(weights), dtype=weights.dtype)
        return covectors, weights @ self.unembedding_bias.detach().cpu().double()

    def measure(self, weights: Tensor, z: Tensor) -> Tensor:
        """Reading n . logits of the model, caps and all: (…) for one n and z of shape (…, d)."""
        if self.softcap is None:
            covector, constant = self.unembed(weights[None])
            return z @ covector[0] + constant[0]
        used = weights.nonzero()[:, 0]
        return self._capped(used, z) @ weights[used]

    def uncapped(self, weights: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Weights on the logits before the cap, and constants: the tangent of the cap at z.

        Parameters
        ----------
        weights : float64 Tensor of shape (n, V)
            On the logits that the model gives.
        z : float64 Tensor of shape (d,) or (n, d)
            Input of the unembedding at the base point, of all or of each.
        """
        if self.softcap is None:
            return weights, torch.zeros(len(weights), dtype=weights.dtype)
        used = weights.any(0).nonzero()[:, 0]
        capped = self._capped(used, z)
        local = torch.zeros_like(weights)
        local[:, used] = weights[:, used] * (1 - (capped / self.softcap) ** 2)
        raw = self._logits(used, z)
        return local, (weights[:, used] * capped - local[:, used] * raw).sum(-1)

    def _capped(self, used: Tensor, z: Tensor) -> Tensor:
        raw = self._logits(used, z)
        return raw if self.softcap is None else self.softcap * torch.tanh(raw / self.softcap)

    def _logits(self, used: Tensor, z: Tensor) -> Tensor:
        raw = z @ self._rows(used).T
        if self.unembedding_bias is None:
            return raw
        return raw + self.unembedding_bias.detach().cpu().double()[used]

    def _rows(self, used: Tensor) -> Tensor:
        return self.unembedding.detach()[used.to(self.unembedding.device)].cpu().double()
