"""All rules at all betas against the oracle: clusters, distances, weights, parameters, outputs."""

import pytest
import torch
from merging_nets import ORACLE, ORACLE_GROUPS, ORACLE_NETS, oracle
from safetensors.torch import load_file

from cutaway.merging import merge_features

RULES = ("official", "official_bnfold", "exact", "exact_scale")
CASES = [(net, rule) for net in ORACLE_NETS for rule in RULES]


@pytest.fixture(scope="module", params=CASES, ids=[f"{net}-{rule}" for net, rule in CASES])
def runs(request):
    """Name of the net, and pairs of our result and the oracle's, one a beta."""
    name, rule = request.param
    net, inputs, expected = oracle(name)
    wanted = [one for one in expected["results"] if one["rule"] == rule]
    assert [one["beta"] for one in wanted] == [0.0, 1e-4, 0.01, 0.1, 0.2, 0.3]
    ours = [merge_features(net, inputs, beta=one["beta"], rule=rule) for one in wanted]
    return name, list(zip(ours, wanted, strict=True))


def test_features_and_parameters_left(runs):
    name, pairs = runs
    for ours, wanted in pairs:
        left = {ORACLE_GROUPS[name][group]: n for group, n in ours.features_left.items()}
        assert left == wanted["features_left"]
        assert list(left) == list(wanted["features_left"]), "network order"
        assert ours.kept_parameters == wanted["n_params"]
        assert ours.kept_parameters == sum(one.numel() for one in ours.model.parameters())


def test_clusters(runs):
    name, pairs = runs
    for ours, wanted in pairs:
        for group, clusters in ours.clusters.items():
            merged = sorted(one for one in clusters if len(one) > 1)
            theirs = wanted["clusters"][ORACLE_GROUPS[name][group]]
            assert merged == sorted(sorted(one) for one in theirs)
            every = sorted(unit for one in clusters for unit in one)
            assert every == list(range(len(every)))


def test_distances_in_order(runs):
    name, pairs = runs
    for ours, wanted in pairs:
        assert len(ours.tree) == len(wanted["merges"])
        tied: set[str] = set()
        for line, theirs in zip(ours.tree.itertuples(), wanted["merges"], strict=True):
            assert line.round == theirs["round"]
            assert ORACLE_GROUPS[name][line.group] == theirs["group"]
            atol = 1e-12 * theirs["d2_max"]
            assert line.distance == pytest.approx(theirs["d2"], rel=1e-9, abs=atol)
            if theirs["d2_second"] - theirs["d2"] < 1e-5 * theirs["d2_max"]:
                tied.add(theirs["group"])
            if theirs["group"] not in tied:
                assert line.runner_up == pytest.approx(theirs["d2_second"], rel=1e-9, abs=atol)
                assert line.largest == pytest.approx(theirs["d2_max"], rel=1e-9)
                assert line.units == len(theirs["a"] + theirs["b"])


def test_weights(runs):
    name, pairs = runs
    stored = load_file(ORACLE / f"{name}.merged.safetensors")
    compared = 0
    for ours, wanted in pairs:
        prefix = f"{wanted['rule']}|{wanted['beta']}|"
        theirs = {k.removeprefix(prefix): v for k, v in stored.items() if k.startswith(prefix)}
        state = {k: v for k, v in ours.model.state_dict().items() if "num_batches" not in k}
        if theirs:
            assert state.keys() == theirs.keys()
        for key, tensor in theirs.items():
            torch.testing.assert_close(state[key].float(), tensor, rtol=1e-6, atol=1e-7)
            compared += 1
    assert compared >= 12


def test_change_of_the_output(runs):
    _, pairs = runs
    for ours, wanted in pairs:
        theirs = wanted["output_max_abs_diff"]
        assert ours.output_change == pytest.approx(theirs, rel=1e-9, abs=1e-13)
        if wanted["beta"] == 0 and ours.rule != "official":
            assert ours.output_change <= 1e-12


def test_the_published_rule_is_reported_as_inexact_on_copies_behind_batch_norm():
    net, inputs, _ = oracle("lenet_bn")
    assert merge_features(net, inputs, beta=0.0, rule="official").output_change > 0.5
