"""Edits: exactly what they say, in order, and undone."""

import json
from typing import NamedTuple

import numpy as np
import pytest
import torch
from capture_nets import Maps, Twice, hooks_left, made, pictures, plainly, rows
from torch import nn
from transformers.modeling_outputs import BaseModelOutput

from cutaway.data import load_data
from cutaway.model import (
    Activations,
    Mean,
    Model,
    ProjectOut,
    Replace,
    Steer,
    UnknownSite,
    Zero,
    capture,
    edited,
    load_model,
)
from cutaway.model.edit import Edit
from cutaway.model.swap import with_first_tensor


def held(module, edits, data, path):
    with edited(module, edits, data=data):
        return plainly(module, data, path)


@pytest.fixture
def maps():
    return made(Maps, inplace=False), pictures(12)


def test_zero_and_exact_undo(maps):
    module, data = maps
    before = {site: plainly(module, data, site) for site in ("conv1", "conv2", "fc")}
    state = Model(module).digest
    after = held(module, Zero("conv1", [0, 2]), data, "conv1")
    assert (after[:, [0, 2]] == 0).all()
    np.testing.assert_array_equal(after[:, 1], before["conv1"][:, 1])
    changed = held(module, Zero("conv1", [0, 2]), data, "fc")
    assert not np.allclose(changed, before["fc"])
    assert hooks_left(module) == 0
    assert Model(module).digest == state
    for site, values in before.items():
        np.testing.assert_array_equal(plainly(module, data, site), values)


def test_zero_is_the_same_as_a_smaller_network(maps):
    module, data = maps
    changed = held(module, Zero("relu1", 1), data, "fc")
    small = made(Maps, inplace=False)
    with torch.no_grad():
        small.conv2.weight[:, 1] = 0
    np.testing.assert_allclose(changed, plainly(small, data, "fc"), atol=1e-5)


def test_mean_of_values_activations_and_batch(maps):
    module, data = maps
    acts = capture(module, data, "conv1", show=None)
    means = acts["conv1"].mean((0, 2, 3))
    for edit in (
        Mean("conv1", [2, 0], acts),
        Mean("conv1", [2, 0], means),
        Mean("conv1", [2, 0]),
    ):
        after = held(module, edit, data, "conv1")
        for unit in (0, 2):
            np.testing.assert_allclose(after[:, unit], means[unit], atol=1e-6)
        np.testing.assert_array_equal(after[:, 1], acts["conv1"][:, 1])


def test_replace_by_numbers_and_maps(maps):
    module, data = maps
    after = held(module, Replace("conv1", [2, 1], [5.0, -1.0]), data, "conv1")
    assert (after[:, 2] == 5).all()
    assert (after[:, 1] == -1).all()
    pattern = np.arange(100.0, dtype=np.float32).reshape(1, 10, 10)
    after = held(module, Replace("conv1", 0, pattern), data, "conv1")
    np.testing.assert_array_equal(after[:, :1], np.broadcast_to(pattern, (12, 1, 10, 10)))


def test_directions(maps):
    module, data = maps
    direction = np.array([1.0, -2.0, 0.5])
    unit = direction / np.linalg.norm(direction)
    before = plainly(module, data, "conv1")
    out = held(module, ProjectOut("conv1", direction), data, "conv1")
    np.testing.assert_allclose(np.einsum("nchw,c->nhw", out, unit), 0, atol=1e-5)
    along = np.einsum("nchw,c->nhw", before, unit)
    np.testing.assert_allclose(out, before - along[:, None] * unit[:, None, None], atol=1e-5)
    steered = held(module, Steer("conv1", direction, 3.0), data, "conv1")
    np.testing.assert_allclose(
        steered - before, np.broadcast_to(3 * unit[:, None, None], before.shape), atol=1e-5
    )
    back = held(
        module, [Steer("conv1", direction, 3.0), Steer("conv1", direction, -3.0)], data, "conv1"
    )
    np.testing.assert_allclose(back, before, atol=1e-5)


@pytest.mark.parametrize("make", [Steer, ProjectOut])
def test_a_direction_at_one_place(make):
    """Of a sequence (n t d), the last axis after the units is the place."""
    rng = np.random.default_rng(0)
    values = torch.from_numpy(rng.normal(size=(4, 2, 5)))  # units, samples, places
    everywhere = make("a", [1.0, 2.0, 0.0, -1.0]).applied(values)
    for position in (0, 3, -1):
        changed = make("a", [1.0, 2.0, 0.0, -1.0], position=position).applied(values)
        rest = np.delete(np.arange(5), position)
        torch.testing.assert_close(changed[..., position], everywhere[..., position])
        assert torch.equal(changed[..., rest], values[..., rest])
    with pytest.raises(ValueError, match="position must be a place of a, got 5 for 5 places"):
        make("a", np.ones(4), position=5).applied(values)
    with pytest.raises(ValueError, match="position must be a place of a, got 0 for no places"):
        make("a", np.ones(4), position=0).applied(values[..., 0])


def test_order_matters_and_is_kept(maps):
    module, data = maps
    first = held(module, [Zero("conv1", 0), Replace("conv1", 0, [7.0])], data, "conv1")
    second = held(module, [Replace("conv1", 0, [7.0]), Zero("conv1", 0)], data, "conv1")
    assert (first[:, 0] == 7).all()
    assert (second[:, 0] == 0).all()


def test_edits_of_several_sites_and_capture_inside(maps):
    module, data = maps
    with edited(module, [Zero("conv1", 0), Zero("conv2", [1, 2])], data=data):
        acts = capture(module, data, "conv*", show=None)
    assert (acts["conv1"][:, 0] == 0).all()
    assert (acts["conv2"][:, [1, 2]] == 0).all()
    assert (acts["conv2"][:, 0] != 0).any()


@pytest.mark.parametrize(("call", "other"), [(1, 2), (2, 1)])
def test_one_call_of_a_reused_module(call, other):
    module, data = made(Twice), rows()
    name = "relu" if call == 1 else "relu#2"
    width = {1: 6, 2: 3}[call]
    with edited(module, Replace(name, range(width), np.full(width, 9.0)), data=data):
        for _ in range(2):  # the count starts again with each forward
            assert (plainly(module, data, "relu", call) == 9).all()
            assert not (plainly(module, data, "relu", other) == 9).all()
        with pytest.raises(RuntimeError):
            module(torch.ones(1, 3))
        assert (plainly(module, data, "relu", call) == 9).all()


def test_units_on_the_last_axis_and_tuple_outputs():
    model, data = load_model("gpt-occupations"), load_data("occupations", limit=6)
    before = capture(model, data, "transformer.h.0.attn", show=None)["transformer.h.0.attn"]
    with edited(model, Zero("transformer.h.0.attn", [3, 5])):
        after = capture(model, data, "transformer.h.0.attn", show=None)["transformer.h.0.attn"]
        assert isinstance(model.call(model.inputs(data.batch(np.arange(2)))).logits, torch.Tensor)
    assert (after[:, :, [3, 5]] == 0).all()
    np.testing.assert_array_equal(np.delete(after, [3, 5], 2), np.delete(before, [3, 5], 2))
    assert hooks_left(model.module) == 0


def test_layout_without_data_or_example():
    net = nn.Sequential(nn.Conv1d(2, 3, 1), nn.LayerNorm(5))
    x = torch.randn(4, 2, 5)
    with edited(net, [Zero("0", 1), Zero("1", 4)]):
        found = {}
        net[0].register_forward_hook(lambda m, a, o: found.update(conv=o))
        out = net(x)
    assert (found["conv"][:, 1] == 0).all()
    assert (out[:, :, 4] == 0).all()


def test_gradients_flow_through_edits(maps):
    module, data = maps
    x = data.batch(np.arange(2)).inputs.requires_grad_()
    with edited(module, [Zero("conv1", 0), Steer("conv2", np.ones(5))], data=data):
        module(x).sum().backward()
    assert module.conv1.weight.grad[0].abs().max() == 0
    assert module.conv1.weight.grad[1].abs().max() > 0


def test_exceptions_leave_nothing(maps):
    module, data = maps
    module.train()
    with pytest.raises(ValueError, match="mine"), edited(module, Zero("conv1", 0), data=data):
        raise ValueError("mine")
    assert hooks_left(module) == 0
    assert all(one.training for one in module.modules())


@pytest.mark.parametrize("given", [True, False])
def test_unknown_site_and_unit(maps, given):
    module, data = maps
    data = data if given else None
    with (
        pytest.raises(UnknownSite, match=r"must be a site of the model, got 'conv9'; nearest: 'co"),
        edited(module, Zero("conv9", 0), data=data),
    ):
        pass
    message = r"units must lie in 0..2 at site 'conv1', got 3; the site has 3 units"
    with pytest.raises(ValueError, match=message), edited(module, Zero("conv1", [0, 3]), data=data):
        module(torch.zeros(1, 1, 12, 12))
    assert hooks_left(module) == 0


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Zero("a", []), ValueError, "units must be one or more different units, got"),
        (lambda: Zero("a", [1, 1]), ValueError, "units must be one or more different units"),
        (lambda: Zero("a", [-1]), ValueError, "units must be 0 or more, got -1; count units"),
        (lambda: Zero("a", [0.5]), TypeError, "units must be a whole number, got 0.5"),
        (lambda: Replace("a", [0, 1], [1.0]), ValueError, "values must have as many entries as un"),
        (lambda: Replace("a", [0], ["x"]), TypeError, "values must be real numbers, got dtype <U1"),
        (lambda: Mean("a", [0], np.ones((2, 2))), ValueError, "values must have 1 axes"),
        (lambda: ProjectOut("a", [0.0, 0.0]), ValueError, "direction must be finite and not 0"),
        (lambda: ProjectOut("a", [np.nan, 0.0]), ValueError, "direction must be finite and not 0"),
        (lambda: Steer("a", np.ones((2, 2))), ValueError, "direction must have 1 axes"),
        (lambda: Steer("a", [1.0], np.inf), ValueError, "by must be a finite number, got inf"),
        (lambda: Steer("a", [1.0], position=0.5), TypeError, "position must be a whole number"),
        (
            lambda: Edit.from_json({"edit": "Melt"}),
            ValueError,
            "edit must be one of 'Zero', 'Mean'",
        ),
    ],
)
def test_bad_edits(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (Mean("conv1", 0, np.ones(4)), "values must hold a mean for each of the 3 units of conv1"),
        (
            Replace("conv1", 0, np.ones((1, 2, 2))),
            r"values must have shape \(1,\) or \(1, 10, 10\)",
        ),
        (ProjectOut("conv1", np.ones(4)), "direction must have one number for each of the 3 units"),
    ],
)
def test_edits_that_do_not_fit(maps, edit, message):
    module, data = maps
    with edited(module, edit, data=data), pytest.raises(ValueError, match=message):
        module(torch.zeros(1, 1, 12, 12))


def test_no_edit_and_no_tensor(maps):
    module, _ = maps
    with pytest.raises(TypeError, match="edits must be edits, got str"), edited(module, ["conv1"]):
        pass

    class Count(nn.Module):
        def forward(self, x):
            return len(x)

    with edited(Count(), Zero("", 0)) as model, pytest.raises(TypeError, match="must return a ten"):
        model.module(torch.ones(2))


def test_values_equality_text_and_json():
    edits = [
        Zero("a", [0, 2]),
        Mean("a", 1),
        Mean("a", [1], [0.5, 0.25]),
        Replace("a", [0], [[1.0, 2.0]]),
        ProjectOut("b", [3.0, 4.0]),
        Steer("b", torch.tensor([0.0, 2.0]), 1.5),
        Steer("b", [1.0], 2.0, position=-1),
    ]
    for edit in edits:
        again = Edit.from_json(json.loads(json.dumps(edit.to_json())))
        assert again == edit
        assert hash(again) == hash(edit)
    assert repr(edits[0]) == "Zero('a', [0, 2])"
    assert repr(edits[4]) == "ProjectOut('b', [0.6, 0.8])"
    assert repr(edits[5]) == "Steer('b', [0, 1], 1.5)"
    assert repr(edits[6]) == "Steer('b', [1], 2, position=-1)"
    assert "position" not in edits[5].to_json()
    assert len(edits[0]) == 2
    with pytest.raises(AttributeError):
        edits[0].site = "b"


def test_mean_of_a_site_that_was_not_captured():
    acts = Activations.from_arrays({"x": np.ones((2, 3))})
    with pytest.raises(UnknownSite, match="site must be a captured one, got 'conv1'"):
        Mean("conv1", 0, acts)


class Noted(NamedTuple):
    note: str
    values: torch.Tensor


def test_with_first_tensor_keeps_containers():
    old, new = torch.zeros(1), torch.ones(1)
    for output in (
        old,
        (old, 1),
        [None, old],
        {"a": None, "b": (old,)},
        Noted("x", old),
        BaseModelOutput(last_hidden_state=old),
    ):
        changed = with_first_tensor(output, new)
        assert type(changed) is type(output)
        assert "1." in repr(changed)
        assert "0." in repr(output)  # the caller's own is untouched
