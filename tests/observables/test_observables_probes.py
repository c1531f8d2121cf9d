"""Probes: measures against the library, fits against plain ones, planted answers, refusals."""

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score

import cutaway as ct
from cutaway.observables import Observable, ProbeCurve, compare_probes, feature_vector
from cutaway.observables.probe_fits import FITS
from cutaway.observables.probe_measures import auc, measured, r2, r2_within
from cutaway.observables.probe_splits import split
from cutaway_samples import occupations

PAIR = ("The nurse said that", "The doctor said that")


def cosine(a, b):
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


class TestMeasures:
    def test_auc_is_scikit_learns_with_ties(self):
        rng = np.random.default_rng(0)
        scores = rng.integers(0, 6, (20, 30)).astype(float)
        labels = np.arange(30) < 11
        expected = [roc_auc_score(labels, row) for row in scores]
        np.testing.assert_allclose(auc(scores, 11), expected, rtol=1e-12)

    def test_r2_is_the_squared_correlation(self):
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(2, 5, 40))
        expected = [np.corrcoef(a, b)[0, 1] ** 2 for a, b in zip(x, y, strict=True)]
        np.testing.assert_allclose(r2(x, y), expected, rtol=1e-10)
        assert np.isnan(r2(np.ones((1, 4)), np.arange(4.0)[None]))

    def test_two_clusters_have_no_correlation_within(self):
        rng = np.random.default_rng(0)
        z = np.repeat([1.0, 0.0], 400)
        x, y = (10 * z + rng.normal(size=800) for _ in range(2))
        assert r2(x[None], y[None]) > 0.9
        assert r2_within(x[None], y[None], 400) < 0.02
        both = [one.copy() for one in (x, y)]
        for one in both:
            for part in (slice(400), slice(400, 800)):
                one[part] -= one[part].mean()
        expected = np.corrcoef(*both)[0, 1] ** 2
        assert r2_within(x[None], y[None], 400)[0] == pytest.approx(expected, rel=1e-9)

    def test_intervals_cover_the_known_auc(self):
        """Normal scores one apart: AUC = Phi(1 / sqrt 2) = 0.760; 95 % of intervals hold it."""
        rng, inside, widths = np.random.default_rng(0), 0, {}
        z = np.repeat([1, 0], 40)
        for _ in range(80):
            found = measured((z + rng.normal(size=80))[None], z, z * 1.0, seed=0)["auc"]
            inside += found[1] <= 0.76025 <= found[2]
        assert 0.86 < inside / 80 <= 1
        for n in (40, 640):
            z = np.repeat([1, 0], n)
            _, low, high = measured((z + rng.normal(size=2 * n))[None], z, z * 1.0, seed=0)["auc"]
            widths[n] = high - low
        assert widths[640] == pytest.approx(widths[40] / 4, rel=0.35)

    def test_intervals_cover_the_training_draws_too(self):
        z, rng = np.repeat([1, 0], 200), np.random.default_rng(1)
        good, bad = z + 0.1 * rng.normal(size=400), rng.normal(size=400)
        mean, low, high = measured(np.stack([good, bad]), z, z * 1.0, seed=0)["auc"]
        assert mean == pytest.approx(0.75, abs=0.05)
        assert low < 0.6
        assert high == 1.0


@pytest.fixture(scope="module")
def rows():
    """Two Gaussians of one covariance: rows, labels, the covariance, the difference of means."""
    rng = np.random.default_rng(0)
    z = rng.permutation(np.repeat([0.0, 1.0], 200))
    mixing = rng.normal(size=(8, 8))
    delta = rng.normal(size=8)
    x = rng.normal(size=(400, 8)) @ mixing + np.outer(z, delta)
    return x - x.mean(0), z, mixing.T @ mixing, delta


class TestFits:
    def test_mean_difference(self, rows):
        x, z, _, _ = rows
        expected = sum(x[i] for i in range(400) if z[i]) / 200 - sum(x[z == 0]) / 200
        np.testing.assert_allclose(FITS["mean_difference"](x, z, z), expected, rtol=1e-10)

    @pytest.mark.parametrize("name", ["logistic", "leace", "ridge"])
    def test_trained_ones_find_the_best_direction_of_gaussians(self, rows, name):
        x, z, covariance, delta = rows
        w = FITS[name](x, z, z)
        assert cosine(w, np.linalg.solve(covariance, delta)) > 0.9

    def test_logistic_in_the_spanned_space_is_that_of_all_units(self):
        rng = np.random.default_rng(3)
        x, z = rng.normal(size=(6, 50)), np.array([0.0, 1, 0, 1, 0, 1])
        x -= x.mean(0)
        plain = LogisticRegression(C=1.0, max_iter=5000, tol=1e-8).fit(x / x.std(), z).coef_[0]
        assert cosine(FITS["logistic"](x, z, z), plain) == pytest.approx(1.0, abs=1e-5)

    def test_ridge_is_one_of_plain_strengths(self, rows):
        x, _, _, delta = rows
        v = x @ delta + 0.1
        found = [Ridge(alpha=8 * 10.0**k).fit(x / x.std(), v).coef_ for k in range(-4, 3)]
        w = FITS["ridge"](x, v > 0, v)
        assert max(cosine(w, one) for one in found) == pytest.approx(1.0, abs=1e-8)
        assert cosine(w, delta) > 0.999

    def test_leace_reads_what_it_erases(self, rows):
        from concept_erasure import LeaceFitter

        x, z, _, _ = rows
        eraser = LeaceFitter.fit(torch.from_numpy(x), torch.from_numpy(z)).eraser
        w = FITS["leace"](x, z, z)
        assert np.std(eraser(torch.from_numpy(x)).numpy() @ w) < 1e-8 * np.std(x @ w)

    @pytest.mark.parametrize("name", FITS)
    def test_two_rows_are_enough_and_labels_turn_the_sign(self, name):
        x = np.array([[1.0, 2, 3], [-1.0, -2, -3]])
        z = np.array([1.0, 0.0])
        w = FITS[name](x, z, z)
        assert cosine(w, x[0]) == pytest.approx(1.0)
        assert cosine(FITS[name](x, 1 - z, 1 - z), x[0]) == pytest.approx(-1.0)


@pytest.fixture(scope="module")
def planted():
    """Model, vector, texts, labels, groups and places of the planted bias."""
    net = ct.load_model("gpt-occupations")
    she = Observable.from_tokens(net, ["she"], ["he"])
    texts, labels, jobs = [], [], []
    for text, part_of, woman in occupations.sentences():
        words = text.split()
        if part_of == "test" and words[0] == "The" and jobs.count(words[1]) < 10:
            cut = next(at for at, one in enumerate(words) if one in {"she", "he", "her", "his"})
            texts.append(" ".join(words[:cut]))
            labels.append(("he", "she")[woman])
            jobs.append(words[1])
    vector = feature_vector(net, she, "L0H0", norm="frozen", prompts=PAIR)
    return vector, texts, np.array(labels), np.array(jobs), 1, net


@pytest.fixture(scope="module")
def curve(planted):
    vector, texts, labels, groups, places, net = planted
    odds = (labels == "she") + np.random.default_rng(0).normal(size=len(texts))
    return compare_probes(
        net, vector, texts, labels, groups=groups, position=places, target=odds, draws=10,
        sizes=(2, 10, 1000), scores={"length": [len(one) for one in texts]},
    )  # fmt: skip


def test_the_planted_vector_beats_ten_examples(curve, planted):
    assert curve.method[:2].tolist() == ["vector", "length"]
    assert set(curve.size.tolist()) == {0, 2, 10}
    assert curve.classes == ["he", "she"]
    best = measured(
        np.array([[occupations.SHE[job] for job in planted[3]]]), (planted[2] == "she") * 1,
        np.zeros(len(planted[1])), seed=0,
    )["auc"]  # fmt: skip
    assert curve.auc[0] > best[0] - 0.1
    for method in ("mean_difference", "logistic", "ridge", "leace"):
        of = dict(
            zip(curve.size[curve.method == method], curve.auc[curve.method == method], strict=True)
        )
        assert of[2] < curve.auc[0] - 0.1
        assert of[10] < curve.auc[0] or method != "logistic"
    assert (curve.auc_low <= curve.auc).all()
    assert (curve.auc <= curve.auc_high).all()
    assert np.isfinite(curve.within).all()


def test_wins_from_is_the_start_of_the_last_run_above(curve):
    fields = {one.name: getattr(curve, one.name) for one in dataclasses.fields(curve)}
    size, method = np.array([0, 2, 10, 20, 50]), np.array(["vector", *["ridge"] * 4])
    cases = (([0.8, 0.9, 0.7, 0.85, 0.9], 20), ([0.8, 0.9, 0.9, 0.9, 0.9], 2))
    for values, expected in (*cases, ([0.8, 0.9, 0.9, 0.9, 0.8], None)):
        made = ProbeCurve(**(fields | {"size": size, "method": method, "auc": np.array(values)}))
        assert made.wins_from("ridge") == expected
    with pytest.raises(ValueError, match="method must be one of 'mean_difference', .*, got 'lda'"):
        curve.wins_from("lda")


def test_every_group_stays_on_one_side(planted):
    _, _, labels, groups, _, _ = planted
    z = (labels == "she").astype(np.int64)
    train, test = split(z, groups, np.random.default_rng(0))
    assert not set(groups[train]) & set(groups[test])
    assert sorted([*train, *test]) == list(range(len(z)))
    assert 0.4 < len(test) / len(z) < 0.6


def test_vector_is_measured_on_the_streams_that_scores_read(planted):
    vector, texts, labels, _, places, net = planted
    scores = ct.score_texts(net, vector, texts)
    made = {"mine": scores.score[scores.position == places], "mean": scores.text_score}
    at = compare_probes(
        net, vector, texts, labels, position=places, scores=made, sizes=(2,), draws=1
    )
    mean = compare_probes(net, vector, texts, labels, scores=made, sizes=(2,), draws=1)
    assert at.auc[0] == at.auc[1]
    assert mean.auc[0] == mean.auc[2]
    assert np.isnan(mean.within).all()
    assert mean.digest == compare_probes(
        net, vector, texts, labels, scores=made, sizes=(2,), draws=1
    ).digest  # fmt: skip


def test_saves_and_loads(curve, tmp_path):
    curve.save(tmp_path / "curve.zip")
    assert ProbeCurve.load(tmp_path / "curve.zip").digest == curve.digest
    assert repr(curve).startswith("ProbeCurve(she - he through L0H0 at transformer.h.0.ln_1, given")


def test_bad_input_is_one_clear_line(planted, monkeypatch):
    vector, texts, _, _, _, net = planted
    some, theirs = texts[:12], ["a", "b"] * 6
    for options, said in (
        ({"texts": []}, "texts must hold at least one text, got none"),
        (
            {"labels": ["a"] * 12},
            "labels must hold two classes, got 1: a; give texts of two classes",
        ),
        ({"labels": theirs[:5]}, r"labels must have as many entries as texts \(12\), got 5"),
        ({"labels": ["a"] * 10 + ["b"] * 2}, "at least 4 texts of each class, got 2; give more"),
        ({"target": [np.nan] * 12}, "target must be finite, got nan"),
        ({"scores": {"n": [1]}}, r"scores of n must have as many entries as texts"),
        ({"methods": ["lda"]}, "methods must be one of 'mean_difference', 'logistic'"),
        ({"sizes": (50,)}, r"sizes must hold one of at most 6, .* got \[50\]; give more texts"),
        ({"sizes": (1,)}, "sizes must be 2 or more, got 1"),
        ({"position": "end"}, "position must be one of 'mean', 'last', got 'end'"),
        ({"position": 99}, r"position must be .*, got 99; stay inside every text"),
        ({"position": [1]}, "position must have as many entries as texts"),
        ({"texts": ["The"] * 12}, "2 or more tokens for position='mean', got 1 in text 0"),
        ({"draws": 0}, "draws must be 1 or more, got 0"),
        ({"groups": ["a", "b"] * 6}, "groups must leave both classes in the held out half"),
        ({"vector": (vector.site, [1.0])}, "vector must have 64 numbers"),
    ):
        given = {"vector": vector, "texts": some, "labels": theirs} | options
        with pytest.raises(ValueError, match=said) as caught:
            compare_probes(
                net, given.pop("vector"), given.pop("texts"), given.pop("labels"), **given
            )
        assert "\n" not in str(caught.value)
    monkeypatch.setattr("cutaway.observables.probes.find_spec", lambda _name: None)
    with pytest.raises(
        ImportError, match="concept_erasure gives 'leace' and is not installed; pip"
    ):
        compare_probes(net, vector, some, theirs, methods=["leace"])
    left = compare_probes(net, vector, some, theirs, sizes=(2,), draws=1)
    assert set(left.method) == {"vector", "mean_difference", "logistic", "ridge"}
