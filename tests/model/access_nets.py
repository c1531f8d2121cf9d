"""Small networks with one peculiarity each, and what must stay the same about a network."""

import pytest
import torch
from torch import Tensor, nn

from cutaway.model import load_model


class Pictures(nn.Module):
    """Convolutions, batch norm, an in-place ReLU, a functional flatten, a linear layer."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2)
        )
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(4 * 3 * 3, 10)

    def forward(self, x):
        return self.fc(self.drop(self.features(x).flatten(1)))


class Odd(nn.Module):
    """A reused, a shared, an unused module; outputs that are tuples, mappings and numbers."""

    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 4)
        self.relu = nn.ReLU()
        self.b = nn.Linear(4, 6)
        self.again = self.a
        self.unused = nn.Linear(2, 2)
        self.pair = Pair()
        self.count = Count()

    def forward(self, x):
        y, _ = self.pair(self.relu(self.again(self.relu(self.a(x)))))
        self.count(y)
        return {"note": None, "scores": self.b(y)}


class Pair(nn.Module):
    def forward(self, x):
        return (x * 2, x.sum())


class Count(nn.Module):
    def forward(self, x):
        return len(x.shape)


class Chooser(nn.Module):
    """Looks at values, draws random numbers, keeps what it saw, counts calls in a buffer."""

    def __init__(self):
        super().__init__()
        self.net = nn.Linear(3, 5)
        self.wide = nn.Linear(3, 5)
        self.register_buffer("calls", torch.zeros(()))
        self.history = [1]
        self.settings = {"a": 1}
        self.words = {"x"}

    def forward(self, x):
        self.calls += 1
        self.history.append(2)
        self.settings["b"] = 2
        self.words.add("y")
        self.last = x
        noise = torch.rand(())
        return (self.net if float(x.sum()) < 1e9 else self.wide)(x) + noise


class Words(nn.Module):
    """Token ids in, scores of the next token out; positions shared by all samples."""

    def __init__(self, n_words=20, width=8):
        super().__init__()
        self.embed = nn.Embedding(n_words, width)
        self.place = nn.Embedding(32, width)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, n_words)

    def forward(self, ids: Tensor):
        at = torch.arange(ids.shape[1], device=ids.device)[None]
        return self.head(self.norm(self.embed(ids) + self.place(at)))


def fingerprint(module: nn.Module) -> list:
    """Everything that a look at a module must not change."""
    state = {k: (v.clone(), v._version, v.data_ptr()) for k, v in module.state_dict().items()}
    return [
        {k: (v[0].tolist(), v[1], v[2]) for k, v in state.items()},
        [(k, v.requires_grad, v.grad is None) for k, v in module.named_parameters()],
        [one.training for one in module.modules()],
        [(len(one._forward_hooks), len(one._forward_pre_hooks)) for one in module.modules()],
        [sorted(vars(one)) for one in module.modules()],
        torch.get_rng_state().tolist(),
        torch.is_grad_enabled(),
    ]


def hooked_shapes(module: nn.Module, *inputs: Tensor) -> dict[str, tuple[int, ...]]:
    """Shapes of plain tensor outputs by real hooks in a real forward pass: the oracle."""
    found: dict[str, tuple[int, ...]] = {}
    handles = []
    for path, one in module.named_modules():

        def note(_module, _arguments, output, path=path):
            if isinstance(output, Tensor):
                found.setdefault(path, tuple(output.shape))

        handles.append(one.register_forward_hook(note))
    was = module.training
    with torch.no_grad():
        module.eval()(*inputs)
    module.train(was)
    for one in handles:
        one.remove()
    return found


def same(one: nn.Module, other: nn.Module) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[k], theirs[k]) for k in mine)


def refused(source, kind=ValueError, **options) -> str:
    with pytest.raises(kind) as caught:
        load_model(source, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message
