"""Projections against numpy's SVD, invariances, planted clusters, and inputs that are wrong."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import silhouette_score

import cutaway as ct
from cutaway.projection import matrix as matrices
from cutaway.projection import principal as components
from cutaway.projection.matrix import Matrix, read


def by_svd(values):
    """Scores and shares of variance, the obvious way; signs as ours."""
    centred = values - values.mean(axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    scores = components._signed(u * s)
    return scores[:, :2], (s**2 / (s**2).sum())[:2]


def decaying(n, d, seed=0):
    """Rows whose variances fall, skewed so that signs are defined."""
    rng = np.random.default_rng(seed)
    return rng.exponential(size=(n, d)) * 0.9 ** np.arange(d) + 3.0


@pytest.fixture
def clusters():
    """Three clusters of 40 rows in 80 dimensions, 20 standard deviations apart."""
    rng = np.random.default_rng(1)
    centres = 20.0 * np.eye(3, 80)
    labels = np.repeat(np.arange(3), 40)
    return centres[labels] + rng.normal(size=(120, 80)), labels


@pytest.mark.parametrize("shape", [(60, 12), (12, 60), (300, 300)])
def test_pca_is_the_svd(shape):
    values = decaying(*shape)
    found = ct.project(values)
    scores, shares = by_svd(values)
    np.testing.assert_allclose(found.points, scores, atol=1e-8 * np.abs(scores).max())
    np.testing.assert_allclose(found.explained, shares, rtol=1e-9)
    assert found.converged


def test_pca_in_passes_over_pieces_is_the_svd(monkeypatch):
    """What does not fit into memory is solved by iteration; here everything is too large."""
    monkeypatch.setattr(matrices, "HELD_BYTES", 0)
    monkeypatch.setattr(matrices, "CHUNK_BYTES", 8 * 120 * 7)
    monkeypatch.setattr(components, "_SMALL", 10)
    values = decaying(90, 120)
    found = ct.project(values)
    scores, shares = by_svd(values)
    np.testing.assert_allclose(found.points, scores, atol=1e-4 * np.abs(scores).max())
    np.testing.assert_allclose(found.explained, shares, rtol=1e-6)


def test_pieces_are_bounded_and_cover_every_row_once(monkeypatch):
    monkeypatch.setattr(matrices, "HELD_BYTES", 0)
    monkeypatch.setattr(matrices, "CHUNK_BYTES", 8 * 5 * 4)
    values = np.arange(55.0).reshape(11, 5)
    values[3, 2] = np.inf
    made = Matrix(read(values, None), lambda *_: None)
    pieces = [some for _, some in made.pieces()]
    assert max(len(one) for one in pieces) == 4
    good = np.delete(values, 3, axis=0)
    np.testing.assert_allclose(np.concatenate(pieces), good - good.mean(axis=0))
    assert made.total == pytest.approx(good.var(axis=0, ddof=1).sum())


def test_equal_variances_warn_that_the_directions_are_arbitrary(monkeypatch):
    monkeypatch.setattr(matrices, "HELD_BYTES", 0)
    monkeypatch.setattr(components, "_SMALL", 10)
    monkeypatch.setattr(components, "_PASSES", 3)
    values = np.random.default_rng(0).normal(size=(400, 200))
    with pytest.warns(RuntimeWarning, match="did not converge in 3 passes"):
        assert not ct.project(values).converged


def test_order_of_rows_and_features_and_shifts_do_not_count():
    values = decaying(50, 9)
    rows, columns = np.random.default_rng(0).permutation(50), [8, 2, 3, 0, 1, 4, 7, 6, 5]
    expected = ct.project(values).points
    np.testing.assert_allclose(ct.project(values[rows]).points, expected[rows], atol=1e-9)
    np.testing.assert_allclose(ct.project(values[:, columns]).points, expected, atol=1e-9)
    np.testing.assert_allclose(ct.project(values + 100).points, expected, atol=1e-9)
    np.testing.assert_allclose(ct.project(3 * values).points, 3 * expected, atol=1e-8)


@pytest.mark.parametrize("method", ["pca", "umap", "tsne"])
def test_planted_clusters_separate_and_the_seed_decides(method, clusters):
    values, labels = clusters
    found = ct.project(values, method=method, seed=4)
    assert silhouette_score(found.points, labels) > 0.7
    assert ct.project(values, method=method, seed=4).digest == found.digest
    assert found.reduced_to == (None if method == "pca" else 50)
    assert (0.5 < found.kept_variance < 1) == (method != "pca")
    assert np.isnan(found.explained).all() == (method != "pca")


def test_another_seed_gives_another_picture(clusters):
    values, _ = clusters
    first, second = (ct.project(values, method="umap", seed=one) for one in (0, 1))
    assert first.digest != second.digest


@pytest.mark.parametrize("method", ["pca", "umap", "tsne"])
def test_rows_with_nan_are_left_out_and_said(method, clusters):
    values, _ = clusters
    values[5, 3], values[7, 0] = np.nan, -np.inf
    found = ct.project(values, method=method)
    assert list(np.flatnonzero(found.status == "non-finite")) == [5, 7]
    assert np.isnan(found.points[[5, 7]]).all()
    rest = np.delete(np.arange(120), [5, 7])
    alone = ct.project(values[rest], method=method)
    np.testing.assert_array_equal(found.points[rest], alone.points)
    assert "2 left out (non-finite)" in repr(found)


def test_sites_count_alike_whatever_their_scale():
    rng = np.random.default_rng(0)
    loud, quiet = 1e4 * decaying(40, 6), rng.exponential(size=(40, 3, 2, 2))
    acts = ct.Activations.from_arrays({"a": loud, "b": quiet}, ids=[f"s{i}" for i in range(40)])
    blocks = [one.reshape(40, -1) for one in (loud, quiet)]
    scaled = [one / np.sqrt(one.var(axis=0, ddof=1).sum()) for one in blocks]
    expected, _ = by_svd(np.concatenate(scaled, axis=1))
    np.testing.assert_allclose(ct.project(acts).points, expected, atol=1e-9)
    only, _ = by_svd(blocks[1])
    np.testing.assert_allclose(ct.project(acts, site="b").points, only, atol=1e-9)


def test_positions_of_texts_are_averaged_over_their_tokens():
    model = ct.load_model("gpt-occupations")
    data = ct.load_data(["The doctor", "The nurse said that she", "A man", "A woman walked in"])
    acts = ct.capture(model, data, ["transformer.h.0"], show=None)
    assert acts.mask is not None
    expected = ct.project(acts.to_frame("transformer.h.0"))
    np.testing.assert_allclose(ct.project(acts).points, expected.points, atol=1e-9)


def test_a_frame_keeps_its_ids_and_numbers():
    frame = pd.DataFrame({"a": [1.0, 2, 4, 9], "b": [0, 1, 5, 5], "c": list("wxyz")}, list("pqrs"))
    found = ct.project(frame)
    assert list(found.rows.ids) == list("pqrs")
    assert list(found.to_frame().columns) == ["x", "y", "status"]
    expected, _ = by_svd(frame[["a", "b"]].to_numpy())
    np.testing.assert_allclose(found.points, expected, atol=1e-12)


def test_degenerate_rows_have_points_without_variance():
    with pytest.warns(RuntimeWarning, match="got 5 that are equal but for rounding"):
        same = ct.project(np.ones((5, 3)))
    assert "all equal" in repr(same)
    np.testing.assert_array_equal(same.points, np.zeros((5, 2)))
    np.testing.assert_array_equal(same.explained, [0.0, 0.0])
    line = ct.project(np.arange(4.0)[:, None])
    np.testing.assert_array_equal(line.points[:, 1], np.zeros(4))
    assert line.explained.tolist() == [1.0, 0.0]


def test_saves_loads_and_draws(tmp_path, clusters):
    values, labels = clusters
    found = ct.project(values)
    found.save(tmp_path / "points.zip")
    back = ct.Projection.load(tmp_path / "points.zip")
    assert back.digest == found.digest
    assert back.axes() == found.axes()
    figure = back.plot(labels=labels)
    assert [trace.name for trace in figure.data] == ["0", "1", "2"]
    assert "% of variance" in figure.layout.xaxis.title.text
    with pytest.raises(ValueError, match="labels must have an entry for each of the 120 rows"):
        back.plot(labels=labels[:3])


@pytest.mark.parametrize(
    ("rows", "options", "error", "message"),
    [
        (np.zeros(3), {}, ValueError, r"rows must have 2 axes .*got shape \(3,\)"),
        (np.zeros((2, 5)), {}, ValueError, "rows must be 3 or more, got 2"),
        (np.zeros((5, 0)), {}, ValueError, "rows must hold numbers, got no column"),
        (["a", "b"], {}, TypeError, "rows must be Activations, a DataFrame or an array"),
        (np.full((9, 2), np.nan), {}, ValueError, "rows must hold 3 or more without NaN.*got 0 of"),
        (np.eye(9), {"method": "mds"}, ValueError, "method must be one of 'pca', 'umap', 'tsne'"),
        (np.eye(9), {"site": "a"}, ValueError, "site must be None for ndarray, got 'a'"),
        (np.eye(9), {"method": "umap"}, ValueError, "n_neighbors must be below the 9 finite rows"),
        (np.eye(9), {"method": "tsne"}, ValueError, "perplexity must be below the 9 finite rows"),
        (np.eye(9), {"min_dist": 2.0}, ValueError, r"min_dist must lie in 0.0..1.0, got 2.0"),
        (np.eye(9), {"n_neighbors": 1}, ValueError, "n_neighbors must be 2 or more, got 1"),
        (np.eye(9), {"seed": -1}, ValueError, "seed must be 0 or more, got -1"),
    ],
)
def test_bad_input_is_one_line(rows, options, error, message):
    with pytest.raises(error, match=message) as caught:
        ct.project(rows, **options)
    assert "\n" not in str(caught.value)


def test_without_umap_the_remedy_is_said(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'cutaway\[umap\]'"):
        ct.project(np.random.default_rng(0).normal(size=(30, 4)), method="umap")


@pytest.mark.parametrize("method", ["umap", "tsne"])
def test_cancel_is_heard_before_and_after_the_long_stage(method, clusters):
    values, _ = clusters
    heard = []
    ct.project(values, method=method, tick=lambda fraction, said: heard.append((fraction, said)))
    stages = [said for _, said in heard if said.startswith(method)]
    assert len(stages) == 2

    def cancel(_fraction, said):
        if said == stages[0]:
            raise ct.Cancelled

    with pytest.raises(ct.Cancelled):
        ct.project(values, method=method, tick=cancel)


# --- degenerate rows and scale -------------------------------------------------------------------

DEAD = {
    "zero": "np.zeros((50, 8))",
    "equal": "np.full((50, 8), 0.3)",
    "equal but for rounding": "0.3 * (1 + 1e-16 * rng.normal(size=(50, 8)))",
    "float32": "np.float32(0.3) * (1 + 6e-8 * rng.integers(0, 2, (50, 8)).astype(np.float32))",
    "large": "np.full((50, 8), 1e300)",
    "tiny": "np.full((50, 80), 3e-310)",
    "two": "np.repeat(np.eye(2, 8), 25, axis=0)",
    "one apart": "np.concatenate([np.zeros((49, 8)), np.ones((1, 8))])",
    "far beyond": "np.concatenate([rng.normal(size=(49, 8)), np.full((1, 8), 1e300)])",
}


def test_no_library_dies_on_a_dead_layer():
    """In a process of its own: t-SNE of equal rows ends one by a segmentation fault."""
    import subprocess
    import sys

    code = "import cutaway as ct\nimport numpy as np\n"
    for name, rows in DEAD.items():
        for method in ("tsne", "umap"):
            code += (
                f"rng = np.random.default_rng(0)\ntry:\n    ct.project({rows}, method={method!r})\n"
                f"    print({name!r}, 'drawn')\nexcept ValueError as error:\n"
                f"    print({name!r}, str(error))\n"
            )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stderr[-500:]
    lines = done.stdout.splitlines()
    assert len(lines) == 2 * len(DEAD)
    for line, name in zip(lines, np.repeat(list(DEAD), 2), strict=True):
        assert line.startswith(name)
        assert "rows must" in line
        assert "got 50" in line or "got 2" in line


def test_equal_but_for_rounding_is_no_picture():
    """The error of a mean is no variance: 0.3 fifty times is not 100 % along one axis."""
    with pytest.warns(RuntimeWarning, match="got 50"):
        found = ct.project(np.full((50, 8), 0.3))
    np.testing.assert_array_equal(found.points, 0)
    np.testing.assert_array_equal(found.explained, 0)
    dead, alive = np.full((40, 6), 0.3), decaying(40, 5)
    acts = ct.Activations.from_arrays({"dead": dead, "alive": alive})
    one, both = ct.project(acts, site="alive"), ct.project(acts)
    np.testing.assert_allclose(both.explained, one.explained, rtol=1e-9)


def test_t_sne_of_one_column_is_drawn():
    values = np.random.default_rng(0).normal(size=(40, 1))
    found = ct.project(values, method="tsne", perplexity=5.0)
    assert np.isfinite(found.points).all()
    assert found.points.std(axis=0).min() > 0
    order = np.argsort(values[:, 0])
    steps = np.linalg.norm(np.diff(found.points[order], axis=0), axis=1)
    assert steps.mean() < np.linalg.norm(found.points - found.points.mean(axis=0), axis=1).mean()


@pytest.mark.parametrize("method", ["umap", "tsne"])
def test_equal_rows_have_one_point(method):
    values = np.repeat(decaying(40, 6), [5] * 20 + [1] * 20, axis=0)
    options = {"n_neighbors": 5} if method == "umap" else {"perplexity": 5.0}
    found = ct.project(values, method=method, **options)
    points = found.points[:100].reshape(20, 5, 2)
    np.testing.assert_array_equal(points, points[:, :1].repeat(5, axis=1))
    assert len(np.unique(found.points, axis=0)) == 40
    with pytest.raises(ValueError, match="must be below the 40 different rows, got 50"):
        ct.project(values, method=method, n_neighbors=50, perplexity=50.0)


@pytest.mark.parametrize("power", [-900, -30, 30, 900])
def test_rows_times_a_power_of_two_are_the_same_picture(power):
    values = decaying(40, 60)
    base, found = ct.project(values), ct.project(np.ldexp(values, power))
    np.testing.assert_array_equal(found.points, np.ldexp(base.points, power))
    np.testing.assert_array_equal(found.explained, base.explained)
    acts = [ct.Activations.from_arrays({"a": v, "b": decaying(40, 5, 1)})
            for v in (values, np.ldexp(values, power))]  # fmt: skip
    np.testing.assert_allclose(ct.project(acts[1]).points, ct.project(acts[0]).points, rtol=1e-9)


@pytest.mark.parametrize("method", ["umap", "tsne"])
def test_pictures_of_neighbours_have_no_unit(method):
    values = decaying(40, 60)
    base = ct.project(values, method=method)
    for power in (-900, 900):
        found = ct.project(np.ldexp(values, power), method=method)
        np.testing.assert_array_equal(found.points, base.points)


def test_what_a_mask_covers_is_left_out():
    values = decaying(30, 4)
    covered = np.ma.MaskedArray(values, np.zeros(values.shape, bool))
    covered[4, 1] = np.ma.masked
    found = ct.project(covered)
    assert np.flatnonzero(found.status == "non-finite").tolist() == [4]
    np.testing.assert_array_equal(
        found.points[5:], ct.project(np.delete(values, 4, axis=0)).points[4:]
    )


def test_points_that_float64_cannot_hold_are_refused():
    values = np.random.default_rng(0).choice([-1.7e308, 1.7e308], (30, 8))
    with pytest.raises(ValueError, match="rows must leave room for their distances"):
        ct.project(values)
