"""Questions of cause: what an edit does to the answers, and which inputs an answer comes from."""

from cutaway.causal.ablate import Effect, ablate
from cutaway.causal.attribution import Attributions, attribute

__all__ = ["Attributions", "Effect", "ablate", "attribute"]
