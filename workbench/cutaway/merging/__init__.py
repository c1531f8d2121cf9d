"""Feature merging: which units of a network are really different, and a network of those only."""

from cutaway.merging.curve import ComplexityCurve, complexity_curve
from cutaway.merging.groups import FeatureGroups, feature_groups
from cutaway.merging.measures import LayerMeasures, layer_measures
from cutaway.merging.merge import Merge, merge_features

__all__ = [
    "ComplexityCurve",
    "FeatureGroups",
    "LayerMeasures",
    "Merge",
    "complexity_curve",
    "feature_groups",
    "layer_measures",
    "merge_features",
]
