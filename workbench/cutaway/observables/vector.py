"""Feature vectors: an observable pulled back along a path to the residual stream.

Notation
--------
n         the observable, (V,);  u = W_U^T n  its covector on the unembedding's input, (d,)
y         covector on what the current part of the path writes, (d,)
affine    constant of the composed linear maps, in logits
"""

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from cutaway.core import Index, Origin, Result, Tick, check, silent
from cutaway.model.model import Model, as_model
from cutaway.observables.components import Components
from cutaway.observables.linearise import MLP_POINTS, MlpPoint
from cutaway.observables.norms import FIRST_MODES, MODES, POINTLESS, NormMode
from cutaway.observables.observable import Observable
from cutaway.observables.opened import components_of
from cutaway.observables.paths import Path
from cutaway.observables.prompts import Prompt, Readings, pair_of, readings
from cutaway.observables.pull import Pulled, norms_of, pulled


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
    began = time.perf_counter()
    opened, way = as_model(model), path if isinstance(path, Path) else Path(path)
    modes = _modes(way, norm, final_norm, first_norm)
    check.one_of("mlp_point", mlp_point, MLP_POINTS)
    components = components_of(opened)
    weights = observable.weights(components.n_tokens)
    _check_nodes(way, components)
    read = _readings(opened, components, way, modes, prompts)
    tick(0.5, f"feature vector: {way}")
    found = pulled(components, weights, way, modes=modes, read=read, mlp_point=mlp_point, tick=tick)
    _warn(found)
    origin = _origin(opened, observable, (way, modes, mlp_point), read, found)
    result = FeatureVector(
        rows=Index.count(components.width, "unit"),
        origin=origin.after(time.perf_counter() - began),
        vector=found.vector.numpy(),
        vector_post=found.vector_post.numpy(),
        covector=found.covector.numpy(),
        site=found.site,
        affine=found.affine,
        path=str(way),
        observable=observable.name,
        norm=norm,
        final_norm=modes[-1],
        first_norm=modes[0],
        mlp_point=mlp_point,
        points=list(found.points),
    )
    tick(1.0, f"feature vector: {way}")
    return result


def _origin(
    model: Model,
    observable: Observable,
    options: tuple[Path, tuple[NormMode, ...], MlpPoint],
    read: Readings,
    found: Pulled,
) -> Origin:
    used = np.flatnonzero(observable.vector)
    path, modes, mlp_point = options
    return Origin(
        "feature_vector",
        {
            "observable": observable.name,
            "weights": {str(token): float(observable.vector[token]) for token in used},
            "path": str(path),
            "norms": list(modes),
            "mlp_point": mlp_point,
            "prompts": [list(row) for row in read.prompts],
        },
        model=model.name,
        weights=model.digest,
        site=found.site,
    )


def _modes(
    path: Path, norm: NormMode, final: NormMode | None, first: NormMode | None
) -> tuple[NormMode, ...]:
    """Mode of each node's norm, earliest first, and of the final norm."""
    check.one_of("norm", norm, MODES)
    modes = [norm] * (len(path) + 1)
    if first is not None:
        check.one_of("first_norm", first, FIRST_MODES)
        modes[0] = first
    if final is not None:
        check.one_of("final_norm", final, MODES)
        modes[-1] = final
    return tuple(modes)


def _check_nodes(path: Path, components: Components) -> None:
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


def _readings(
    model: Model,
    components: Components,
    path: Path,
    modes: Sequence[NormMode],
    prompts: Sequence[Prompt] | None,
) -> Readings:
    """Residual streams at the norms that need a base point; checks the prompts against the path."""
    norms = norms_of(components, path)
    of_mlp = [node.head is None for node in path.nodes] + [False]
    needed = [
        one.site
        for one, mode, mlp in zip(norms, modes, of_mlp, strict=True)
        if mlp or mode not in POINTLESS
    ]
    if prompts is not None:
        ids = pair_of(model, prompts, components.n_tokens)
        path.positions(ids.shape[1])
        return readings(model, ids, needed)
    if needed:
        raise ValueError(
            f"prompts must be a pair (positive, negative) for the base point of {needed[0]}, got "
            "none; give two prompts, or take norm='skip' and a path without MLPs"
        )
    return Readings((), {})


def _warn(found: Pulled) -> None:
    for point in found.points:
        if point["kind"] == "mlp" and point["asked"] == "boundary" and point["same_sign"]:
            warnings.warn(
                f"prompts must put {point['node']} on both sides of 0, got readings "
                f"{point['negative']:.3g} and {point['positive']:.3g}; linearised at their mean, "
                "choose prompts that differ more",
                stacklevel=3,
            )
