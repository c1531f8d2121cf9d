"""Many vectors at once: each as it is made alone."""

import itertools

import numpy as np
import pytest
from obsprop_oracle import PROMPTS, model, observable
from small_models import PARALLEL, made

from cutaway.observables import Observable, feature_vector, feature_vectors

PATHS = [
    "", "L1H2", "L1H2@1", "L0H1@1 > L1H2@3", "L0H0@1 > L1H2@3", "L0H2@3 > L1H2@3", "M0@3 > L1H2@3",
    "M1", "M0 > M1", "L0H1@1 > L1H0", "M0@2 > L1H0@2", "L0H2@0 > M1",
]  # fmt: skip
INSIDE = ["L0H1@2 > M0 > M1", "L1H1@4 > M1", "L0H1@0 > M0@1 > L1H1@1 > M1"]
SHORT = ([5, 1, 60, 17, 3], [5, 2, 60, 17, 3])
quiet = pytest.mark.filterwarnings("ignore:prompts must put:UserWarning")


def near(one, other):
    scale = np.abs(other.vector).max()
    assert np.abs(one.vector - other.vector).max() <= 1e-12 * scale, other.path
    assert (
        np.abs(one.vector_post - other.vector_post).max() <= 1e-12 * np.abs(other.vector_post).max()
    )
    assert one.affine == pytest.approx(other.affine, rel=1e-10, abs=1e-12 * scale)
    assert len(one.points) == len(other.points)
    for ours, theirs in zip(one.points, other.points, strict=True):
        for key, value in theirs.items():
            if isinstance(value, float):
                assert ours[key] == pytest.approx(value, rel=1e-8, abs=1e-9), (other.path, key)
            else:
                assert ours[key] == value
    assert one.origin.parameters == other.origin.parameters
    assert (one.path, one.observable, one.site) == (other.path, other.observable, other.site)


@quiet
@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2", "phi"])
@pytest.mark.parametrize(
    "options",
    [
        {"norm": "skip"},
        {"norm": "exact", "mlp_point": "pos"},
        {"norm": "approx", "first_norm": "gain", "final_norm": "frozen", "mlp_point": "mid"},
    ],
)
def test_many_vectors_are_each_as_made_alone(family, options):
    net = made(family)
    observables = [Observable.from_tokens(net, [3], [50]), Observable.from_tokens(net, [7, 8], [9])]
    paths = PATHS if family in PARALLEL else PATHS + INSIDE
    found = feature_vectors(net, observables, paths, prompts=SHORT, **options)
    assert len(found) == 2 * len(paths)
    for one, (measured, path) in zip(found, itertools.product(observables, paths), strict=True):
        near(one, feature_vector(net, measured, path, prompts=SHORT, **options))


def test_all_heads_without_prompts():
    net, measured = model("llama"), observable("llama", "O1")
    paths = [f"L{layer}H{head}" for layer in range(3) for head in range(4)]
    for one, path in zip(feature_vectors(net, [measured], paths), paths, strict=True):
        near(one, feature_vector(net, measured, path))


def test_nothing_asked_for_is_nothing():
    assert feature_vectors(model("llama"), [], ["L0H0"]) == []
    assert feature_vectors(model("llama"), [observable("llama", "O1")], []) == []


def test_a_node_without_boundary_is_told_once():
    net, measured = model("gpt_neo"), observable("gpt_neo", "O1")
    with pytest.warns(UserWarning, match="prompts must put M1@6 on both sides of 0") as told:
        feature_vectors(net, [measured], ["M1@6 > L2H1@6", "L1H0@2 > M1@6 > L2H1@6"],
                        prompts=PROMPTS)  # fmt: skip
    assert len(told) == 1
    with pytest.warns(UserWarning, match="M1@6") as alone:
        feature_vector(net, measured, "M1@6 > L2H1@6", prompts=PROMPTS)
    assert {one.filename for one in [*told, *alone]} == {__file__}
