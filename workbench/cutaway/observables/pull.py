"""The walk from the logits to the first node of a path."""

from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from cutaway.core import Tick
from cutaway.observables.components import Components
from cutaway.observables.linearise import MlpPoint, point_on_segment
from cutaway.observables.mlps import Mlp
from cutaway.observables.norms import Norm, NormMode, offset, pull_back
from cutaway.observables.paths import Node, Path
from cutaway.observables.prompts import Readings


@dataclass(frozen=True, eq=False)
class Pulled:
    """Covectors before and after the first node's norm, and how they came about.

    Attributes
    ----------
    vector, vector_post, covector : float64 Tensor of shape (d,)
        See `FeatureVector`.
    affine : float
        Constant of the composed maps, in logits.
    site : str
        Path of the first node's norm.
    points : tuple of dict
        A dict a linearised part, latest first.
    """

    vector: Tensor
    vector_post: Tensor
    covector: Tensor
    affine: float
    site: str
    points: tuple[dict[str, Any], ...]


@dataclass(frozen=True, eq=False)
class _Step:
    covector: Tensor
    offset: float
    points: tuple[dict[str, Any], ...] = ()


def norms_of(components: Components, path: Path) -> list[Norm]:
    """Norm that each node reads through, earliest first, and the final norm."""
    found = [
        components.layers[node.layer].mlp_norm
        if node.head is None
        else components.layers[node.layer].attention_norm
        for node in path.nodes
    ]
    return [*found, components.final_norm]


def pulled(
    components: Components,
    observable: Tensor,
    path: Path,
    *,
    modes: tuple[NormMode, ...],
    read: Readings,
    mlp_point: MlpPoint,
    tick: Tick,
) -> Pulled:
    """Pull an observable back along a path.

    Parameters
    ----------
    components : Components
        The model, taken apart.
    observable : float64 Tensor of shape (V,)
        n.
    path : Path
        Checked against the model.
    modes : tuple of norm modes
        Of each node's norm, earliest first, and of the final norm.
    read : Readings
        Residual streams at the norms that need them; of length 0 without prompts.
    mlp_point : {"boundary", "mid", "pos"}
        Where MLPs are linearised.
    tick : Tick
        Called after each node, from 0.5 on.
    """
    norms = norms_of(components, path)
    positions = path.positions(read.length or None)
    u, affine = components.unembed(observable)
    post = u
    last = read.length - 1 if read.length else None
    step = _through_norm("final norm", norms[-1], u, mode=modes[-1], position=last, read=read)
    affine += step.offset
    points = list(step.points)
    tangents = 0.0
    for place in reversed(range(len(path))):
        node, norm, position = path.nodes[place], norms[place], positions[place]
        layer = components.layers[node.layer]
        if node.head is None:
            inner = _through_mlp(
                node,
                layer.mlp,
                norm,
                y=step.covector,
                constant=tangents,
                position=position,
                read=read,
                asked=mlp_point,
            )
            tangents += inner.offset
        else:
            y = step.covector
            inner = _Step(layer.heads.pull_back(y, node.head), layer.heads.offset(y, node.head))
        post = inner.covector
        step = _through_norm(str(node), norm, post, mode=modes[place], position=position, read=read)
        affine += inner.offset + step.offset
        points += [*inner.points, *step.points]
        tick(0.5 + 0.5 * (len(path) - place) / (len(path) + 1), f"feature vector: {node}")
    return Pulled(step.covector, post, u, affine, norms[0].site, tuple(points))


def _through_norm(
    name: str, norm: Norm, y: Tensor, *, mode: NormMode, position: int | None, read: Readings
) -> _Step:
    if position is None or norm.site not in read.residuals or mode in ("skip", "gain"):
        return _Step(pull_back(norm, y, None, mode), offset(norm, y, None, mode))
    x, other = read.positive(norm.site, position), read.negative(norm.site, position)
    back, constant = pull_back(norm, y, x, mode), offset(norm, y, x, mode)
    point = {
        "node": name,
        "kind": "norm",
        "site": norm.site,
        "position": position,
        "asked": mode,
        "scale": float(norm.scale(x)),
        "scale_negative": float(norm.scale(other)),
        "error_positive": float(back @ x + constant - y @ norm.apply(x)),
        "error_negative": float(back @ other + constant - y @ norm.apply(other)),
    }
    return _Step(back, constant, (point,))


def _through_mlp(
    node: Node,
    mlp: Mlp,
    norm: Norm,
    *,
    y: Tensor,
    constant: float,
    position: int | None,
    read: Readings,
    asked: MlpPoint,
) -> _Step:
    place = -1 if position is None else position
    ends = norm.apply(read.negative(norm.site, place)), norm.apply(read.positive(norm.site, place))
    found = point_on_segment(mlp, y, constant, ends, asked)
    x = ends[0] + found.t * (ends[1] - ends[0])
    back = mlp.pull_back(y, x)
    offset_here = float(mlp.read(y, x) - back @ x)
    errors = [float(back @ end + offset_here - mlp.read(y, end)) for end in ends]
    point = {
        "node": str(node),
        "kind": "mlp",
        "site": mlp.site,
        "position": place,
        "asked": asked,
        **asdict(found),
        "error_negative": errors[0],
        "error_positive": errors[1],
    }
    return _Step(back, offset_here, (point,))
