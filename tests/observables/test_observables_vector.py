"""Feature vectors: the oracle, autograd through the real modules, all paths together."""

import itertools
import warnings

import numpy as np
import pytest
import torch
from obsprop_oracle import (
    CASES,
    NAMES,
    PROMPTS,
    TOLERANCES,
    fresh,
    model,
    observable,
    oracle,
    relative,
    residual,
    way,
)

from cutaway.core import Cancelled
from cutaway.model import Model
from cutaway.observables import FeatureVector, Observable, Path, components_of, feature_vector
from cutaway.observables.norms import offset, pull_back

# What each variant of the oracle asks for; the part after "|" is the point of the MLPs.
OPTIONS = {
    "noLN": {"norm": "skip"},
    "noLN_from_lnfgrad": {"norm": "skip", "final_norm": "exact"},
    "LN_approx": {"norm": "approx"},
    "LN_frozen": {"norm": "frozen"},
    "LN_exact": {"norm": "exact"},
    "LN_approx_last_without_1/|x|": {"norm": "approx", "first_norm": "gain"},
}
quiet = pytest.mark.filterwarnings("ignore:prompts must put:UserWarning")


@quiet
@pytest.mark.parametrize(("name", "which"), CASES)
def test_every_path_and_variant_of_the_oracle(name, which):
    net, measured = model(name), observable(name, which)
    paths = oracle(name)["observables"][which]["paths"]
    assert len(paths) == 8
    for label, entry in paths.items():
        path = way(entry["path_in_to_out"])
        for variant, expected in entry["variants"].items():
            asked, point = variant.rsplit("|", 1)
            found = feature_vector(
                net, measured, path, prompts=PROMPTS, mlp_point=point, **OPTIONS[asked]
            )
            given = expected.get("vec", expected.get("vec_preLN"))
            assert relative(found.vector, given) < TOLERANCES[name], (label, variant)
            if "vec_postLN" in expected:
                post = expected["vec_postLN"]
                assert relative(found.vector_post, post) < TOLERANCES[name], (label, variant)
            mlps = [one for one in found.points if one["kind"] == "mlp"]
            for ours, theirs in zip(mlps, expected.get("boundary", mlps), strict=True):
                if theirs is not ours:
                    assert ours["node"] == theirs["node"].replace("MLP", "M")
                    assert ours["t"] == pytest.approx(theirs["t"], abs=1e-6)
                    assert ours["target"] == pytest.approx(theirs["target"], rel=1e-5)
                    assert ours["negative"] == pytest.approx(theirs["g_neg"], rel=1e-5)
                    assert ours["positive"] == pytest.approx(theirs["g_pos"], rel=1e-5)
                    assert ours["n_roots"] == theirs["n_roots"] == 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("which", ["O1", "O2", "O3"])
def test_the_empty_path_is_the_final_norm(name, which):
    expected = oracle(name)["observables"][which]
    for mode in ("approx", "frozen", "exact"):
        found = feature_vector(model(name), observable(name, which), "", norm=mode, prompts=PROMPTS)
        assert relative(found.vector, expected["ln_f"][mode]) < TOLERANCES[name]
        assert relative(found.vector_post, expected["unembed_covector"]) < TOLERANCES[name]
        assert found.site == components_of(model(name)).final_norm.site
    if which == "O1":
        measured = expected["logit_measure_pos"]  # a frozen norm is exact on its own prompt
        site, read = found.site, residual(model(name), found.site)
        frozen = feature_vector(
            model(name), observable(name, which), "", norm="frozen", prompts=PROMPTS
        )
        assert site == frozen.site
        reading = frozen.vector @ read[-1].numpy() + frozen.affine
        assert reading == pytest.approx(measured, rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_lengths_of_all_heads(name):
    for which in ("O1", "O2", "O3"):
        entry = oracle(name)["observables"][which]
        norms = oracle(name)["activations_pos"]["resid_norms"]
        last = norms["ln_f_in_last_pos"]
        mean = (last + norms["ln_f_in_last_neg"]) / 2  # the oracle's scale of the final norm
        for layer, head in itertools.product(range(3), range(4)):
            path, measured = f"L{layer}H{head}", observable(name, which)
            plain = feature_vector(model(name), measured, path)
            gained = feature_vector(
                model(name), measured, path, norm="approx", first_norm="gain", prompts=PROMPTS
            )
            length = np.linalg.norm(plain.vector)
            assert length == pytest.approx(entry["head_norms_noLN"][layer][head], rel=1e-6)
            length = np.linalg.norm(gained.vector) * last / mean
            expected = entry["head_norms_LN_paperformula"][layer][head]
            assert length == pytest.approx(expected, rel=TOLERANCES[name])


@pytest.mark.parametrize("name", NAMES)
def test_attribution_to_every_head_and_source(name):
    net = model(name)
    with torch.no_grad():
        patterns = net(torch.tensor(PROMPTS[:1]), output_attentions=True).attentions
    expected = oracle(name)["observables"]["O1"]["dla_frozen_lnf_head_src_pos"]
    for layer, head in itertools.product(range(3), range(4)):
        part = components_of(net).layers[layer]
        found = feature_vector(
            net, observable(name, "O1"), f"L{layer}H{head}", final_norm="frozen", prompts=PROMPTS
        )
        empty = feature_vector(net, observable(name, "O1"), "", norm="frozen", prompts=PROMPTS)
        normed = part.attention_norm.apply(residual(net, part.attention_norm.site)).numpy()
        reading = normed @ found.vector_post + found.affine - empty.affine
        ours = patterns[layer][0, head, -1].numpy() * reading
        assert relative(ours, expected[layer][head]) < 1e-5


@quiet
@pytest.mark.parametrize(("name", "which"), CASES)
def test_readings_of_the_residual_stream(name, which):
    for entry in oracle(name)["observables"][which]["paths"].values():
        path = way(entry["path_in_to_out"])
        found = feature_vector(
            model(name), observable(name, which), path, norm="exact", mlp_point="pos",
            prompts=PROMPTS,
        )  # fmt: skip
        raw = residual(model(name), found.site).numpy()
        expected = entry["activation_pos"]
        key = next(one for one in expected if one.startswith("LNexact_preLN"))
        scale = np.linalg.norm(found.vector) * np.linalg.norm(raw, axis=1).max()
        assert np.abs(raw @ found.vector - expected[key]).max() < 1e-6 * scale
        own = raw[path.positions(10)[0]]  # a norm does not change with the scale of its input
        assert abs(own @ found.vector) < 1e-5 * scale  # but for eps


def test_the_affine_map_of_a_single_mlp_touches_at_its_point():
    net, measured = model("gpt_neo"), observable("gpt_neo", "O2")
    found = feature_vector(net, measured, "M2", mlp_point="boundary", prompts=PROMPTS)
    part = components_of(net).layers[2]
    ends = [part.mlp_norm.apply(residual(net, part.mlp_norm.site, which)[-1]) for which in (1, 0)]
    (point,) = found.points
    x = ends[0] + point["t"] * (ends[1] - ends[0])
    u = torch.tensor(found.covector)
    assert not point["same_sign"]
    reading = float(u @ part.mlp.output(x))
    assert abs(reading) < 1e-9
    assert float(torch.tensor(found.vector_post) @ x) + found.affine == pytest.approx(0, abs=1e-9)
    for end, key in zip(ends, ("error_negative", "error_positive"), strict=True):
        tangent = float(torch.tensor(found.vector_post) @ end) + found.affine
        assert point[key] == pytest.approx(tangent - float(u @ part.mlp.output(end)), abs=1e-9)
    assert abs(point["error_positive"]) > 0.01


def test_without_a_decision_boundary_it_says_so():
    with pytest.warns(UserWarning, match=r"prompts must put M1@6 on both sides of 0, got .*mean"):
        found = feature_vector(
            model("gpt_neo"), observable("gpt_neo", "O1"), "M1@6 > L2H1@6", prompts=PROMPTS
        )
    assert found.points[0]["same_sign"]
    same = PROMPTS[0], PROMPTS[0]
    with pytest.warns(UserWarning, match="both sides"):
        found = feature_vector(model("llama"), observable("llama", "O1"), "M2", prompts=same)
    assert (found.points[0]["t"], found.points[0]["n_roots"]) == (0.5, 0)


def test_an_exact_norm_touches_at_its_point():
    found = feature_vector(
        model("gpt_neo"), observable("gpt_neo", "O1"), "L2H1@6", norm="exact", prompts=PROMPTS
    )
    final, first = found.points
    assert (final["node"], first["node"]) == ("final norm", "L2H1@6")
    for point in found.points:
        assert abs(point["error_positive"]) < 1e-12
        assert abs(point["error_negative"]) > 1e-6 or point["position"] < 3
        assert point["asked"] == "exact"


def test_without_prompts_weights_alone_are_enough():
    net = model("llama")
    found = feature_vector(net, observable("llama", "O1"), "L0H1@2 > L1H2")
    with_prompts = feature_vector(net, observable("llama", "O1"), "L0H1@2 > L1H2", prompts=PROMPTS)
    assert np.array_equal(found.vector, with_prompts.vector)
    assert found.points == []
    assert found.site == "model.layers.0.input_layernorm"


def test_a_vector_is_a_result(tmp_path):
    net = Model(model("gpt_neo"), "tiny")
    found = feature_vector(
        net, observable("gpt_neo", "O2"), "L1H2@6 > M2", norm="frozen", prompts=PROMPTS
    )
    again = feature_vector(
        net, observable("gpt_neo", "O2"), Path("L1H2@6>M2"), norm="frozen", prompts=PROMPTS
    )
    assert found.digest == again.digest
    assert found.origin.digest == again.origin.digest
    found.save(tmp_path / "vector.zip")
    loaded = FeatureVector.load(tmp_path / "vector.zip")
    assert loaded.digest == found.digest
    assert loaded.points == found.points
    assert list(found.to_frame().columns) == ["vector", "vector_post", "covector"]
    assert not found.vector.flags.writeable
    assert "\n" not in repr(found)
    assert "(13 - 30 through L1H2@6 > M2 at transformer.h.1.ln_1; norm frozen" in repr(found)
    assert found.origin.parameters["prompts"] == [list(one) for one in PROMPTS]
    assert found.origin.parameters["weights"] == {"13": 1.0, "30": -1.0}


def test_the_model_is_left_as_it_was():
    net = fresh("gpt_neo").train()
    net.transformer.h[1].eval()
    before = {name: part.training for name, part in net.named_modules()}
    state = {name: value.clone() for name, value in net.state_dict().items()}
    told = []

    def tick(fraction, _message):
        told.append(fraction)

    feature_vector(
        net, observable("gpt_neo", "O2"), "L1H2 > M2", norm="exact", prompts=PROMPTS, tick=tick
    )
    assert told == sorted(told)
    assert told[-1] == 1.0

    def stop(_fraction, _message):
        raise Cancelled

    with pytest.raises(Cancelled):
        feature_vector(net, observable("gpt_neo", "O2"), "M2", prompts=PROMPTS, tick=stop)
    assert {name: part.training for name, part in net.named_modules()} == before
    assert all(torch.equal(state[name], value) for name, value in net.state_dict().items())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in net.modules())
    assert all(one.requires_grad for one in net.parameters())
    assert all(one.grad is None for one in net.parameters())


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"norm": "folded"}, ValueError, "norm must be one of 'skip', 'approx', 'frozen', 'exact'"),
        ({"norm": "gain"}, ValueError, "norm must be one of .* got 'gain'"),
        ({"final_norm": "gain"}, ValueError, "final_norm must be one of .* got 'gain'"),
        ({"first_norm": "none"}, ValueError, "first_norm must be one of .* 'gain', got 'none'"),
        ({"mlp_point": "neg"}, ValueError, "mlp_point must be one of 'boundary', 'mid', 'pos'"),
        ({"path": "L3H0"}, ValueError, r"layer of L3H0 must be 0..2, got 3"),
        ({"path": "L2H4"}, ValueError, r"head of L2H4 must be 0..3, got 4"),
        ({"path": "L2H1@10"}, ValueError, r"position of L2H1@10 must lie in 0..9"),
        ({"path": "M1@4"}, ValueError, "position of M1@4 must be 9"),
        ({"prompts": None}, ValueError, r"prompts must be a pair .* base point of model.layers.2"),
        ({"prompts": None, "path": "", "norm": "exact"}, ValueError, "base point of model.norm"),
        ({"prompts": "one text"}, ValueError, "prompts must be a pair .* got one text"),
        ({"prompts": [[1]]}, ValueError, "prompts must be a pair .* got 1; give two"),
        ({"prompts": ["a", "b"]}, TypeError, "must have a tokenizer to read prompts, got none"),
        ({"prompts": [[1, 2], [1]]}, ValueError, "the same number of tokens, got 2 and 1"),
        ({"prompts": [[], []]}, ValueError, r"prompts must have 1..32 tokens, got 0"),
        ({"prompts": [[1] * 33, [2] * 33]}, ValueError, r"prompts must have 1..32 tokens, got 33"),
        ({"prompts": [[1], [101]]}, ValueError, r"prompt token must be 0..100, got 101"),
        ({"prompts": [[1], [0.5]]}, TypeError, "prompt token must be a whole number, got 0.5"),
    ],
)
def test_bad_input_is_one_clear_line(change, error, message):
    given = {"path": "L1H0 > M2", "prompts": PROMPTS, "norm": "skip"} | change
    with pytest.raises(error, match=message) as caught:
        feature_vector(model("llama"), observable("llama", "O1"), **given)
    assert "\n" not in str(caught.value)


def test_prompts_may_be_tensors_and_arrays():
    net, measured = model("llama"), Observable(np.eye(101)[3])
    lists = feature_vector(net, measured, "M2", mlp_point="mid", prompts=PROMPTS)
    mixed = torch.tensor(PROMPTS[0]), np.array(PROMPTS[1])
    other = feature_vector(net, measured, "M2", mlp_point="mid", prompts=mixed)
    assert lists.digest == other.digest


def test_a_norm_without_a_base_point_is_refused():
    norm = components_of(model("llama")).final_norm
    for function in (pull_back, offset):
        with pytest.raises(ValueError, match="x must be the norm's input for mode 'exact', got no"):
            function(norm, torch.ones(48, dtype=torch.float64), None, "exact")


def test_the_boundary_of_an_early_mlp_counts_the_tangents_of_later_ones_only():
    net, measured = model("gpt_neo"), observable("gpt_neo", "O2")
    for norm in ("skip", "exact"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            late = feature_vector(net, measured, "M2", norm=norm, prompts=PROMPTS)
            both = feature_vector(net, measured, "M1 > M2", norm=norm, prompts=PROMPTS)
        (m2,) = (one for one in late.points if one["kind"] == "mlp")
        m1 = both.points[-1] if norm == "skip" else both.points[-2]
        part = components_of(net).layers
        ends = [
            [one.mlp_norm.apply(residual(net, one.mlp_norm.site, which)[-1]) for which in (1, 0)]
            for one in part[1:]
        ]
        x = ends[1][0] + m2["t"] * (ends[1][1] - ends[1][0])
        y = feature_vector(net, measured, "", norm=norm, prompts=PROMPTS).vector
        constant = float(torch.tensor(y) @ part[2].mlp.output(x)) - late.vector_post @ x.numpy()
        reading = float(torch.tensor(late.vector) @ part[1].mlp.output(ends[0][1])) + constant
        assert m1["node"] == "M1"
        assert m1["positive"] == pytest.approx(reading, rel=1e-9)
