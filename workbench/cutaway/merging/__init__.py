"""Feature merging: which units of a network are really different, and a network of those only."""

from cutaway.merging.groups import FeatureGroups, feature_groups
from cutaway.merging.lens import merge_features, merge_on
from cutaway.merging.merge import Merge
from cutaway.merging.prepared import Prepared
from cutaway.merging.saved import open_merged

__all__ = [
    "FeatureGroups",
    "Merge",
    "Prepared",
    "feature_groups",
    "merge_features",
    "merge_on",
    "open_merged",
]
