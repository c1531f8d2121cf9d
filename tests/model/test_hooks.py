"""Hooks: there for a with block, gone afterwards."""

import pytest
import torch
from capture_nets import Maps, Twice, hooks_left, made

from cutaway.model.hooks import evaluating, hooked


def test_hooks_go_on_every_way_out():
    module = made(Maps)
    own = module.conv1.register_forward_hook(lambda *_: None)
    for error in (None, ValueError, KeyboardInterrupt):
        try:
            with hooked(module, {"conv1": lambda *_: None}, begin=lambda: None):
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

    with hooked(module, {"relu": watch}, begin=lambda: calls.append("begin")):
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
