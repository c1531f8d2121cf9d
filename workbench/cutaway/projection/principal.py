"""Principal components of a matrix that may not fit into memory."""

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from cutaway.core import Tick
from cutaway.projection.matrix import Array, Matrix

_SMALL = 1500  # a full eigenproblem of this size takes well under a second
_MORE = 10  # columns of the block beyond those asked for
_PASSES = 100
EXACT = 1e-6  # residual of a direction, in units of the largest variance


@dataclass(frozen=True, eq=False)
class Principal:
    """Leading principal components.

    Parameters
    ----------
    scores : ndarray of shape (n, k)
        Coordinates of the rows; the sign makes the third moment of each column positive.
    variances : ndarray of shape (k,)
        Falling.
    converged : bool
    n_iter : int
        Passes over the matrix beyond reading it; 0 if it was solved at once.
    """

    scores: Array
    variances: Array
    converged: bool
    n_iter: int


def principal(
    matrix: Matrix, k: int, *, seed: int, tick: Tick, tolerance: float = EXACT
) -> Principal:
    """The first `k` principal components.

    Parameters
    ----------
    matrix : Matrix
        Centred rows.
    k : int
        At most the smaller side of the matrix.
    seed : int
        Of the start of the iteration.
    tick : Tick
        Called once a pass.
    tolerance : float
        Largest residual of a direction allowed, in units of the largest variance.

    Notes
    -----
    A small matrix is solved at once. Else block power iteration with Rayleigh-Ritz (Halko,
    Martinsson, Tropp, "Finding structure with randomness", SIAM Review 53, 2011, section 4.5),
    until the residuals are small: every pass reads the rows once, in pieces.
    """
    held = matrix.held
    if held is not None and matrix.n <= min(_SMALL, matrix.d):
        tick(0.0, "principal components")
        values, vectors = _leading(held @ held.T / (matrix.n - 1), k)
        scores = vectors * np.sqrt(values * (matrix.n - 1))
        return Principal(_signed(scores), values, converged=True, n_iter=0)
    if matrix.d <= _SMALL:
        tick(0.0, "principal components")
        square = np.zeros((matrix.d, matrix.d))
        for start, some in matrix.pieces():
            tick(0.9 * start / matrix.n, "principal components")
            square += some.T @ some
        values, vectors = _leading(square / (matrix.n - 1), k)
        return Principal(_signed(_scores(matrix, vectors)), values, converged=True, n_iter=0)
    return _iterated(matrix, k, seed, tick, tolerance)


def _iterated(matrix: Matrix, k: int, seed: int, tick: Tick, tolerance: float) -> Principal:
    width = min(k + _MORE, matrix.n, matrix.d)
    rng = np.random.default_rng(seed)
    basis = linalg.qr(rng.normal(size=(matrix.d, width)), mode="economic")[0]
    converged, passes = False, 0
    while True:
        passes += 1
        image = np.zeros_like(basis)
        for start, some in matrix.pieces():
            tick(0.9 * (passes - 1 + start / matrix.n) / _PASSES, f"pass {passes}")
            image += some.T @ (some @ basis)
        image /= matrix.n - 1
        values, turn = np.linalg.eigh(basis.T @ image)
        values, turn = np.maximum(values[::-1][:k], 0.0), turn[:, ::-1][:, :k]
        vectors = basis @ turn
        residual = np.linalg.norm(image @ turn - vectors * values, axis=0)
        converged = bool((residual <= tolerance * max(values[0], 1e-300)).all())
        if converged or passes == _PASSES:
            break
        basis = linalg.qr(image, mode="economic")[0]
    return Principal(_signed(_scores(matrix, vectors)), values, converged=converged, n_iter=passes)


def _leading(square: Array, k: int) -> tuple[Array, Array]:
    """Largest eigenvalues, falling and not below 0, and their vectors."""
    size = len(square)
    # Of a size of its own, by a power of four: the solver is not quite free of scale.
    power = 2 * (int(np.frexp(np.abs(square).max())[1]) // 2)
    values, vectors = linalg.eigh(np.ldexp(square, -power), subset_by_index=[size - k, size - 1])
    return np.ldexp(np.maximum(values[::-1], 0.0), power), vectors[:, ::-1]


def _scores(matrix: Matrix, vectors: Array) -> Array:
    return np.concatenate([some @ vectors for _, some in matrix.pieces()])


def _signed(scores: Array) -> Array:
    """Columns with the sign that makes their skewness positive.

    No order of rows or features counts. Without skewness the largest entry is made positive.
    """
    size = np.abs(scores).max(axis=0)
    unit = scores / np.where(size > 0, size, 1.0)
    skew = (unit**3).mean(axis=0)
    largest = np.take_along_axis(scores, np.abs(scores).argmax(axis=0)[None], axis=0)[0]
    sign = np.where(np.abs(skew) > 1e-9, np.sign(skew), np.sign(largest))
    return np.asarray(scores * np.where(sign == 0, 1.0, sign))
