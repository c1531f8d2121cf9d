"""The result of merging features: how many features of a network are really different."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from cutaway.core import Origin, Result
from cutaway.merging.saved import Shapes, write_merged

_SWALLOWED = 0.5  # of a group in one feature: worth a word


@dataclass(frozen=True, eq=False, repr=False)
class Merge(Result):
    """A network with its similar features merged; rows are groups, in network order.

    Parameters
    ----------
    size, left : ndarray of shape (groups,)
        Features before and after.
    closest, farthest : ndarray of shape (groups,)
        Smallest and largest squared distance of two features before any merge, as the rule takes it
        (NaN for a group of one). Nothing merges where `closest` > beta * `farthest`.
    biggest : ndarray of shape (groups,)
        Original units in the feature that holds most of them.
    features_left : dict of str to int
        By group, in network order: the feature complexity at this beta.
    clusters : dict of str to list of list of int
        By group: the original units in each feature of the merged model, in its order.
    tree : DataFrame
        A line a merge: `round`, `group`, the nodes `first` and `second` that merged (below the
        group's size an original unit, else what an earlier line `made`), `units` in the new one,
        squared `distance`, that of the next closest pair (`runner_up`) and of the farthest one
        (`largest`) at that moment.
    parameters, kept_parameters : int
        Trainable numbers before and after.
    macs, kept_macs : float
        Multiply-accumulates for one sample of the example (see `cutaway.model.macs`), before and
        after; NaN where they cannot be counted.
    output_change, output_size : float
        Largest change of an output number on the example, and largest output number before, both in
        float64; NaN where outputs are NaN or infinite.
    rule : str
        The one used, also where "auto" was asked for.
    beta : float
        As given, or as found for a target; NaN where the features left were given.
    order : str
    refused : list of dict
        `name`, `size` and `reason` of features that no group could be made of; they are not merged.

    Notes
    -----
    `model` is not saved with the result; see `save_model`.
    """

    size: NDArray[np.int64]
    left: NDArray[np.int64]
    closest: NDArray[np.float64]
    farthest: NDArray[np.float64]
    biggest: NDArray[np.int64]
    features_left: dict[str, int]
    clusters: dict[str, list[list[int]]]
    tree: pd.DataFrame
    parameters: int
    kept_parameters: int
    macs: float
    kept_macs: float
    output_change: float
    output_size: float
    rule: str
    beta: float
    order: str
    refused: list[dict[str, Any]]

    _shapes: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("size", "left", "closest", "farthest", "biggest", "features_left", "clusters"), "n"
    )
    _columns: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "tree": {"group": "U", "first": "i", "second": "i", "made": "i", "distance": "f"}
    }

    schema = 2

    @property
    def model(self) -> nn.Module:
        """The smaller module, of the same class as the original.

        Raises
        ------
        RuntimeError
            If this result was loaded from a file.
        """
        module: nn.Module | None = vars(self).get("_module")
        if module is None:
            raise RuntimeError(
                "model must be in memory, got a Merge loaded from a file, which holds none; "
                "run merge_features again"
            )
        return module

    def save_model(self, path: str | os.PathLike[str]) -> None:
        """Write the smaller module as safetensors; `open_merged` reads it.

        Parameters
        ----------
        path : str or path
            Written under a temporary name, then renamed.

        Raises
        ------
        RuntimeError
            If this result was loaded from a file.
        """
        about = {"rule": self.rule, "beta": self.beta, "features_left": self.features_left}
        write_merged(path, self.model, vars(self)["_shapes"], about)

    def with_origin(self, origin: Origin) -> "Merge":
        """The same result of another function, with its module."""
        made = replace(self, origin=origin)
        made.hold(self.model, vars(self)["_shapes"])
        return made

    def hold(self, module: nn.Module, shapes: Shapes) -> None:
        """Keep the smaller module, and the lengths of the original's tensors; neither is saved."""
        for name, value in (("_module", module), ("_shapes", shapes)):
            object.__setattr__(self, name, value)

    def why(self) -> dict[str, str]:
        """By group, one line where nothing merged, or where one feature holds most of the group.

        Notes
        -----
        In many dimensions the distances of unlike features are nearly the same, which keeps
        `closest` / `farthest` near 1 at initialisation and after short training.
        """
        lines = {}
        for name, size, left, least, most, biggest in zip(
            self.features_left, self.size, self.left, self.closest, self.farthest, self.biggest,
            strict=True,
        ):  # fmt: skip
            if size == 1:
                lines[name] = "a group of one has nothing to merge"
            elif left == size and most > 0 and least > 0:
                lines[name] = (
                    f"nothing merged: the closest pair is at {least / most:.3g} of the farthest, "
                    f"so nothing merges below that beta"
                )
            elif left == size:
                lines[name] = "nothing merged"
            elif biggest > max(_SWALLOWED * size, 2):
                lines[name] = f"one feature holds {biggest} of {size} units; look at the accuracy"
        return lines

    def __repr__(self) -> str:
        before, after = int(self.size.sum()), int(self.left.sum())
        share = self.kept_parameters / self.parameters
        how = "to given counts" if np.isnan(self.beta) else f"beta {self.beta:.4g}"
        still = [name for name, line in self.why().items() if line.startswith("nothing")]
        none = f"; nothing merges in {len(still)} of {len(self.size)} groups" if still else ""
        return (
            f"Merge({self.rule}, {how}: {before} → {after} features, "
            f"{share:.1%} of {self.parameters:,} parameters{none})"
        )
