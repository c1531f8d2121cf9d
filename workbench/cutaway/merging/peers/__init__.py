"""What others do at the same sizes: pruning, neuron merging and model folding, without training."""

from cutaway.merging.peers.folding import folded
from cutaway.merging.peers.prune import METHODS, pruned
from cutaway.merging.peers.recalibrate import recalibrated

__all__ = ["METHODS", "folded", "pruned", "recalibrated"]
