"""Observables: directions inside a decoder transformer that carry a measure of its logits."""

from cutaway.observables.completeness import Completeness, completeness
from cutaway.observables.components import Components, Layer
from cutaway.observables.coupling import coupled_range, coupling, coupling_table
from cutaway.observables.head_map import HeadMap, head_map
from cutaway.observables.observable import Observable
from cutaway.observables.opened import components_of
from cutaway.observables.paths import Node, Path
from cutaway.observables.search import Paths, search_paths
from cutaway.observables.vector import FeatureVector, feature_vector, feature_vectors

__all__ = [
    "Completeness",
    "Components",
    "FeatureVector",
    "HeadMap",
    "Layer",
    "Node",
    "Observable",
    "Path",
    "Paths",
    "completeness",
    "components_of",
    "coupled_range",
    "coupling",
    "coupling_table",
    "feature_vector",
    "feature_vectors",
    "head_map",
    "search_paths",
]
