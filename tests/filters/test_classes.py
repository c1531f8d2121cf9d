import numpy as np
import pandas as pd
import pytest
from planted import FakeMaps, auc, average_precision
from sklearn.gaussian_process.kernels import RBF
from sklearn.kernel_ridge import KernelRidge

from cutaway.filters import class_purity, screen_filters
from cutaway.filters.classes import fitting_classes, left_out, site_cells


def labelled(seed, n=600, classes=4, share=0.05, strength=0.35):
    """Maps (n, 10, 4, 4) with a pattern a class, labels, and which labels are wrong."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    patterns = rng.normal(size=(classes, 10, 4, 4))
    maps = strength * patterns[labels] + rng.normal(size=(n, 10, 4, 4))
    wrong = rng.random(n) < share
    return maps, np.where(wrong, (labels + 1) % classes, labels), wrong


def test_left_out_predictions_are_those_of_fits_without_the_row():
    rng = np.random.default_rng(0)
    features, target = rng.normal(size=(40, 6)), rng.normal(size=(40, 2))
    mine = left_out(features, target)
    errors = {}
    for ridge in (1e-3, 1e-2, 1e-1, 1.0, 10.0):
        slow = np.empty((40, 2))
        for i in range(40):
            rest, aim = np.delete(features, i, axis=0), np.delete(target, i, axis=0)
            weights = np.linalg.solve(rest.T @ rest + ridge * np.eye(6), rest.T @ aim)
            slow[i] = features[i] @ weights
        errors[((slow - target) ** 2).mean()] = slow
    np.testing.assert_allclose(mine, errors[min(errors)], atol=1e-9)


def test_margins_agree_with_the_reference_librarys_kernel_ridge():
    maps, labels, _ = labelled(1, n=150)
    cells = site_cells(maps, 10)
    margin, best = fitting_classes([cells], labels, 0)
    points = (cells - cells.mean(axis=0)).astype(float)
    points /= np.sqrt((points**2).sum() / len(points))
    _, _, axes = np.linalg.svd(points, full_matrices=False)
    points = points @ axes[:100].T
    width = np.median(((points[:, None] - points) ** 2).sum(axis=2))
    kernel = RBF(np.sqrt(width / 2.0))(points)
    classes = np.unique(labels)
    target = (labels[:, None] == classes) - (labels[:, None] == classes).mean(axis=0)
    tried = {}
    for ridge in (1e-3, 1e-2, 1e-1, 1.0, 10.0):
        out = np.empty(target.shape)
        for i in range(len(points)):
            rest = np.delete(np.arange(len(points)), i)
            fit = KernelRidge(alpha=ridge, kernel="precomputed")
            fit.fit(kernel[np.ix_(rest, rest)], target[rest])
            out[i] = fit.predict(kernel[[i]][:, rest])
        tried[((out - target) ** 2).mean()] = out
    theirs = tried[min(tried)]
    assert (best == classes[theirs.argmax(axis=1)]).mean() > 0.98
    own = theirs[np.arange(len(points)), labels]
    theirs[np.arange(len(points)), labels] = -np.inf
    assert np.corrcoef(margin, theirs.max(axis=1) - own)[0, 1] > 0.99


def test_labels_find_wrong_labels_and_nothing_else_does():
    maps, given, wrong = labelled(0)
    acts = FakeMaps(maps)
    with_labels = screen_filters(acts, k_max=1, labels=given)
    without = screen_filters(acts, k_max=1)
    score = with_labels.samples["score"].to_numpy()
    assert auc(score, wrong) > 0.99
    assert average_precision(score, wrong) > 0.95
    assert 0.35 < auc(without.samples["score"].to_numpy(), wrong) < 0.65
    fits = with_labels.samples["fits"].to_numpy()
    assert (fits[wrong] == (given[wrong] - 1) % 4).mean() > 0.9
    assert with_labels.samples["p"][wrong].median() < 0.01
    assert with_labels.origin.parameters["labels"] is not None
    assert with_labels.origin.digest != without.origin.digest


def test_true_labels_flag_nothing():
    maps, given, _ = labelled(2, share=0.0)
    screen = screen_filters(FakeMaps(maps), k_max=1, labels=given)
    assert (screen.filters["flag"] == "").all()
    assert (screen.samples["p"] < 0.01).mean() < 0.05


def test_names_of_classes_and_order_of_samples_do_not_matter():
    maps, given, _ = labelled(3, n=300)
    cells = site_cells(maps, 10)
    margin, best = fitting_classes([cells], given, 0)
    other, named = fitting_classes([cells], given * 7 + 2, 0)
    np.testing.assert_allclose(other, margin)
    assert np.array_equal(named, best * 7 + 2)


def test_dropped_and_constant_maps_leave_a_margin():
    maps, given, _ = labelled(4, n=200)
    maps[5, 0] = np.nan
    margin, _ = fitting_classes([site_cells(maps, 10), np.zeros((200, 3), np.float32)], given, 0)
    assert np.isfinite(margin).all()


def test_wide_sites_get_fewer_cells():
    maps = np.ones((3, 5, 8, 8))
    assert site_cells(maps, 5).shape == (3, 5 * 16)
    assert site_cells(maps, 1000).shape == (3, 5 * 4)
    assert site_cells(np.ones((3, 5)), 5000).shape == (3, 5)


def test_purity_is_the_share_of_one_class_and_its_chance():
    rng = np.random.default_rng(5)
    maps = rng.normal(size=(500, 2, 4, 4))
    labels = np.array(["cat", "dog", "cow", "hen", "pig"])[rng.integers(0, 5, 500)]
    pigs, mixed = np.flatnonzero(labels == "pig")[:6], np.arange(6)
    maps[pigs, 0] += 15.0
    maps[mixed, 1] += 15.0
    screen = screen_filters(FakeMaps(maps, ids=[f"s{i}" for i in range(500)]), k_max=1)
    table = class_purity(screen, labels)
    assert table["unit"].tolist() == [0, 1]
    assert table["label"][0] == "pig"
    assert table["purity"].tolist() == pytest.approx([1.0, table["purity"][1]])
    assert table["pure"].tolist() == [True, False]
    pig = (labels == "pig").sum()
    exact = 5 * np.prod([(pig - i) / (500 - i) for i in range(6)])  # drawn without replacement
    assert table["p"][0] == pytest.approx(exact, rel=1e-6)
    with pytest.raises(ValueError, match=r"labels must have as many entries as screen\.rows"):
        class_purity(screen, labels[:9])


def test_purity_stands_in_the_screen_given_labels():
    maps, given, _ = labelled(6, share=0.0)
    odd = np.flatnonzero(given == 2)[:5]
    maps[odd, 3] += 12.0
    screen = screen_filters(FakeMaps(maps), k_max=1, labels=given)
    line = screen.filters.loc[3]
    assert line["flag"] != ""
    assert line["purity"] == 1.0
    assert pd.isna(screen.filters["purity"][0])
