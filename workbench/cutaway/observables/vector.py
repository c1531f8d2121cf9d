"""Feature vectors: an observable pulled back along a path to the residual stream.

Notation
--------
n         the observable, (V,);  u = W_U^T n  its covector on the unembedding's input, (d,)
y         covector on what the current part of the path writes, (d,)
affine    constant of the composed linear maps, in logits
"""

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cutaway.core import Index, Origin, Result, Tick, check, part, silent
from cutaway.model.model import Model, as_model
from cutaway.observables.components import Components
from cutaway.observables.finite import all_finite
from cutaway.observables.linearise import MLP_POINTS, MlpPoint
from cutaway.observables.norms import FIRST_MODES, MODES, NormMode
from cutaway.observables.observable import Observable
from cutaway.observables.opened import components_of
from cutaway.observables.paths import Path
from cutaway.observables.prompts import Prompt, Readings, pair_of, readings
from cutaway.observables.pull import Modes, Pulled, pulled, sites_read


@dataclass(frozen=True, eq=False, repr=False)
class FeatureVector(Result):
    """A direction whose reading predicts an observable through one path.

    Parameters
    ----------
    vector : ndarray of shape (d,)
        On the residual stream that enters the first node's norm.
    vector_post : ndarray of shape (d,)
        On the output of that norm.
    covector : ndarray of shape (d,)
        The observable on the unembedding's input, W_U^T n; the baseline of cosines.
    site : str
        Path of the first node's norm: `vector` reads its input, `vector_post` its output.
    affine : float
        Constant of the composed linear maps at unit attention, in logits: of biases, norm biases
        and tangents of the path; no bias that an attention layer adds after its heads.
    path, observable, norm, final_norm, first_norm, mlp_point : str
        What was asked for.
    points : list of dict
        A dict a linearised part, latest first: where, and the error of its tangent (value of the
        tangent less that of the part, in logits) on the prompts that it was not taken at.
    """

    vector: NDArray[np.float64]
    vector_post: NDArray[np.float64]
    covector: NDArray[np.float64]
    site: str
    affine: float
    path: str
    observable: str
    norm: str
    final_norm: str
    first_norm: str
    mlp_point: str
    points: list[dict[str, Any]]

    _shapes: ClassVar[Mapping[str, str]] = dict.fromkeys(("vector", "vector_post", "covector"), "d")

    def __repr__(self) -> str:
        length = float(np.linalg.norm(self.vector))
        return (
            f"FeatureVector({self.observable} through {self.path or 'the final norm'} at "
            f"{self.site}; norm {self.norm}, length {length:.4g}, affine {self.affine:+.4g})"
        )


def feature_vector(
    model: Model | nn.Module,
    observable: Observable,
    path: Path | str,
    *,
    norm: NormMode = "skip",
    prompts: Sequence[Prompt] | None = None,
    mlp_point: MlpPoint = "boundary",
    final_norm: NormMode | None = None,
    first_norm: NormMode | None = None,
    tick: Tick = silent,
) -> FeatureVector:
    """Feature vector of an observable along a path, attention held at weight 1.

    Parameters
    ----------
    model : Model or torch.nn.Module
        A causal language model of a known family; nothing in it is changed.
    observable : Observable
        What is measured on the logits of the last position.
    path : Path or str
        Heads and MLPs, earliest first.
    norm : {"skip", "approx", "frozen", "exact"}
        How norms are passed; see `cutaway.observables.norms.pull_back`. All but "skip" take the
        positive prompt's residual stream at each node's position as base point.
    prompts : (positive, negative) or None
        Texts or token ids of one length; needed for norms other than "skip" and for MLPs.
    mlp_point : {"boundary", "mid", "pos"}
        Where MLPs are linearised; see `cutaway.observables.linearise.point_on_segment`.
    final_norm : norm mode or None
        For the norm before the unembedding, if not `norm`.
    first_norm : norm mode, "gain" or None
        For the norm of the first node, if not `norm`; "gain" compares lengths of vectors.
    tick : Tick
        Called after the forward pass and after each node.

    Raises
    ------
    UnsupportedModel
        If the model cannot be taken apart.
    ValueError
        If an option, a node or a position is out of range, prompts are missing or differ in
        length, or the observable is of another vocabulary.

    Warns
    -----
    UserWarning
        If an MLP's reading has one sign on both prompts, so that no decision boundary lies between.

    Notes
    -----
    Each step is the transpose of a linear map, n . (W x) = (W^T n) . x; with exact norms and
    ``mlp_point="pos"`` it is the chain rule along the path. Computed in float64.

    References
    ----------
    Dunefsky, Cohan, "Observable Propagation: Uncovering Feature Vectors in Transformers",
    arXiv 2312.16291.
    """
    return _made(
        model,
        [observable],
        [path],
        norm=norm,
        prompts=prompts,
        mlp_point=mlp_point,
        final_norm=final_norm,
        first_norm=first_norm,
        tick=tick,
    )[0]


def feature_vectors(
    model: Model | nn.Module,
    observables: Sequence[Observable],
    paths: Sequence[Path | str],
    *,
    norm: NormMode = "skip",
    prompts: Sequence[Prompt] | None = None,
    mlp_point: MlpPoint = "boundary",
    final_norm: NormMode | None = None,
    first_norm: NormMode | None = None,
    tick: Tick = silent,
) -> list[FeatureVector]:
    """Feature vectors of some observables along some paths, all at once.

    Parameters
    ----------
    model : Model or torch.nn.Module
        As in `feature_vector`.
    observables : sequence of Observable
        What is measured.
    paths : sequence of Path or str
        Along which each is pulled back.
    norm, prompts, mlp_point, final_norm, first_norm, tick
        As in `feature_vector`, the same for all.

    Returns
    -------
    list of FeatureVector
        All paths of the first observable, then those of the next; each is what `feature_vector`
        gives, but for rounding.

    Raises
    ------
    UnsupportedModel, ValueError
        As `feature_vector`.

    Notes
    -----
    The model runs once, paths share the steps that they have in common from the logits on, and a
    layer's heads take all covectors in one product.
    """
    return _made(
        model,
        observables,
        paths,
        norm=norm,
        prompts=prompts,
        mlp_point=mlp_point,
        final_norm=final_norm,
        first_norm=first_norm,
        tick=tick,
    )


def _made(
    model: Model | nn.Module,
    observables: Sequence[Observable],
    paths: Sequence[Path | str],
    *,
    norm: NormMode,
    prompts: Sequence[Prompt] | None,
    mlp_point: MlpPoint,
    final_norm: NormMode | None,
    first_norm: NormMode | None,
    tick: Tick,
) -> list[FeatureVector]:
    began = time.perf_counter()
    opened = as_model(model)
    ways = [path if isinstance(path, Path) else Path(path) for path in paths]
    modes = modes_of(norm, final_norm, first_norm)
    check.one_of("mlp_point", mlp_point, MLP_POINTS)
    components = components_of(opened)
    if not observables or not ways:
        return []
    weights = torch.stack([one.weights(components.n_tokens) for one in observables])
    for way in ways:
        check_nodes(way, components)
    read = readings_for(opened, components, ways, modes, prompts=prompts)
    tick(0.5, "feature vectors: the prompts")
    found = pulled(
        components,
        weights,
        ways,
        modes=modes,
        read=read,
        mlp_point=mlp_point,
        tick=part(tick, 0.5, 1.0),
    )
    vectors = torch.stack([walked.vector for walked in found]).flatten(1)
    all_finite(
        "feature vectors", vectors.numpy(), [str(way) or "the final norm" for way in ways],
        "choose another path or prompts, or look at the model's weights",
    )  # fmt: skip
    _warn(found)
    origin = Origin("feature_vector", model=opened.name, weights=opened.digest)
    asked = _Asked(components, norm, modes, mlp_point, read, origin)
    covectors, _constants = components.unembed(weights)
    results = []
    for row, observable in enumerate(observables):
        used = np.flatnonzero(observable.vector)
        named = {str(token): float(observable.vector[token]) for token in used}
        given = {"observable": observable.name, "weights": named}
        results += [
            _result(asked, given, way, covector=covectors[row], found=walked, row=row)
            for way, walked in zip(ways, found, strict=True)
        ]
    seconds = time.perf_counter() - began
    results = [replace(one, origin=one.origin.after(seconds)) for one in results]
    tick(1.0, "feature vectors")
    return results


@dataclass(frozen=True, eq=False)
class _Asked:
    """What all vectors of one call have in common."""

    components: Components
    norm: NormMode
    modes: Modes
    mlp_point: MlpPoint
    read: Readings
    origin: Origin


def _result(
    asked: _Asked, given: dict[str, Any], path: Path, *, covector: Tensor, found: Pulled, row: int
) -> FeatureVector:
    first = path.nodes[0] if path.nodes else None
    site = (
        asked.components.final_norm.site
        if first is None
        else asked.components.layers[first.layer].norm_before(first.head).site
    )
    final = asked.modes.final if path.nodes else asked.modes.alone
    modes = [asked.modes.first, *[asked.norm] * (len(path) - 1), final] if path.nodes else [final]
    origin = replace(
        asked.origin,
        parameters={
            **given,
            "path": str(path),
            "norms": modes,
            "mlp_point": asked.mlp_point,
            "prompts": [list(one) for one in asked.read.prompts],
        },
        site=site,
    )
    return FeatureVector(
        rows=Index.count(asked.components.width, "unit"),
        origin=origin,
        vector=found.vector[row].numpy(),
        vector_post=found.vector_post[row].numpy(),
        covector=covector.numpy(),
        site=site,
        affine=float(found.affine[row]),
        path=str(path),
        observable=given["observable"],
        norm=asked.norm,
        final_norm=final,
        first_norm=modes[0],
        mlp_point=asked.mlp_point,
        points=list(found.points[row]),
    )


def modes_of(norm: NormMode, final: NormMode | None, first: NormMode | None) -> Modes:
    """The modes that `feature_vector` was asked for, checked."""
    check.one_of("norm", norm, MODES)
    if first is not None:
        check.one_of("first_norm", first, FIRST_MODES)
    if final is not None:
        check.one_of("final_norm", final, MODES)
    return Modes(norm, final or norm, first or norm, final or first or norm)


def check_nodes(path: Path, components: Components) -> None:
    """Raise unless a model has the parts of a path, one after the other."""
    for node in path.nodes:
        n_layers = len(components.layers)
        check.whole(f"layer of {node}", node.layer, 0, n_layers - 1, remedy="layers count from 0")
        if node.head is not None:
            n_heads = len(components.layers[node.layer].heads)
            check.whole(f"head of {node}", node.head, 0, n_heads - 1, remedy="heads count from 0")
    for one, later in pairwise(path.nodes):
        if one.layer == later.layer and components.layers[one.layer].parallel:
            raise ValueError(
                f"path must not go from {one} to {later} in a {components.family}, got {path}; "
                "its MLPs read beside the heads of their layer, not after them"
            )


def readings_for(
    model: Model,
    components: Components,
    paths: Sequence[Path],
    modes: Modes,
    *,
    prompts: Sequence[Prompt] | None,
) -> Readings:
    """Residual streams at the norms that need a base point; checks prompts against the paths."""
    needed = sites_read(components, paths, modes)
    if prompts is not None:
        ids = pair_of(model, prompts, components.n_tokens)
        for path in paths:
            path.positions(ids.shape[1])
        return readings(model, ids, needed)
    if needed:
        raise ValueError(
            f"prompts must be a pair (positive, negative) for the base point of {needed[0]}, got "
            "none; give two prompts, or take norm='skip' and paths without MLPs"
        )
    return Readings((), {})


def _warn(found: Sequence[Pulled]) -> None:
    """Say once a node where no decision boundary lies between the prompts."""
    told = set()
    for point in (one for path in found for points in path.points for one in points):
        if point["kind"] == "mlp" and point["asked"] == "boundary" and point["same_sign"]:
            key = point["node"], point["negative"]
            if key not in told:
                told.add(key)
                warnings.warn(
                    f"prompts must put {point['node']} on both sides of 0, got readings "
                    f"{point['negative']:.3g} and {point['positive']:.3g}; linearised at their "
                    "mean, choose prompts that differ more",
                    stacklevel=4,  # the caller of the public function
                )
