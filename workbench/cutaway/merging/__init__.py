"""Feature merging: which units of a network are really different, and a network of those only."""

from cutaway.merging.curve import ComplexityCurve, complexity_curve
from cutaway.merging.groups import FeatureGroups, feature_groups
from cutaway.merging.lens import merge_features
from cutaway.merging.measures import LayerMeasures, layer_measures
from cutaway.merging.merge import Merge
from cutaway.merging.prepared import Prepared
from cutaway.merging.saved import open_merged

__all__ = [
    "ComplexityCurve",
    "FeatureGroups",
    "LayerMeasures",
    "Merge",
    "Prepared",
    "complexity_curve",
    "feature_groups",
    "layer_measures",
    "merge_features",
    "open_merged",
]
