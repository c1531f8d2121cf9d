"""Feature merging: which units of a network are really different, and a network of those only."""

from cutaway.merging.groups import FeatureGroups, feature_groups
from cutaway.merging.merge import Merge, merge_features

__all__ = ["FeatureGroups", "Merge", "feature_groups", "merge_features"]
