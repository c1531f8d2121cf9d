"""The compiled loops, each against a plain version."""

import math

import numba
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from cutaway.filters import em_numba, kernels, starts_numba
from cutaway.filters.starts import _spread_centres


def marker(d):
    return (0,) * min(5, d)


@numba.njit
def exp2_of(values):
    return np.array([kernels.exp2(value) for value in values])


def test_exponential_to_the_last_bits():
    t = np.concatenate([-np.geomspace(1e-18, 999.9, 4000), np.arange(-900.0, 1.0), [-0.5, -0.0]])
    exact = np.array([math.exp2(one) for one in t])
    assert np.max(np.abs(exp2_of(t) / exact - 1.0)) < 4.5e-16
    assert exp2_of(np.array([0.0]))[0] == 1.0


def test_exponential_ends_at_the_smallest_it_gives():
    assert (exp2_of(np.array([-1e5, -np.inf])) == math.exp2(-1000)).all()


@pytest.mark.parametrize("d", [1, 2, 4, 6])
def test_log_density_is_scipys(d):
    rng = np.random.default_rng(d)
    x, mean = rng.normal(size=(d, 300)), rng.normal(size=(1, d))
    root = rng.normal(size=(d, d))
    covariance = (root @ root.T + np.eye(d))[None]
    theta = np.zeros((1, 1 + d + d * d))
    assert em_numba._coefficients(np.array([0.3]), mean, covariance, theta)
    out = np.empty(kernels.BLOCK)
    kernels.log_density(x, 40, 250, theta[0], out, marker(d))
    exact = math.log(0.3) + multivariate_normal(mean[0], covariance[0]).logpdf(x.T[40:290])
    np.testing.assert_allclose(out[:250] / kernels.LOG2E, exact, rtol=1e-12)


@pytest.mark.parametrize("d", [1, 2, 4, 6])
def test_moments_are_added(d):
    rng = np.random.default_rng(d)
    x, r, mean = rng.normal(size=(d, 300)), rng.random(200), rng.normal(size=d)
    sums = np.full(1 + d + d * (d + 1) // 2, 2.0)
    kernels.accumulate(x, 50, r, mean, sums, marker(d))
    y = x[:, 50:250].T - mean
    second = np.einsum("n,ni,nj->ij", r, y, y)[np.tril_indices(d)]
    np.testing.assert_allclose(sums - 2.0, [r.sum(), *(r @ y), *second], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("m", [1, 7, 16, 255, 256])
def test_softening_survives_any_density(m):
    rng = np.random.default_rng(m)
    logits = rng.normal(size=(4, 256)) * 10.0 ** rng.integers(0, 6, size=256)
    exact = logsumexp(logits[:, :m] / kernels.LOG2E, axis=0)
    weights = np.exp(logits[:, :m] / kernels.LOG2E - exact)
    total = kernels.soften(logits, m, np.empty(256), np.empty(256))
    assert total == pytest.approx(exact.sum(), rel=1e-12)
    np.testing.assert_allclose(logits[:, :m], weights, rtol=1e-9, atol=1e-300)


@pytest.mark.parametrize(
    "covariance",
    [np.diag([1.0, -1.0]), np.ones((2, 2)), np.full((2, 2), np.inf), [[np.nan] * 2] * 2],
)
def test_an_indefinite_covariance_is_told(covariance):
    assert kernels.whitener(np.array(covariance), np.empty((2, 2))) == np.inf


def test_a_draw_falls_where_the_cumulated_weight_passes():
    rng = np.random.default_rng(0)
    weight = rng.random(1000) * (rng.random(1000) < 0.3)
    cumulated = weight.cumsum()
    for u in rng.random(50):
        expected = np.searchsorted(cumulated, u * cumulated[-1], side="right")
        assert starts_numba._draw(weight, u) == expected
    assert starts_numba._draw(np.zeros(300), 0.5) == 0


def test_centres_are_those_of_the_plain_version():
    rng = np.random.default_rng(1)
    across, uniform = rng.normal(size=(3, 700)), rng.random((4, 5))
    used = (rng.random(700) < 0.8).astype(float)
    plain = _spread_centres(across[None], used[None], uniform, 5)[0]
    for line, expected in zip(uniform, plain, strict=True):
        found = starts_numba._spread_centres(across, 700, used, line, 5)
        np.testing.assert_array_equal(found, expected)


def test_the_name_on_disk_follows_the_sources(monkeypatch, tmp_path):
    before = kernels._digest()
    assert before == kernels._digest()
    (tmp_path / "a_numba.py").write_text("x = 1")
    copy = tmp_path / "kernels.py"
    copy.write_text("y = 1")
    monkeypatch.setattr(kernels, "__file__", str(copy))
    first = kernels._digest()
    (tmp_path / "a_numba.py").write_text("x = 2")
    assert len({before, first, kernels._digest()}) == 3


def test_without_any_folder_code_is_compiled_in_memory(monkeypatch):
    real = numba.njit

    def refuse(*args, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return real(*args, **options)

    monkeypatch.setattr(numba, "njit", refuse)

    def double(x):
        return 2.0 * x

    assert kernels.kept_on_disk(double)(21.0) == 42.0
