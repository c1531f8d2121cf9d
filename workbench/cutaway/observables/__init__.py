"""Observables: directions inside a decoder transformer that carry a measure of its logits."""

from cutaway.observables.completeness import Completeness, completeness
from cutaway.observables.components import Components, Layer
from cutaway.observables.coupling import coupled_range, coupling, coupling_table
from cutaway.observables.coupling_texts import CoupledReadings, coupling_on_texts
from cutaway.observables.head_map import HeadMap, head_map
from cutaway.observables.observable import Observable
from cutaway.observables.opened import components_of
from cutaway.observables.paths import Node, Path
from cutaway.observables.probes import ProbeCurve, compare_probes
from cutaway.observables.scores import TokenScores, observe_texts, score_texts
from cutaway.observables.search import Paths, search_paths
from cutaway.observables.steering import Steering, steer, stream_site
from cutaway.observables.token_ranks import TokenRanks, logit_lens
from cutaway.observables.vector import FeatureVector, feature_vector, feature_vectors

__all__ = [
    "Completeness",
    "Components",
    "CoupledReadings",
    "FeatureVector",
    "HeadMap",
    "Layer",
    "Node",
    "Observable",
    "Path",
    "Paths",
    "ProbeCurve",
    "Steering",
    "TokenRanks",
    "TokenScores",
    "compare_probes",
    "completeness",
    "components_of",
    "coupled_range",
    "coupling",
    "coupling_on_texts",
    "coupling_table",
    "feature_vector",
    "feature_vectors",
    "head_map",
    "logit_lens",
    "observe_texts",
    "score_texts",
    "search_paths",
    "steer",
    "stream_site",
]
