"""How a score is shared out among the inputs: captum's methods, and Grad-CAM."""

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from cutaway.causal.scores import Score, nth_output, path_of
from cutaway.model.hooks import hooked, untouched
from cutaway.model.sites import Site


@dataclass(frozen=True)
class Settings:
    """What the methods need besides the score.

    Parameters
    ----------
    steps : int
        Points on the way from the baseline to the input.
    room : int
        The most rows in one forward pass.
    window, stride : int
        Side of the covered patch and its shift, in pixels; for texts and arrays, in places.
    site : Site or None
        Where Grad-CAM reads its maps.
    """

    steps: int
    room: int
    window: int
    stride: int
    site: Site | None


Shares = Callable[[Score, Tensor, Tensor, Tensor, Settings], Tensor]


def integrated_gradients(
    score: Score, x: Tensor, start: Tensor, rows: Tensor, settings: Settings
) -> Tensor:
    """Mean gradient on the straight way from `start` to `x`, times their difference.

    References
    ----------
    Sundararajan, Taly, Yan, "Axiomatic attribution for deep networks", ICML 2017.
    """
    found: Tensor = _captum("IntegratedGradients")(score).attribute(
        x,
        start,
        additional_forward_args=(rows,),
        n_steps=settings.steps,
        internal_batch_size=settings.room,
    )
    return found


def deeplift(score: Score, x: Tensor, start: Tensor, rows: Tensor, _settings: Settings) -> Tensor:
    """Gradients with the slope of each non-linearity between `start` and `x` (rescale rule).

    References
    ----------
    Shrikumar, Greenside, Kundaje, "Learning important features through propagating activation
    differences", ICML 2017.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Setting forward, backward hooks")
            found: Tensor = _captum("DeepLift")(score).attribute(
                x.clone().requires_grad_(), start, additional_forward_args=(rows,)
            )
    except RuntimeError as error:
        if "more than once" not in str(error):
            raise
        raise ValueError(
            "method 'deeplift' needs a model that uses each non-linear module once, got one that "
            "is used again; use integrated_gradients"
        ) from error
    return found


def input_x_gradient(
    score: Score, x: Tensor, _start: Tensor, rows: Tensor, _settings: Settings
) -> Tensor:
    """Input times gradient: the first-order share of each input."""
    found: Tensor = _captum("InputXGradient")(score).attribute(
        x.clone().requires_grad_(), additional_forward_args=(rows,)
    )
    return found


def occlusion(score: Score, x: Tensor, start: Tensor, rows: Tensor, settings: Settings) -> Tensor:
    """Drop of the score when a patch is covered by the baseline, averaged over patches.

    References
    ----------
    Zeiler, Fergus, "Visualizing and understanding convolutional networks", ECCV 2014.
    """
    window, stride = patches(x.shape[1:], score.mask is not None, settings)
    with torch.no_grad():
        found: Tensor = _captum("Occlusion")(score).attribute(
            x,
            window,
            strides=stride,
            baselines=start,
            additional_forward_args=(rows,),
            perturbations_per_eval=max(1, settings.room // len(x)),
        )
    if score.mask is not None:
        return found[..., :1]
    # Captum repeats the drop in every channel that was covered with it; a sum must not.
    return found[:, :1] if found.ndim > 2 else found


def grad_cam(score: Score, x: Tensor, _start: Tensor, rows: Tensor, settings: Settings) -> Tensor:
    """Positive part of the maps' sum, each weighted by its mean gradient, at the input's size.

    Returns
    -------
    Tensor of shape (n, 1, h, w)
        Bilinear enlargement of the map.

    References
    ----------
    Selvaraju et al., "Grad-CAM: visual explanations from deep networks", ICCV 2017, eq. 1 and 2.
    """
    site = settings.site
    if site is None:
        raise ValueError("site must be given for grad_cam, got none; name a convolution")
    kept: list[Tensor] = []
    with hooked(score.inner, {path_of(site): nth_output(site, kept)}):
        total = score(x.clone().requires_grad_(), rows).sum()
    gradient = torch.autograd.grad(total, kept[0], allow_unused=True)[0] if kept else None
    if gradient is None:
        raise ValueError(
            f"site must lie before the target, got {site.path!r}; choose an earlier convolution"
        )
    weights = gradient.mean((2, 3), keepdim=True)
    maps = (weights * kept[0]).sum(1, keepdim=True).relu().detach()
    return functional.interpolate(maps, size=x.shape[2:], mode="bilinear", align_corners=False)


METHODS: Mapping[str, Shares] = {
    "integrated_gradients": integrated_gradients,
    "deeplift": deeplift,
    "occlusion": occlusion,
    "grad_cam": grad_cam,
    "input_x_gradient": input_x_gradient,
}

COMPLETE = frozenset({"integrated_gradients", "deeplift"})
"""Methods whose shares sum to the score's difference from the baseline's."""


def share_out(
    method: str, score: Score, x: Tensor, start: Tensor, rows: Tensor, *, settings: Settings
) -> Tensor:
    """Shares of a batch, detached; the model's modules are as before, whatever happens."""
    with untouched(score.inner):
        return METHODS[method](score, x, start, rows, settings).detach()


def passes(method: str, shape: torch.Size, tokens: bool, settings: Settings) -> int:
    """About how many forward passes one batch of this shape takes; for the progress bar."""
    n = shape[0]
    if method == "integrated_gradients":
        return math.ceil(settings.steps / max(1, settings.room // n)) + 2
    if method != "occlusion":
        return 4
    window, stride = patches(shape[1:], tokens, settings)
    places = math.prod(
        math.ceil((side - wide) / step) + 1
        for side, wide, step in zip(shape[1:], window, stride, strict=True)
    )
    return math.ceil(places / max(1, settings.room // n)) + 1


def patches(
    shape: torch.Size, tokens: bool, settings: Settings
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Size and shift of the covered patch, an axis each; all channels of a place together."""
    if tokens:
        along = [True, False]
    else:
        along = [True] if len(shape) == 1 else [False] + [True] * (len(shape) - 1)
    sizes = zip(shape, along, strict=True)
    window = tuple(min(settings.window, side) if one else side for side, one in sizes)
    sizes = zip(shape, along, strict=True)
    return window, tuple(settings.stride if one else side for side, one in sizes)


def _captum(name: str) -> Any:
    try:
        from captum import attr  # heavy, and only these methods need it
    except ImportError as error:
        raise ImportError(
            f"{name} must come from captum, got no captum; pip install 'cutaway[attribution]', or "
            "use method='grad_cam'"
        ) from error
    return getattr(attr, name)
