"""Hooks: there for a with block, gone afterwards."""

import pytest
import torch
from capture_nets import Maps, Twice, hooks_left, made
from torch import nn

from cutaway.model.hooks import evaluating, hooked, untouched


def test_hooks_go_on_every_way_out():
    module = made(Maps)
    own = module.conv1.register_forward_hook(lambda *_: None)
    for error in (None, ValueError, KeyboardInterrupt):
        try:
            with hooked(module, {"conv1": lambda *_: None}, begin=lambda *_: None):
                assert hooks_left(module) == 3
                if error:
                    raise error
        except (ValueError, KeyboardInterrupt):
            pass
        assert hooks_left(module) == 1
    own.remove()


def test_unknown_path_leaves_nothing():
    module = made(Maps)
    with pytest.raises(KeyError), hooked(module, {"conv1": lambda *_: None, "zz": lambda *_: None}):
        pass
    assert hooks_left(module) == 0


def test_begin_is_called_once_a_forward_even_after_a_failure():
    module = made(Twice)
    calls = []

    def watch(*_):
        calls.append("relu")
        if len(calls) == 2:
            raise ValueError

    with hooked(module, {"relu": watch}, begin=lambda *_: calls.append("begin")):
        with pytest.raises(ValueError):
            module(torch.ones(1, 4))
        module(torch.ones(1, 4))
    assert calls == ["begin", "relu", "begin", "relu", "relu"]


def test_evaluating_restores_each_flag():
    module = made(Maps).train()
    module.conv2.eval()
    with pytest.raises(ValueError), evaluating(module):
        assert not any(one.training for one in module.modules())
        assert not torch.is_grad_enabled()
        raise ValueError
    assert torch.is_grad_enabled()
    assert module.training
    assert module.conv1.training
    assert not module.conv2.training


def test_what_a_foreign_library_leaves_is_taken_away_and_nothing_else():
    root = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    root[1].mine = "kept"
    own = root[0].register_forward_hook(lambda *_: None)
    before = {k: set(v) if isinstance(v, dict) else v for k, v in vars(root[0]).items()}
    with pytest.raises(KeyError), untouched(root):
        root[1].input = torch.zeros(1)
        root[1].register_forward_hook(lambda *_: None)
        root[0].register_forward_pre_hook(lambda *_: None, with_kwargs=True)
        root[0].register_full_backward_hook(lambda *_: None)
        raise KeyError
    after = {k: set(v) if isinstance(v, dict) else v for k, v in vars(root[0]).items()}
    assert after == before
    assert root[1].mine == "kept"
    assert not hasattr(root[1], "input")
    assert len(root[1]._forward_hooks) == 0
    assert own.id in root[0]._forward_hooks
