import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import calinski_harabasz_score
from sklearn.mixture import GaussianMixture

from cutaway.core import Cancelled
from cutaway.filters import em, fit_mixtures, prepare
from cutaway.filters.criteria import n_parameters

ORACLE = Path(__file__).parents[1] / "oracles" / "gmm"
ENTRIES = json.loads((ORACLE / "expected.json").read_text())["easy"]


@pytest.fixture(scope="module")
def coordinates():
    return prepare(np.load(ORACLE / "planted_easy.npz")["maps"], n_dims=2)


def quantile_labels(found, k):
    """k groups of equal count by the first coordinate, ties in the order of the samples."""
    labels = np.zeros(found.kept.shape, int)
    for f in np.flatnonzero(found.fitted):
        keep = np.flatnonzero(found.kept[f])
        order = keep[np.argsort(found.values[f, keep, 0], kind="stable")]
        for group, places in enumerate(np.array_split(order, k)):
            labels[f, places] = group
    return labels


@pytest.mark.parametrize("k", [2, 3])
def test_oracle_quantile_start(coordinates, k):
    start = quantile_labels(coordinates, k)
    mine = fit_mixtures(coordinates.values, k, start=start, tol=1e-8, max_iter=2000)
    for f in np.flatnonzero(coordinates.fitted):
        stored = ENTRIES[f]["quantile_start"][str(k)]
        d = len(stored["means"][0])
        assert mine.n_iter[f] == stored["n_iter"]
        assert mine.converged[f] == stored["converged"]
        assert mine.log_likelihood[f] == pytest.approx(stored["mean_loglik"], abs=1e-8)
        np.testing.assert_allclose(mine.weights[f], stored["weights"], atol=1e-8)
        np.testing.assert_allclose(mine.means[f, :, :d], stored["means"], atol=1e-8)
        np.testing.assert_allclose(mine.covariances[f, :, :d, :d], stored["covariances"], atol=1e-8)
    assert np.isnan(mine.log_likelihood[~coordinates.fitted]).all()


def test_oracle_bic_up_to_the_chosen_k(coordinates):
    fits = [fit_mixtures(coordinates.values, k, tol=1e-7, max_iter=9000) for k in range(1, 6)]
    bics = np.stack([one.bic for one in fits], axis=1)
    for f in np.flatnonzero(coordinates.fitted):
        stored, k = np.array(ENTRIES[f]["bic"]["full"]), ENTRIES[f]["K_bic_full"]
        np.testing.assert_allclose(bics[f, :k], stored[:k], atol=1e-2)
        assert bics[f].min() >= stored[k - 1] - 2.0
        assert fits[k - 1].log_likelihood[f] >= ENTRIES[f]["mean_loglik"] - 1e-5


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical"])
@pytest.mark.parametrize("d", [1, 2, 4])
def test_scikit_learn_from_the_same_start(covariance, d):
    rng = np.random.default_rng(d)
    x = rng.normal(size=(5, 300, d)) * rng.uniform(0.5, 2, size=(5, 1, d)) + 100.0
    x[:, :90] += rng.normal(size=(5, 1, d)) * 3
    labels = rng.integers(0, 3, size=(5, 300))
    mine = fit_mixtures(x, 3, covariance=covariance, start=labels, tol=1e-6, max_iter=2000)
    for f in range(5):
        theirs = scikit_learn(x[f], labels[f], covariance)
        assert mine.n_iter[f] == theirs.n_iter_
        assert mine.log_likelihood[f] == pytest.approx(theirs.score(x[f]), abs=1e-9)
        np.testing.assert_allclose(mine.means[f], theirs.means_, atol=1e-7)
        np.testing.assert_allclose(mine.responsibilities[f], theirs.predict_proba(x[f]), atol=1e-7)
        assert mine.bic[f] == pytest.approx(theirs.bic(x[f]), abs=1e-6)
        assert mine.aic[f] == pytest.approx(theirs.aic(x[f]), abs=1e-6)
        hard = theirs.predict(x[f])
        assert mine.ch[f] == pytest.approx(calinski_harabasz_score(x[f], hard), rel=1e-6)
        proba = theirs.predict_proba(x[f])
        entropy = -(proba * np.log(np.maximum(proba, 1e-300))).sum()
        assert mine.icl[f] == pytest.approx(theirs.bic(x[f]) + 2 * entropy, abs=1e-4)


def scikit_learn(x, labels, covariance):
    model = GaussianMixture(3, covariance_type=covariance, reg_covar=1e-3, tol=1e-6, max_iter=2000)
    # Its own initialisation takes labels only through k-means: hand it one-hot responsibilities.
    model._initialize_parameters = lambda data, *_, **__: model._initialize(data, np.eye(3)[labels])
    return model.fit(x)


def test_one_component_is_the_closed_form():
    x = np.random.default_rng(0).normal(size=(3, 50, 2)) * 5 + 1e3
    mine = fit_mixtures(x, 1, reg=0.0)
    for f in range(3):
        np.testing.assert_allclose(mine.means[f, 0], x[f].mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(mine.covariances[f, 0], np.cov(x[f].T, bias=True), rtol=1e-9)
    assert np.isnan(mine.ch).all()


def test_own_starts_find_planted_groups_and_a_few_outliers():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(4, 500, 3))
    x[:, :5] += [12.0, 0.0, 0.0]
    x[:, 5:200] += [0.0, 8.0, 0.0]
    mine = fit_mixtures(x, 3)
    np.testing.assert_allclose(mine.weights, [[0.6, 0.39, 0.01]] * 4, atol=0.005)
    assert (mine.responsibilities[:, :5].argmax(axis=2) == 2).all()
    assert mine.converged.all()
    assert np.isfinite(mine.trace).sum(axis=1).tolist() == mine.n_iter.tolist()


def test_likelihood_never_falls_without_a_ridge():
    x = np.random.default_rng(11).gamma(2.0, size=(4, 200, 2))
    steps = np.diff(fit_mixtures(x, 3, reg=0.0, tol=1e-7, max_iter=2000).trace)
    assert steps[np.isfinite(steps)].min() > -1e-12


def test_not_worse_than_scikit_learns_default_with_six_starts():
    x = np.random.default_rng(2).gamma(2.0, size=(6, 400, 2))
    mine = fit_mixtures(x, 3, tol=1e-5, max_iter=1000)
    theirs = [
        GaussianMixture(3, reg_covar=1e-3, tol=1e-5, max_iter=1000, n_init=6, random_state=0)
        .fit(one)
        .score(one)
        for one in x
    ]
    assert np.mean(mine.log_likelihood - theirs) > -0.005


def test_dropped_rows_and_dimensions_change_nothing_else():
    x = np.random.default_rng(3).normal(size=(2, 100, 2))
    holed = np.full((3, 104, 3), np.nan)
    holed[:2, :50, :2], holed[:2, 54:, :2] = x[:, :50], x[:, 50:]
    plain, mine = fit_mixtures(x, 2), fit_mixtures(holed, 2)
    np.testing.assert_allclose(mine.log_likelihood[:2], plain.log_likelihood, rtol=1e-12)
    assert np.isnan(mine.responsibilities[:2, 50:54]).all()
    assert np.isnan(mine.means[:, :, 2]).all()
    assert np.isnan(mine.log_likelihood[2])
    assert not mine.converged[2]


def test_a_filter_does_not_depend_on_its_neighbours_or_on_the_order_of_samples():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(7, 300, 2)) + 3.0 * (rng.random((7, 300, 1)) < 0.3)
    whole = fit_mixtures(x, 2, seed=5)
    np.testing.assert_allclose(fit_mixtures(x[3:4], 2, seed=5).means[0], whole.means[3], atol=1e-9)
    order = rng.permutation(300)
    shuffled = fit_mixtures(x[:, order], 2, seed=5)
    np.testing.assert_allclose(shuffled.means, whole.means, atol=1e-8)
    np.testing.assert_allclose(
        shuffled.responsibilities, whole.responsibilities[:, order], atol=1e-8
    )


def test_a_singular_covariance_marks_its_filter_only():
    x = np.random.default_rng(5).normal(size=(2, 60, 2))
    x[0] = 1.0
    with pytest.warns(UserWarning, match=r"1 of 2 filters did not converge in 200 iterations"):
        mine = fit_mixtures(x, 2, reg=0.0)
    assert mine.converged.tolist() == [False, True]
    assert np.isnan(mine.log_likelihood[0])
    assert np.isfinite(mine.log_likelihood[1])


def test_not_converging_warns():
    x = np.random.default_rng(6).normal(size=(3, 200, 2))
    with pytest.warns(UserWarning, match=r"3 of 3 filters did not converge in 9 .*raise max_iter"):
        fit_mixtures(x, 3, tol=0.0, max_iter=9)


def test_ticks_end_at_one_and_cancel_passes_through():
    x = np.random.default_rng(7).normal(size=(3, 200, 2))
    heard = []
    fit_mixtures(x, 2, tick=lambda fraction, message: heard.append(fraction))
    assert heard[-1] == 1.0
    assert heard == sorted(heard)

    def stop(fraction, message):
        raise Cancelled

    with pytest.raises(Cancelled):
        fit_mixtures(x, 2, tick=stop)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 60}, r"k must be 1\.\.59, got 60; lower k or capture more samples"),
        ({"k": 0}, r"k must be 1\.\.59, got 0"),
        ({"covariance": "round"}, r"covariance must be one of 'full', 'tied', .*got 'round'"),
        ({"reg": -1.0}, r"reg must lie in 0\.0\.\.inf, got -1\.0"),
        ({"tol": float("nan")}, r"tol must lie in 0\.0\.\.inf, got nan"),
        ({"max_iter": 0}, r"max_iter must be 1 or more, got 0"),
        ({"start": np.full((2, 60), 2)}, r"start must hold labels 0\.\.1, got 2\.\.2; number"),
        ({"start": np.ones((2, 9, 2))}, r"start must be whole labels of shape \(2, 60\) or .*got"),
        ({"x": np.ones((60, 2))}, r"x must have 3 axes \(filters, samples, dimensions\), got"),
    ],
)
def test_arguments_are_checked(options, message):
    given = {"x": np.random.default_rng(8).normal(size=(2, 60, 2)), "k": 2} | options
    with pytest.raises(ValueError, match=message):
        fit_mixtures(given.pop("x"), given.pop("k"), **given)


def test_whole_numbers_are_asked_for():
    with pytest.raises(TypeError, match=r"k must be a whole number, got 2\.0"):
        fit_mixtures(np.ones((1, 9, 2)), 2.0)


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical"])
def test_parameter_counts_are_scikit_learns(covariance):
    model = GaussianMixture(3, covariance_type=covariance).fit(np.random.default_rng(9).normal(
        size=(50, 4)))  # fmt: skip
    assert n_parameters(3, 4, covariance) == model._n_parameters()


def test_indefinite_and_infinite_covariances_are_marked():
    matrices = np.stack([np.eye(2), np.diag([1.0, -1.0]), np.full((2, 2), np.inf)])
    factor, bad = em._factor(matrices)
    assert bad.tolist() == [False, True, True]
    np.testing.assert_array_equal(factor, [np.eye(2)] * 3)


def test_repr_counts():
    mine = fit_mixtures(np.random.default_rng(10).normal(size=(2, 40, 1)), 1)
    assert repr(mine) == "Mixtures(2 filters, k = 1; 2 converged)"
