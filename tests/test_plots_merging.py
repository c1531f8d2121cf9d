"""Figures of the merging lens: their traces hold the results' numbers, nothing else."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import cutaway as ct
from cutaway.plots.merging import _dendrogram, _places


@pytest.fixture(scope="module")
def lenet():
    return ct.load_model("lenet5-digits")


@pytest.fixture(scope="module")
def curve(lenet):
    return ct.complexity_curve(lenet, lenet.example, betas=(0.0, 0.1, 0.2, 0.3))


@pytest.fixture(scope="module")
def merge(lenet):
    return ct.merge_features(lenet, lenet.example, beta=0.25)


def traces(figure):
    return {one.name: one for one in figure.data}


def titled(figure):
    layout = figure.to_plotly_json()["layout"]
    axes = [one for key, one in layout.items() if key.startswith(("xaxis", "yaxis"))]
    return all(one["title"]["text"] for one in axes)


class TestCurve:
    def test_a_line_a_group_and_the_whole(self, curve):
        found = traces(curve.plot())
        for place, name in enumerate(curve.rows):
            np.testing.assert_allclose(
                found[name].y, 100 * curve.features_left[:, place] / curve.size[place]
            )
        whole = 100 * curve.features_left.sum(1) / curve.size.sum()
        np.testing.assert_allclose(found["whole network"].y, whole)
        base = 100 * curve.baseline_left.sum(1) / curve.size.sum()
        np.testing.assert_allclose(found["whole, random initialisation"].y, base)
        assert titled(curve.plot())

    def test_without_a_score_the_second_panel_is_the_size(self, curve):
        found = traces(curve.plot())
        kept = 100 * curve.kept_parameters / curve.parameters
        np.testing.assert_allclose(found["parameters"].y, kept)
        assert "score" not in found

    def test_with_one_it_is_the_score_against_the_size(self, curve):
        scored = dataclasses.replace(curve, score=np.array([0.9, 0.9, 0.8, 0.1]), score_before=0.91)
        figure = scored.plot()
        np.testing.assert_array_equal(traces(figure)["score"].y, scored.score)
        assert figure.layout.shapes[0].y0 == 0.91

    def test_no_baseline_no_line(self, curve):
        bare = dataclasses.replace(curve, baseline_reason="not asked for")
        assert "whole, random initialisation" not in traces(bare.plot())

    def test_says_what_the_curve_says(self, curve):
        assert curve.why
        title = curve.plot().layout.title.text
        assert title.replace("<br>", " ").startswith(curve.why)
        assert max(map(len, title.split("<br>"))) <= 110

    def test_many_groups_go_from_light_to_dark(self):
        layers = [part for _ in range(9) for part in (nn.Linear(6, 6), nn.ReLU())]
        net = nn.Sequential(*layers, nn.Linear(6, 3))
        found = ct.complexity_curve(net, torch.randn(2, 6), betas=(0.0, 0.5), baseline=False)
        colours = [trace.line.color for trace in found.plot().data[:9]]
        reds = [int(one[4:].split(",")[0]) for one in colours]
        assert reds == sorted(reds, reverse=True)
        assert len(set(reds)) == 9

    @pytest.mark.parametrize(
        ("betas", "x", "words"),
        [
            ([0.0], [1.0], ["0"]),
            ([0.0, 0.1, 1.0], [0.05, 0.1, 1.0], ["0", "0.1", "0.2", "0.5", "1"]),
            ([0.2, 0.3], [0.2, 0.3], ["0.2", "0.3"]),
            ([1e-6, 1.0], [1e-6, 1.0], [f"{10.0**k:g}" for k in range(-6, 1)]),
        ],
    )
    def test_places_on_a_logarithmic_axis(self, betas, x, words):
        found, ticks, texts = _places(np.array(betas))
        np.testing.assert_allclose(found, x)
        assert texts == words
        assert len(ticks) == len(texts)


class TestMerge:
    def test_bars_add_up_to_the_sizes(self, merge):
        found = traces(merge.plot())
        np.testing.assert_array_equal(found["left"].y, merge.left)
        np.testing.assert_array_equal(found["left"].y + found["merged away"].y, merge.size)
        assert titled(merge.plot())

    @pytest.mark.parametrize("group", ["fc1", "fc2"])
    def test_a_bracket_a_merge_at_its_distance(self, merge, group):
        figure = merge.plot(group=group)
        heights = np.asarray(traces(figure)["merges"].y).reshape(-1, 5)
        wanted = merge.tree[merge.tree["group"] == group]["distance"]
        np.testing.assert_allclose(heights[:, 1], wanted)
        np.testing.assert_allclose(heights[:, 2], wanted)
        alone = sum(len(units) == 1 for units in merge.clusters[group])
        assert f"merge tree of {group} ({alone} units stay alone)" in str(figure.layout.annotations)

    def test_most_merged_group_by_default(self, merge):
        most = merge.rows.ids[np.argmax(merge.size - merge.left)]
        assert f"merge tree of {most} " in str(merge.plot().layout.annotations)

    def test_no_merge_at_all(self, lenet):
        none = ct.merge_features(lenet, lenet.example, beta=0.0)
        assert len(traces(none.plot())["merges"].x) == 0

    def test_unknown_group(self, merge):
        with pytest.raises(ValueError, match="group must be one of 'conv1', .*, got 'conv9'"):
            merge.plot(group="conv9")

    def test_dendrogram_of_three_by_hand(self):
        tree = pd.DataFrame(
            {"made": [5, 6], "first": [0, 5], "second": [3, 2], "distance": [1.0, 2.0]}
        )
        lines, order = _dendrogram(tree, 5)
        assert order == [0, 3, 2]
        np.testing.assert_array_equal(lines[:4], [(0, 0), (0, 1), (1, 1), (1, 0)])
        np.testing.assert_array_equal(lines[5:9], [(0.5, 1), (0.5, 2), (2, 2), (2, 0)])

    def test_a_chain_as_deep_as_a_wide_layer(self):
        n = 3000
        tree = pd.DataFrame(
            {
                "made": n + np.arange(n - 1),
                "first": [0, *(n + np.arange(n - 2))],
                "second": np.arange(1, n),
                "distance": np.ones(n - 1),
            }
        )
        assert _dendrogram(tree, n)[1] == list(range(n))


class TestGroups:
    def test_sizes_makers_and_refusals(self, lenet):
        found = ct.feature_groups(lenet, lenet.example)
        bars = traces(found.plot())
        np.testing.assert_array_equal(bars["grouped"].y, found.size)
        assert bars["grouped"].hovertext[0].startswith("made by conv1<br>read by conv2")
        assert list(bars["refused"].x) == [one["name"] for one in found.refused]
        assert titled(found.plot())


class TestMeasures:
    @pytest.fixture
    def found(self):
        rng = np.random.default_rng(0)
        arrays = {"a": rng.normal(size=(50, 4)), "b": rng.normal(size=(50, 7))}
        return ct.layer_measures(ct.Activations.from_arrays(arrays))

    def test_lines_interval_and_similarity(self, found):
        figure = found.plot()
        bars = traces(figure)
        np.testing.assert_array_equal(bars["effective rank"].y, found.effective_rank)
        np.testing.assert_array_equal(bars["participation ratio"].y, found.participation)
        two_nn = bars["TwoNN dimension, 95 %"]
        np.testing.assert_allclose(two_nn.y + two_nn.error_y.array, found.two_nn_high)
        np.testing.assert_allclose(two_nn.y - two_nn.error_y.arrayminus, found.two_nn_low)
        np.testing.assert_array_equal(figure.data[-1].z, found.cka)
        assert titled(figure)
