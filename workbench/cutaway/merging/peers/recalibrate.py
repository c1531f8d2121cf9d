"""Batch norm statistics anew from data, which is all that some smaller networks lack."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from cutaway.merging import layers

_AT_ONCE = 250  # samples in a batch, so that memory stays small


def recalibrated(module: nn.Module, data: Tensor) -> nn.Module:
    """A copy of a module whose batch norms have the statistics of some data.

    Parameters
    ----------
    module : nn.Module
        Not changed. Without batch norms the copy is as it is.
    data : Tensor of shape (n, …)
        Inputs, at least two; no labels are needed.

    Raises
    ------
    ValueError
        If there are fewer than two inputs.

    Notes
    -----
    One pass in which batch norms alone are in training mode: each then normalises with the
    statistics of the batch, so that every one sees inputs that are already repaired. Statistics of
    the batches (of 250 to 499 inputs) are averaged with equal weight, so inputs must not be sorted
    by class.

    References
    ----------
    Jordan, Sedghi, Saukh, Entezari, Neyshabur, "REPAIR: renormalizing permuted activations for
    interpolation repair", ICLR 2023, arXiv:2211.08403, section 3.
    """
    if len(data) < 2:
        raise ValueError(f"data must hold at least two inputs, got {len(data)}; give more")
    made = copy.deepcopy(module).eval()
    norms: list[Any] = [one for one in made.modules() if isinstance(one, layers.NORMS)]
    momenta = [one.momentum for one in norms]
    for one in norms:
        one.reset_running_stats()
        one.momentum = None  # torch's word for a plain average over batches
        one.train()
    with torch.no_grad():
        for few in data.tensor_split(max(len(data) // _AT_ONCE, 1)) if norms else ():
            made(few)
    for one, momentum in zip(norms, momenta, strict=True):
        one.momentum = momentum
        one.eval()
    return made.train(module.training)
