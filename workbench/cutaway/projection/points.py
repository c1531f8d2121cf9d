"""`project`: one point in the plane for every row."""

import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cutaway.core import Result, Tick, check, part, silent
from cutaway.projection.matrix import Array, Matrix, read
from cutaway.projection.principal import EXACT, Principal, principal

METHODS = ("pca", "umap", "tsne")
REDUCED = 50  # principal components that UMAP and t-SNE get of wider rows
_ROUGH = 1e-2  # tolerance of that reduction: neighbours do not depend on its last digits


@dataclass(frozen=True, eq=False, repr=False)
class Projection(Result):
    """Points in the plane, by row.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
        Coordinates; NaN for a row that was left out. Equal rows have one point.
    status : ndarray of str of shape (n,)
        "ok", or "non-finite" for a row with NaN or infinity.
    method : str
        "pca", "umap" or "tsne".
    explained : ndarray of shape (2,)
        Share of the variance along each axis, in [0, 1]; NaN for UMAP and t-SNE. Both are 0 where
        all rows are equal but for rounding.
    reduced_to : int or None
        Principal components that UMAP or t-SNE was given; None: all features.
    kept_variance : float
        Share of the variance in what the method was given, in [0, 1].
    converged : bool
        Whether the principal components were found to their tolerance.
    """

    points: Array
    status: NDArray[np.str_]
    method: str
    explained: Array
    reduced_to: int | None
    kept_variance: float
    converged: bool

    schema: ClassVar[int] = 1

    _shapes: ClassVar[Mapping[str, str]] = {"points": "n 2", "status": "n", "explained": "2"}

    def to_frame(self) -> pd.DataFrame:
        """One line a row: x, y, status."""
        columns = {"x": self.points[:, 0], "y": self.points[:, 1], "status": self.status}
        return pd.DataFrame(columns, index=pd.Index(self.rows.ids, name=self.rows.axis))

    def axes(self) -> tuple[str, str]:
        """Titles of the two axes."""
        if self.method != "pca":
            name = {"umap": "UMAP", "tsne": "t-SNE"}[self.method]
            return f"{name} 1", f"{name} 2"
        first, second = (f"PC {j + 1} ({self.explained[j]:.1%} of variance)" for j in range(2))
        return first, second

    def __repr__(self) -> str:
        out = int((self.status != "ok").sum())
        left = f", {out} left out (non-finite)" if out else ""
        if self.method == "pca" and not self.explained.any():
            left += ", all equal"
        given = f" of {self.reduced_to} components" if self.reduced_to else ""
        return (
            f"Projection({len(self.rows)} {self.rows.axis}s by {self.method}{given}{left}; "
            f"{self.origin.caption()})"
        )


def project(
    rows: Any,
    *,
    method: Literal["pca", "umap", "tsne"] = "pca",
    site: str | None = None,
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    perplexity: float = 30.0,
    seed: int = 0,
    tick: Tick = silent,
) -> Projection:
    """Points in the plane for samples, or for the rows of any matrix.

    Parameters
    ----------
    rows : Activations, DataFrame, or array_like of shape (n, features)
        Activations are flattened to one row a sample; of texts of different length, positions are
        averaged first. Of several sites each counts alike: its block is divided by the root of its
        total variance. The numeric columns of a DataFrame, with its index as ids. Masked entries
        count as NaN.
    method : {"pca", "umap", "tsne"}
        How to project.
    site : str or None
        One site of the activations; None: all.
    n_neighbors : int
        UMAP: neighbours that shape the picture, 2 or more and fewer than the different rows.
    min_dist : float
        UMAP: least distance of points, 0 to 1.
    perplexity : float
        t-SNE: effective number of neighbours, 1 or more and less than the different rows.
    seed : int
        Of all chance.
    tick : Tick
        Progress; UMAP and t-SNE run as one stage each and hear a cancel after it.

    Returns
    -------
    Projection
        With all rows; those with NaN or infinity have a status and no point.

    Raises
    ------
    TypeError
        If `rows` are no numbers.
    ValueError
        If there are fewer than 3 rows, an option is out of range, or, for UMAP and t-SNE, fewer
        than 3 rows differ.
    ModuleNotFoundError
        If UMAP is not installed.

    Warns
    -----
    RuntimeWarning
        If all rows are equal but for rounding, which PCA draws as one point.

    Notes
    -----
    Rows are centred. UMAP and t-SNE get at most 50 principal components (see `reduced_to`,
    `kept_variance`), each of several equal rows once, and in a unit of their own: rows times a
    power of two give the same picture. PCA points have the unit of the rows, if of one site.
    Distances between clusters of a UMAP or t-SNE picture mean little. The same seed gives the same
    points on one machine and library set.

    References
    ----------
    McInnes, Healy, Melville, "UMAP", arXiv:1802.03426, 2018. van der Maaten, Hinton, "Visualizing
    data using t-SNE", JMLR 9, 2008.
    """
    begun = time.perf_counter()
    check.one_of("method", method, METHODS)
    check.whole("seed", seed, 0)
    parameters = {"method": method, "site": site} | _options(
        method, n_neighbors=n_neighbors, min_dist=min_dist, perplexity=perplexity
    )
    found = read(rows, site)
    matrix = Matrix(found, part(tick, 0.0, 0.2))
    _check_neighbours(method, matrix.n, n_neighbors, perplexity)
    made, facts = _placed(method, matrix, parameters, seed, part(tick, 0.2, 0.97))
    points = np.full((len(found.index), 2), np.nan)
    points[matrix.places] = made
    if not np.isfinite(points[matrix.places]).all():
        raise ValueError(
            "rows must leave room for their distances in float64, got numbers up to about "
            f"2^{matrix.exponent}; divide them by a power of ten"
        )
    origin = replace(
        found.origin, function="project", parameters=parameters, seed=seed,
        site=", ".join(name for name in found.names if name), rows=found.index.digest,
    )  # fmt: skip
    result = Projection(
        rows=found.index,
        origin=origin.after(time.perf_counter() - begun),
        points=points,
        status=np.where(matrix.finite, "ok", "non-finite"),
        method=method,
        **facts,
    )
    tick(1.0, "projected")
    return result


def _options(method: str, **options: float) -> dict[str, float]:
    """Options that this method reads, checked."""
    check.whole("n_neighbors", options["n_neighbors"], 2)
    check.in_range("min_dist", options["min_dist"], 0.0, 1.0)
    check.in_range("perplexity", options["perplexity"], 1.0)
    names = {"pca": (), "umap": ("n_neighbors", "min_dist"), "tsne": ("perplexity",)}[method]
    return {name: options[name] for name in names}


def _check_neighbours(method: str, n: int, n_neighbors: int, perplexity: float) -> None:
    if method == "umap" and n_neighbors >= n:
        raise ValueError(
            f"n_neighbors must be below the {n} finite rows, got {n_neighbors}; lower it"
        )
    if method == "tsne" and perplexity >= n:
        raise ValueError(
            f"perplexity must be below the {n} finite rows, got {perplexity}; lower it"
        )


def _placed(
    method: str, matrix: Matrix, parameters: dict[str, Any], seed: int, tick: Tick
) -> tuple[Array, dict[str, Any]]:
    """Points of the finite rows (n, 2), and what `Projection` says about them."""
    facts = {"explained": np.full(2, np.nan), "reduced_to": None, "kept_variance": 1.0}
    if method == "pca":
        made = np.zeros((matrix.n, 2))  # one column of numbers has no second component
        facts["explained"] = np.zeros(2)
        if not matrix.varies:
            warnings.warn(
                f"rows must differ, got {matrix.n} that are equal but for rounding; all points are "
                "the origin",
                RuntimeWarning,
                stacklevel=3,
            )
            return made, facts | {"converged": True}
        seen = _components(matrix, 2, seed, tick)
        with np.errstate(over="ignore"):
            made[:, : seen.scores.shape[1]] = np.ldexp(seen.scores, matrix.exponent)
        shares = [_share(float(one), matrix.total) for one in seen.variances]
        facts["explained"] = np.array([*shares, 0.0][:2])
        return made, facts | {"converged": seen.converged}
    if not matrix.varies:
        raise ValueError(
            f"rows must differ for method {method!r}, got {matrix.n} that are equal but for "
            "rounding; is the layer dead?"
        )
    converged = True
    if matrix.d <= REDUCED:
        inputs = np.concatenate([some for _, some in matrix.pieces()])
    else:
        seen = _components(matrix, REDUCED, seed, part(tick, 0.0, 0.3), tolerance=_ROUGH)
        inputs, converged = seen.scores, seen.converged
        facts["reduced_to"] = inputs.shape[1]
        facts["kept_variance"] = _share(float(seen.variances.sum()), matrix.total)
    tick(0.3, f"{method}: {matrix.n} rows of {inputs.shape[1]} numbers")
    unit = int(np.frexp(np.sqrt(matrix.total))[1])
    values = np.ldexp(inputs, -unit).astype(np.float32)
    # Ties among neighbours make these libraries divide by zero or search for ever.
    different, own = np.unique(values, axis=0, return_inverse=True)
    _check_different(method, len(different), parameters)
    if len(different) < len(values):
        made = _embedded(method, different, parameters, seed)[own.ravel()]
    else:
        made = _embedded(method, values, parameters, seed)
    if not np.isfinite(made).all():
        raise ValueError(
            f"method {method!r} must give finite points, got NaN; use method='pca' for these rows"
        )
    tick(1.0, f"{method}: done")
    return made, facts | {"converged": converged}


def _check_different(method: str, n: int, parameters: dict[str, Any]) -> None:
    name = "n_neighbors" if method == "umap" else "perplexity"
    if n < 3:
        raise ValueError(
            f"rows must hold 3 or more different ones for method {method!r}, got {n}; "
            "use method='pca'"
        )
    if parameters[name] >= n:
        raise ValueError(
            f"{name} must be below the {n} different rows, got {parameters[name]}; lower it"
        )


def _components(
    matrix: Matrix, k: int, seed: int, tick: Tick, *, tolerance: float = EXACT
) -> Principal:
    k = min(k, matrix.n, matrix.d)
    seen = principal(matrix, k, seed=seed, tick=tick, tolerance=tolerance)
    if not seen.converged:
        warnings.warn(
            f"principal components did not converge in {seen.n_iter} passes: several directions "
            "hold nearly the same variance, and any of them may be shown",
            RuntimeWarning,
            stacklevel=4,
        )
    return seen


def _embedded(
    method: str, values: NDArray[np.float32], parameters: dict[str, Any], seed: int
) -> Array:
    """Points of rows that all differ."""
    if method == "tsne":
        from sklearn.manifold import TSNE

        made = TSNE(
            perplexity=parameters["perplexity"],
            init="pca" if values.shape[1] > 1 else "random",  # one column has one component
            random_state=seed,
        ).fit_transform(values)
    else:
        made = _umap(parameters, seed).fit_transform(values)
    return np.asarray(made, np.float64)


def _umap(parameters: dict[str, Any], seed: int) -> Any:
    try:
        from umap import UMAP
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "umap-learn must be installed for method 'umap', got none; "
            "run: pip install 'cutaway[umap]', or use method='tsne'"
        ) from error
    return UMAP(
        n_neighbors=parameters["n_neighbors"],
        min_dist=parameters["min_dist"],
        random_state=seed,
        n_jobs=1,  # with a seed it is 1 anyway; said here, UMAP does not warn
    )


def _share(some: float, total: float) -> float:
    return float(min(some / total, 1.0)) if total > 0 else 0.0
