"""Three experiments on what anomaly filters have to do with overfitting, nulls reported as such.

The hypotheses are those of "Explaining Model Overfitting in CNNs via GMM Clustering"
(arXiv:2412.10457): that anomaly filters grow with overfitting (`anomaly_growth`), that the samples
they set apart are those with large gradients (`outlier_gradients`, `without_outliers`), and that
switching such filters off matters more than switching off others (`ablate_flagged`).
"""

from cutaway.filters.overfitting.ablation import FilterImpact, ablate_flagged
from cutaway.filters.overfitting.gradients import (
    OutlierGradients,
    gradient_norms,
    outlier_gradients,
)
from cutaway.filters.overfitting.growth import AnomalyGrowth, anomaly_growth
from cutaway.filters.overfitting.removal import Removal, without_outliers

__all__ = [
    "AnomalyGrowth",
    "FilterImpact",
    "OutlierGradients",
    "Removal",
    "ablate_flagged",
    "anomaly_growth",
    "gradient_norms",
    "outlier_gradients",
    "without_outliers",
]
