"""The dendrogram without a browser: clusters as SciPy's, merges that are refused."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage

import cutaway_widgets as cw
from cutaway.core import Index

IDS = Index([f"conv1:{i}" for i in range(5)], "unit")
# Two pairs and a lone unit, left as three trees.
FOREST = [(0, 3, 0.5), (1, 4, 1.0)]


@pytest.mark.parametrize("method", ["single", "average", "complete", "ward"])
@pytest.mark.parametrize("ties", [False, True])
def test_clusters_are_those_of_scipy_for_every_cut(method, ties):
    rng = np.random.default_rng(3)
    # Whole numbers in a small square: many equal distances and merges at height 0.
    points = rng.integers(0, 4, (40, 2)).astype(float) if ties else rng.normal(size=(40, 3))
    merges = linkage(points, method)
    assert ties == (len(np.unique(merges[:, 2])) < len(merges) / 2)
    view = cw.Dendrogram(merges)
    heights = np.unique(merges[:, 2])
    for cut in [*heights, *(heights[1:] + heights[:-1]) / 2, heights[0] - 1, heights[-1] + 1]:
        view.cut = cut
        got = view.clusters
        assert list(got) == list(range(40))
        assert list(got.values()) == fcluster(merges, cut, "distance").tolist()


def test_forests_keep_their_trees_apart_at_any_cut():
    view = cw.Dendrogram(FOREST, index=IDS)
    assert dict(view.clusters) == {
        "conv1:0": 2, "conv1:1": 1, "conv1:2": 3, "conv1:3": 2, "conv1:4": 1,
    }  # fmt: skip
    view.cut = 0.5
    assert dict(view.clusters) == {
        "conv1:0": 3, "conv1:1": 1, "conv1:2": 4, "conv1:3": 3, "conv1:4": 2,
    }  # fmt: skip


def test_clusters_cannot_be_changed_and_chains_are_no_recursion():
    n = 20_000
    merges = [(0, 1, 1.0), *((n + i - 1, i + 1, 1.0 + i) for i in range(1, n - 1))]
    view = cw.Dendrogram(merges, cut=1.0)
    assert len(set(view.clusters.values())) == n - 1
    with pytest.raises(TypeError, match="does not support item assignment"):
        view.clusters[0] = 7


def test_the_cut_tells_who_listens_and_shows_what_they_raise():
    view = cw.Dendrogram(FOREST, index=IDS)
    told = []
    stop = view.on_cut(told.append)
    view.cut = 0.7
    stop()
    view.cut = None
    assert told == [0.7]

    def fail(_cut):
        raise RuntimeError("no room")

    view.on_cut(fail)
    view.cut = 0.6
    assert view.error == "RuntimeError: no room"


def test_new_merges_are_one_message_without_the_old_cut():
    view = cw.Dendrogram(FOREST, index=IDS, cut=0.7, name="angle", unit="°", labels=list("abcde"))
    said = []
    view.comm.send = lambda data=None, **_: said.append(data)
    view.set_linkage([(0, 1, 2.0)])
    assert len(said) == 1
    assert (view.cut, view.name, view.unit, view._labels) == (None, "angle", "°", [])
    assert view._merges.tolist() == [[0, 1, 2]]


def test_no_merges_and_no_rows_are_fine():
    assert dict(cw.Dendrogram([], index=IDS).clusters) == dict(zip(IDS, range(1, 6), strict=True))
    assert dict(cw.Dendrogram([]).clusters) == {0: 1}
    assert dict(cw.Dendrogram([], index=Index([], "unit")).clusters) == {}


@pytest.mark.parametrize(
    ("merges", "message"),
    [
        ([(0, 1)], r"linkage must have 3 or 4 columns \(node, node, height, leaves\), got shape"),
        ([(0, 9, 1.0)], "linkage must name nodes 0..4 in merge 0, got 9; below 5 are rows"),
        ([(0, 0.5, 1.0)], "linkage must name nodes 0..4 in merge 0, got 0.5"),
        ([(0, 5, 1.0)], "linkage must name nodes 0..4 in merge 0, got 5"),
        ([(0, 1, 1.0), (1, 2, 2.0)], "linkage must merge each node once, got 1 again in merge 1"),
        ([(2, 2, 1.0)], "linkage must merge each node once, got 2 again in merge 0"),
        ([(0, 1, 2.0), (5, 2, 1.0)], "heights must not fall, got 1.0 in merge 1 above 2.0 in merg"),
        ([(0, 1, np.nan)], r"linkage must be finite, got \[0.0, 1.0, nan\] in merge 0"),
        ([(0, 1, 1.0, 3)], "linkage must count 2 leaves in merge 0, got 3"),
        ([(0, 1, 1.0)] * 5, "linkage must have at most 4 merges for 5 rows, got 5"),
    ],
)
def test_merges_that_make_no_forest_are_refused(merges, message):
    with pytest.raises(ValueError, match=message):
        cw.Dendrogram(merges, index=IDS)


def test_other_nonsense_is_refused_in_one_line():
    with pytest.raises(ValueError, match="cut must be a finite height or None, got nan"):
        cw.Dendrogram(FOREST, index=IDS, cut=np.nan)
    with pytest.raises(ValueError, match="labels must have as many entries as index"):
        cw.Dendrogram(FOREST, index=IDS, labels=["a"])
    with pytest.raises(TypeError, match=r"Dendrogram keywords must be among .*got 'cuts'; did"):
        cw.Dendrogram(FOREST, index=IDS, cuts=3)
