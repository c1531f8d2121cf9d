"""Questions of cause: what an edit does to the answers, against random controls."""

from cutaway.causal.ablate import Effect, ablate

__all__ = ["Effect", "ablate"]
