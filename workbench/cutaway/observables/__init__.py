"""Observables: directions inside a decoder transformer that carry a measure of its logits."""

from cutaway.observables.components import Components, Layer
from cutaway.observables.coupling import coupled_range, coupling, coupling_table
from cutaway.observables.observable import Observable
from cutaway.observables.opened import components_of
from cutaway.observables.paths import Node, Path
from cutaway.observables.vector import FeatureVector, feature_vector, feature_vectors

__all__ = [
    "Components",
    "FeatureVector",
    "Layer",
    "Node",
    "Observable",
    "Path",
    "components_of",
    "coupled_range",
    "coupling",
    "coupling_table",
    "feature_vector",
    "feature_vectors",
]
