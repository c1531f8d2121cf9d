"""The engines against each other, on odd input, on threads, and on disk."""

import os
import subprocess
import sys
import textwrap
import threading
import time
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutaway.core import Cancelled
from cutaway.filters import em_numba, fit_mixtures
from cutaway.filters.engines import n_threads, pick, results
from cutaway.filters.samples import Samples
from cutaway.filters.search import compile_ahead, search_components
from cutaway.filters.starts import farthest, robust_distances

ENGINES = ("numpy", "numba", "torch")
COVARIANCES = ("full", "tied", "diag", "spherical")
FIELDS = (
    "weights", "means", "covariances", "responsibilities", "log_likelihood", "bic", "aic", "icl",
    "ch", "trace",
)  # fmt: skip


def agree(found, expected, tol=1e-9):
    np.testing.assert_array_equal(found.n_iter, expected.n_iter)
    np.testing.assert_array_equal(found.converged, expected.converged)
    for name in FIELDS:
        one, other = getattr(found, name), getattr(expected, name)
        np.testing.assert_allclose(one, other, rtol=tol, atol=tol, err_msg=name)


def cloud(rng, filters, n, d, k):
    """Filters of k overlapping groups with a few dropped rows."""
    x = rng.normal(size=(filters, n, d)) * rng.uniform(0.3, 1.0, size=(filters, 1, d))
    x += rng.normal(size=(filters, k, d))[:, rng.integers(0, k, n)] * 1.5 + rng.normal() * 10
    x[rng.random((filters, n)) < 0.05] = np.nan
    return x


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    d=st.sampled_from([1, 2, 4, 6]),
    k=st.integers(1, 5),
    n=st.sampled_from([30, 255, 256, 257, 700]),
    covariance=st.sampled_from(COVARIANCES),
)
def test_engines_agree_from_the_same_start(seed, d, k, n, covariance):
    rng = np.random.default_rng(seed)
    x = cloud(rng, 3, n, d, k)
    resp = rng.dirichlet(np.ones(k), size=(3, n))
    # Sixty iterations: rounding has no time to grow into another path or another end.
    options = {"covariance": covariance, "start": resp, "tol": 1e-5, "max_iter": 60}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = {name: fit_mixtures(x, k, engine=name, **options) for name in ENGINES}
    agree(found["numba"], found["numpy"])
    agree(found["torch"], found["numpy"])


@pytest.mark.parametrize("engine", ["numba", "torch"])
@pytest.mark.parametrize(("d", "k"), [(1, 2), (2, 3), (4, 5), (6, 2)])
def test_engines_agree_from_their_own_starts(engine, d, k):
    x = cloud(np.random.default_rng(d), 3, 500, d, k)
    agree(fit_mixtures(x, k, engine=engine), fit_mixtures(x, k, engine="numpy"), tol=1e-8)


@pytest.mark.parametrize("engine", ENGINES)
def test_small_components_far_away_keep_their_shape(engine):
    x = np.random.default_rng(0).normal(size=(2, 400, 2))
    x[:, :40] = x[:, :40] * 0.01 + 1e3
    mine = fit_mixtures(x, 2, engine=engine, reg=0.0)
    np.testing.assert_allclose(mine.weights, [[0.9, 0.1]] * 2, atol=1e-12)
    for f in range(2):
        expected = np.cov(x[f, :40].T, bias=True)
        np.testing.assert_allclose(mine.covariances[f, 1], expected, rtol=1e-4)


def test_compiled_moments_do_not_cancel():
    x = np.random.default_rng(1).normal(size=(1, 400, 2))
    x[:, :40] = x[:, :40] * 0.01 + 1e5
    mine = fit_mixtures(x, 2, engine="numba", reg=0.0)
    np.testing.assert_allclose(mine.covariances[0, 1], np.cov(x[0, :40].T, bias=True), rtol=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("covariance", COVARIANCES)
def test_degenerate_filters_end_in_a_status(engine, covariance):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(9, 40, 2))
    x[0] = 0.0
    x[1] = 7.0
    x[2, :, 1] = 2 * x[2, :, 0]
    x[3] = np.nan
    x[4, 2:] = np.nan
    x[5, 1:] = np.nan
    x[6, :20] = np.inf
    x[8, ::2, 0] = x[8, 1::2, 1] = np.nan  # no whole row
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for k in (1, 2, 5):
            mine = fit_mixtures(x, k, covariance=covariance, engine=engine)
            assert np.isnan(mine.weights[3]).all()
            fitted = mine.weights[[0, 1, 2, 4, 5, 6, 7]]
            np.testing.assert_allclose(fitted.sum(axis=1), 1.0)
            assert np.isfinite(mine.log_likelihood[[0, 1, 2, 6, 7]]).all()
            assert np.isnan(mine.responsibilities[6, :20]).all()
            assert np.isnan(mine.responsibilities[8]).all()
    found = search_components(
        x, k_max=3, criterion="bic", covariance=covariance, tau=0.05, seed=0, engine=engine
    )
    assert found.k[3] == 0
    assert (found.k[[0, 1, 2, 4, 5, 6, 7]] >= 1).all()
    assert (found.assignments[3] == -1).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_without_a_ridge_a_rank_one_filter_fails_alone(engine):
    x = np.random.default_rng(3).normal(size=(3, 60, 2))
    x[1] = 1.0
    with pytest.warns(UserWarning, match="1 of 3 filters did not converge in 200 iterations"):
        mine = fit_mixtures(x, 2, reg=0.0, engine=engine)
    assert mine.converged.tolist() == [True, False, True]
    assert np.isnan(mine.bic[1])
    assert np.isfinite(mine.bic[[0, 2]]).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_few_samples_and_one_dimension(engine):
    two = np.random.default_rng(4).normal(size=(2, 2, 1))
    mine = fit_mixtures(two, 1, engine=engine)
    np.testing.assert_allclose(mine.means[:, 0], two.mean(axis=1), rtol=1e-12)
    with pytest.raises(ValueError, match=r"k must be 1\.\.1, got 2; lower k or capture more"):
        fit_mixtures(two, 2, engine=engine)
    assert np.isfinite(fit_mixtures(two[:, :1], 1, engine=engine).log_likelihood).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_single_precision_is_widened(engine):
    x = np.random.default_rng(5).normal(size=(2, 300, 3)).astype(np.float32)
    agree(fit_mixtures(x, 2, engine=engine), fit_mixtures(x.astype(float), 2, engine=engine))


def test_an_unknown_engine_and_a_missing_one_are_told(monkeypatch):
    with pytest.raises(ValueError, match=r"engine must be one of 'auto', .*got 'cuda'"):
        fit_mixtures(np.ones((1, 9, 2)), 1, engine="cuda")
    assert pick("auto", 4).name == "numba"
    assert pick("auto", 40).name == "numpy"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert pick("auto", 4).name == "numpy"
    with pytest.raises(ValueError, match="engine 'numba' needs numba, .*pip install numba"):
        pick("numba", 4)


def test_robust_distances_ignore_a_few_far_samples():
    rng = np.random.default_rng(6)
    x = rng.normal(size=(2, 600, 4)) * [1.0, 0.5, 0.2, 0.1]
    x[:, :12] = [20.0, 0.0, 0.0, 0.0]
    x[1, 300:] = np.nan
    samples = Samples.of(x)
    slow = robust_distances(samples)
    fast = pick("numba", 4).robust_distances(samples)
    np.testing.assert_allclose(fast * samples.kept, slow * samples.kept, rtol=1e-9)
    far = samples.restore(farthest(samples, slow), False)
    assert far[0, 1].nonzero()[0].tolist() == list(range(12))
    plain = np.einsum(
        "nd,de,ne->n", x[0] - x[0].mean(axis=0), np.linalg.inv(np.cov(x[0].T)),
        x[0] - x[0].mean(axis=0),
    )  # fmt: skip
    assert samples.restore(slow)[0, :12].min() > 5 * plain[:12].max()


def test_threads_are_counted_from_the_environment(monkeypatch):
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    cores = n_threads()
    assert cores == len(os.sched_getaffinity(0))
    monkeypatch.setenv("OMP_NUM_THREADS", "1,4")
    assert n_threads() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", str(cores + 5))
    assert n_threads() == cores
    monkeypatch.setenv("NUMBA_NUM_THREADS", "1")
    assert n_threads() == 1
    monkeypatch.setenv("NUMBA_NUM_THREADS", "many")
    assert n_threads() == cores


def test_threads_change_no_bit(monkeypatch):
    x = cloud(np.random.default_rng(7), 9, 300, 3, 3)
    one = fit_mixtures(x, 3)
    monkeypatch.setattr("cutaway.filters.engines.n_threads", lambda: 3)
    many = fit_mixtures(x, 3)
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(one, name), getattr(many, name))


def test_two_python_threads_may_fit_at_once(monkeypatch):
    monkeypatch.setattr("cutaway.filters.engines.n_threads", lambda: 2)
    x = cloud(np.random.default_rng(8), 6, 300, 2, 2)
    expected, found = fit_mixtures(x, 2), []
    pair = [threading.Thread(target=lambda: found.append(fit_mixtures(x, 2))) for _ in range(2)]
    for one in pair:
        one.start()
    for one in pair:
        one.join()
    for one in found:
        agree(one, expected, tol=0.0)
    assert len(found) == 2


def test_blocks_come_in_order_and_an_error_begins_no_more():
    begun = []

    def work(block):
        begun.append(block)
        time.sleep(0.002 * (block % 3))
        if block == 5:
            raise Cancelled
        return -block

    assert [one for _, one in results(work, range(5), 3)] == [0, -1, -2, -3, -4]
    begun.clear()
    with pytest.raises(Cancelled):
        list(results(work, range(100), 3))
    assert len(begun) < 15


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


FIT = """
    import numpy as np
    from cutaway.filters import fit_mixtures
    x = np.random.default_rng(0).normal(size=(2, 60, 1))
    start = np.arange(120).reshape(2, 60) % 2  # fewer functions to compile than for own starts
    print(fit_mixtures(x, 2, start=start).log_likelihood.tolist())
"""


@pytest.mark.slow  # compiles three times
def test_two_fresh_processes_share_a_cache_and_a_blocked_one_still_works(tmp_path):
    fresh = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    pair = [threading.Thread(target=lambda: said.append(run(FIT, **fresh))) for _ in range(2)]
    said = []
    for one in pair:
        one.start()
    for one in pair:
        one.join()
    assert [one.returncode for one in said] == [0, 0], said[0].stderr + said[1].stderr
    assert list((tmp_path / "cache").rglob("*.nbc"))
    again = run(FIT, **fresh)
    (tmp_path / "file").write_text("")
    blocked = run(FIT, NUMBA_CACHE_DIR=str(tmp_path / "file" / "no"))
    assert {one.stdout for one in (*said, again, blocked)} == {said[0].stdout}
    assert said[0].stdout


def test_importing_the_lens_imports_no_compiler():
    done = run("import sys, cutaway.filters; print('numba' in sys.modules, 'torch' in sys.modules)")
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize(
    ("n", "spare"), [(10_000, 60e6), pytest.param(50_000, 150e6, marks=pytest.mark.slow)]
)
def test_memory_grows_by_little_more_than_input_and_answer(n, spare):
    """50 filters of 50,000 samples: a 20th of 1,000, whose input and answer take 2.5 GB."""
    code = """
        import resource, numpy as np
        from cutaway.filters.search import search_components
        def peak():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        options = dict(criterion="bic", covariance="full", tau=0.05, seed=0)
        rng = np.random.default_rng(0)
        search_components(rng.normal(size=(2, 500, 4)), k_max=2, **options)
        x = rng.standard_normal((50, SAMPLES, 4), np.float32)
        before = peak()
        found = search_components(x, k_max=2, **options)
        answer = sum(one.nbytes for one in vars(found).values())
        print(peak() - before, answer)
    """
    used, answer = (int(one) for one in run(code.replace("SAMPLES", str(n))).stdout.split())
    assert used < answer + spare


@pytest.mark.parametrize("engine", ENGINES)
def test_no_filters_give_no_mixtures(engine):
    mine = fit_mixtures(np.empty((0, 30, 2)), 2, engine=engine)
    assert mine.weights.shape == (0, 2)


@pytest.mark.cuda
def test_a_gpu_gives_the_same_numbers():
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    x = cloud(np.random.default_rng(9), 40, 1000, 4, 3)
    agree(fit_mixtures(x, 3, engine="torch"), fit_mixtures(x, 3, engine="numpy"), tol=1e-8)


def test_compiling_ahead_is_what_a_screen_then_uses():
    compile_ahead((2,))
    kept = {str(one) for one in em_numba.fit_best.signatures}
    rng = np.random.default_rng(1)
    search_components(
        rng.normal(size=(3, 50, 2)), k_max=3, criterion="bic", covariance="full", tau=0.05, seed=0
    )
    assert {str(one) for one in em_numba.fit_best.signatures} == kept
