"""A model whose inputs are its logits, save for marks that stand for NaN and infinity."""

import numpy as np
import torch
from torch import nn

from cutaway.data import load_data

NAN, PLUS, MINUS = 1e4, 2e4, 3e4  # marks: data sets hold finite numbers
K = 4


class Logits(nn.Module):
    """Inputs (n, K) become logits; `lost` rows of `site` are what an edit may break or mend."""

    def __init__(self):
        super().__init__()
        self.site = nn.Identity()

    def forward(self, x):
        x = self.site(x)
        x = torch.where(x == NAN, torch.nan, x)
        x = torch.where(x == PLUS, torch.inf, x)
        return torch.where(x == MINUS, -torch.inf, x)


def logits(n=40, seed=0):
    """Random logits (n, K) whose rows 0..3 are broken: NaN, +inf, all -inf, NaN everywhere.

    Row 4 rules one class out, which is an answer.
    """
    values = np.random.default_rng(seed).normal(size=(n, K)).astype(np.float32)
    values[0, 2], values[1, 3], values[2], values[3] = NAN, PLUS, MINUS, NAN
    values[4, 1] = MINUS
    return values


def labelled(values=None, labels=None):
    """A data set of these inputs; class 0 for all, which is what argmax of NaN would say."""
    inputs = logits() if values is None else values
    return load_data((inputs, np.zeros(len(inputs), np.int64) if labels is None else labels))
