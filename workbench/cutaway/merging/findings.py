"""Three claims about feature complexity, asked of complexity curves of several seeds.

Does it rise and then fall with depth? Do wider networks hold more redundancy? Does higher
complexity go with better accuracy? Each function takes curves that were made at the same betas and
returns a frame with a mean over seeds, its 95 % bootstrap interval and a verdict.

References
----------
Chen, Zhou, Yan, ICLR 2024, arXiv:2310.06756: abstract and section 5, from single runs.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from cutaway.core import check
from cutaway.merging.curve import ComplexityCurve

_RESAMPLES = 2000


def mean_interval(values: ArrayLike, *, seed: int = 0) -> tuple[float, float, float]:
    """Mean over seeds with its 95 % percentile bootstrap interval; NaN values are left out.

    Parameters
    ----------
    values : array_like of shape (seeds,)
    seed : int
        Of the resampling.

    Returns
    -------
    tuple of float
        Mean, low, high; low and high are NaN for fewer than two values.

    Notes
    -----
    With five values the interval is too short: it holds the truth in about 85 % of cases. It leaves
    out 0 whenever all five have one sign, which happens by chance once in 16.
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    if len(known) < 2:
        return (float(known[0]) if len(known) else float("nan"), float("nan"), float("nan"))
    rng = np.random.default_rng(seed)
    means = known[rng.integers(0, len(known), (_RESAMPLES, len(known)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(known.mean()), float(low), float(high)


def verdict(low: float, high: float) -> str:
    """What an interval of a difference says: "yes" above 0, "reverse" below, "unclear" else."""
    if np.isnan(low) or low <= 0 <= high:
        return "unclear"
    return "yes" if low > 0 else "reverse"


def complexity(curve: ComplexityCurve) -> float:
    """Mean share of features left over the betas of a curve: one number without a choice of beta.

    Curves that are compared must share their betas.
    """
    return float((curve.features_left.sum(axis=1) / curve.size.sum()).mean())


def redundancy(curve: ComplexityCurve, *, loss: float = 0.01) -> float:
    """Largest share of the parameters that goes at no more than `loss` of the score.

    Parameters
    ----------
    curve : ComplexityCurve
        With a score of which more is better.
    loss : float
        In units of the score.

    Returns
    -------
    float
        In [0, 1]; 0 where no beta of the curve qualifies.

    Raises
    ------
    ValueError
        If the curve has no score.
    """
    check.in_range("loss", loss, 0.0)
    if not np.isfinite(curve.score).any():
        raise ValueError(
            "curve must have a score, got none; make it with complexity_curve(…, metric=…)"
        )
    if not np.isfinite(curve.score_before):
        raise ValueError(
            f"curve must have a finite score before merging, got {curve.score_before}; its outputs "
            "are NaN or infinite on some samples"
        )
    # A float32 mean of right answers: equal ones may differ in the last digit.
    size = max(abs(curve.score_before), float(np.abs(curve.score[np.isfinite(curve.score)]).max()))
    fine = curve.score >= curve.score_before - loss - 1e-6 * size
    return float(1 - curve.kept_parameters[fine].min(initial=curve.parameters) / curve.parameters)


def halfway(curve: ComplexityCurve) -> int:
    """Place of the beta at which the share of features left is nearest to a half."""
    share = curve.features_left.sum(axis=1) / curve.size.sum()
    return int(np.argmin(np.abs(share - 0.5)))


def by_depth(curves: Sequence[ComplexityCurve], *, beta: float | None = None) -> pd.DataFrame:
    """Share of features left of each group, in network order.

    Parameters
    ----------
    curves : sequence of ComplexityCurve
        One a seed, of one architecture.
    beta : float or None
        None takes for each the beta that leaves nearest to half of all features, since the useful
        beta differs between networks.

    Returns
    -------
    DataFrame
        A line a group: `size`, `left` (mean), and `share` with `low` and `high`.
    """
    _same_groups(curves)
    left = np.array([_left(one, beta) for one in curves])
    share = left / curves[0].size
    lines = [mean_interval(column) for column in share.T]
    return pd.DataFrame(
        {
            "size": curves[0].size,
            "left": left.mean(axis=0),
            "share": [one[0] for one in lines],
            "low": [one[1] for one in lines],
            "high": [one[2] for one in lines],
        },
        index=pd.Index(curves[0].rows.ids, name="group"),
    )


def rise_and_fall(
    curves: Sequence[ComplexityCurve], *, beta: float | None = None, counts: bool = False
) -> pd.DataFrame:
    """Whether complexity rises and then falls with depth.

    Parameters
    ----------
    curves, beta
        As for `by_depth`; of at least three groups.
    counts : bool
        Features left instead of their share: then the widths of the layers count too.

    Returns
    -------
    DataFrame
        Lines "rise" (mean of the middle third of the groups minus that of the first) and "fall"
        (minus that of the last), with `mean`, `low`, `high`, `verdict`. The claim needs both. No
        maximum is looked for, which would show a hump in pure noise.
    """
    _same_groups(curves)
    if len(curves[0].size) < 3:
        raise ValueError(
            f"curves must have at least three groups, got {len(curves[0].size)}; "
            "a rise and a fall need a deeper network"
        )
    left = np.array([_left(one, beta) for one in curves], dtype=np.float64)
    values = left if counts else left / curves[0].size
    # An outer group belongs to the outer thirds where three does not divide their number.
    outer = -(-values.shape[1] // 3) if values.shape[1] % 3 == 2 else values.shape[1] // 3
    first, last = values[:, :outer].mean(axis=1), values[:, -outer:].mean(axis=1)
    middle = values[:, outer:-outer].mean(axis=1)
    return _lines({"rise": middle - first, "fall": middle - last})


def trend(values: Mapping[float, Sequence[float]], *, log: bool = True) -> pd.DataFrame:
    """Whether something grows with a size (width, depth, label noise), seed by seed.

    Parameters
    ----------
    values : mapping of float to sequence of float
        By size: one value a seed, seeds in the same order everywhere; NaN is left out.
    log : bool
        Slope a doubling of the size; False: a unit of it.

    Returns
    -------
    DataFrame
        A line a size with `mean`, `low`, `high`, and the line "slope" with its `verdict`: least
        squares within each seed, then mean and interval over seeds.

    Raises
    ------
    ValueError
        If there are fewer than two sizes, or not as many seeds everywhere.
    """
    sizes = sorted(values)
    if len(sizes) < 2 or len({len(values[one]) for one in sizes}) != 1:
        raise ValueError(
            "values must hold two or more sizes of equally many seeds, got "
            f"{ {one: len(values[one]) for one in sizes} }; leave out what is not complete"
        )
    table = np.array([values[one] for one in sizes], dtype=np.float64)
    x = np.log2(sizes) if log else np.asarray(sizes, dtype=np.float64)
    slopes = [_slope(x, column) for column in table.T]
    found = _lines({str(size): row for size, row in zip(sizes, table, strict=True)})
    found["verdict"] = ""
    return pd.concat([found, _lines({"slope": slopes})])


def _slope(x: np.ndarray, y: np.ndarray) -> float:
    known = np.isfinite(y)
    return float(np.polyfit(x[known], y[known], 1)[0]) if known.sum() > 1 else float("nan")


def with_accuracy(complexities: ArrayLike, accuracies: ArrayLike) -> pd.DataFrame:
    """Whether higher complexity goes with better accuracy, within each seed.

    Parameters
    ----------
    complexities, accuracies : array_like of shape (seeds, networks)
        Of networks that differ in one thing only: the epoch, or the label noise.

    Returns
    -------
    DataFrame
        The line "rank correlation" (Spearman, mean over seeds) with `mean`, `low`, `high`,
        `verdict`; seeds where one of the two is constant are left out and not counted in `seeds`.
    """
    x, y = np.asarray(complexities, np.float64), np.asarray(accuracies, np.float64)
    if x.ndim != 2 or x.shape != y.shape:
        raise ValueError(
            f"complexities, accuracies must have one shape (seeds, networks), got {x.shape} and "
            f"{y.shape}; give a row a seed"
        )
    return _lines({"rank correlation": [_spearman(a, b) for a, b in zip(x, y, strict=True)]})


def _spearman(a: np.ndarray, b: np.ndarray) -> float:
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(stats.spearmanr(a, b).statistic)


def _lines(values: Mapping[str, ArrayLike]) -> pd.DataFrame:
    rows = []
    for name, one in values.items():
        mean, low, high = mean_interval(one)
        seeds = int(np.isfinite(np.asarray(one, dtype=np.float64)).sum())
        rows.append((name, mean, low, high, seeds, verdict(low, high)))
    columns = ["what", "mean", "low", "high", "seeds", "verdict"]
    return pd.DataFrame(rows, columns=columns).set_index("what")


def _left(curve: ComplexityCurve, beta: float | None) -> np.ndarray:
    left: np.ndarray = curve.features_left[halfway(curve) if beta is None else curve.at(beta)]
    return left


def _same_groups(curves: Sequence[ComplexityCurve]) -> None:
    if not curves:
        raise ValueError("curves must hold at least one, got none; give one a seed")
    for one in curves:
        if one.rows.digest != curves[0].rows.digest or (one.size != curves[0].size).any():
            raise ValueError(
                f"curves must be of one architecture, got groups {list(curves[0].rows)} and "
                f"{list(one.rows)}; compare architectures by complexity() or redundancy()"
            )
