"""Directions that are trained on labelled residual streams.

Notation
--------
X       rows of training, (N, d), centred;  z labels 0 or 1, (N,);  v targets, (N,)
w       direction, (d,); the larger w . x, the likelier class 1
"""

import warnings
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Fit: TypeAlias = Callable[[Array, Array, Array], Array]

_STRENGTHS = (0.01, 1.0, 100.0)  # C of the logistic regression, chosen by folds
_FOLDS = 5


def mean_difference(x: Array, z: Array, _v: Array) -> Array:
    """Mean of class 1 less mean of class 0."""
    return np.asarray(x[z == 1].mean(0) - x[z == 0].mean(0))


def logistic(x: Array, z: Array, _v: Array) -> Array:
    """Logistic regression with an L2 penalty, its strength by 5 folds where a class has 5 rows.

    Rows are scaled by one number, so that no unit counts for more than in the stream.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold

    scores, back = _rotated(x)
    net = LogisticRegression(C=1.0, max_iter=2000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # separable rows: only the scale grows
        if min(z.sum(), (1 - z).sum()) < _FOLDS:
            net.fit(scores, z)
        else:
            folds = StratifiedKFold(_FOLDS)
            search = GridSearchCV(net, {"C": _STRENGTHS}, cv=folds, scoring="neg_log_loss")
            net = search.fit(scores, z).best_estimator_
    return np.asarray(back @ net.coef_[0])


def ridge(x: Array, _z: Array, v: Array) -> Array:
    """Ridge regression on the targets, its strength by leaving one out."""
    from sklearn.linear_model import RidgeCV

    scores, back = _rotated(x)
    net = RidgeCV(alphas=x.shape[1] * np.logspace(-4, 2, 7)).fit(scores, v)
    return np.asarray(back @ net.coef_)


def leace(x: Array, z: Array, _v: Array) -> Array:
    """The direction that LEACE reads off before it erases the label (concept_erasure).

    References
    ----------
    Belrose and others, "LEACE: Perfect linear concept erasure in closed form", arXiv 2306.03819.
    """
    from concept_erasure import LeaceFitter

    fitter = LeaceFitter.fit(torch.from_numpy(x), torch.from_numpy(z))
    w = fitter.eraser.proj_right.double().numpy()[0]
    return np.asarray(w if w @ mean_difference(x, z, z) >= 0 else -w)


FITS: dict[str, Fit] = {
    "mean_difference": mean_difference,
    "logistic": logistic,
    "ridge": ridge,
    "leace": leace,
}
"""Trained methods by name."""


def _rotated(x: Array) -> tuple[Array, Array]:
    """Rows in a basis of the space that they span, at unit mean square, and the way back.

    Penalties on the length of w are the same there, and N numbers a row are fewer than d.
    """
    _, _, basis = np.linalg.svd(x, full_matrices=False)
    scale = max(float(x.std()), 1e-30)
    return x @ basis.T / scale, basis.T / scale
