"""Which parts of the input a model's answer, or the firing of one unit, comes from."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from cutaway.causal.methods import COMPLETE, METHODS, Settings, passes, share_out
from cutaway.causal.scores import Score, Unit
from cutaway.core import Origin, Result, Tick, check, digest, silent
from cutaway.data.batching import batches
from cutaway.data.content import content_of
from cutaway.data.dataset import Dataset
from cutaway.model.hooks import evaluating
from cutaway.model.metric import filled, finite, warn_of_nonfinite
from cutaway.model.model import Model, as_model, given
from cutaway.model.resolve import usual_batch_size
from cutaway.model.sites import Site, Sites, sites

Method: TypeAlias = Literal[
    "integrated_gradients", "deeplift", "occlusion", "grad_cam", "input_x_gradient"
]
Target: TypeAlias = int | str | tuple[str, int] | Sequence[int] | NDArray[np.integer] | None


@dataclass(frozen=True, eq=False, repr=False)
class Attributions(Result):
    """Share of each place of the input in a score, by sample.

    Parameters
    ----------
    values : ndarray of shape (n, h, w), (n, t) or (n, d)
        In the unit of the score; summed over the colours of a pixel and the numbers of a token's
        vector. 0 behind the end of a text; NaN where the score is no number.
    score : ndarray of shape (n,)
        Logit of the target class, or mean over its places of the target unit's output; NaN where it
        is NaN or infinite, or the model names no class because its outputs are.
    target : ndarray of str of shape (n,)
        Name of the class, or id of the unit (``"conv2:3"``); empty where the model names no class.
    delta : ndarray of shape (n,) or None
        Sum of the values minus (score − score of the baseline): 0 where the method is exact. None
        for methods that do not claim to sum up.
    method : str
        Which method.
    """

    values: NDArray[np.float32]
    score: NDArray[np.float64]
    target: NDArray[np.str_]
    delta: NDArray[np.float64] | None
    method: str

    _shapes: ClassVar[Mapping[str, str]] = {
        "values": "n ...",
        **dict.fromkeys(("score", "target", "delta"), "n"),
    }

    @property
    def n_nonfinite(self) -> int:
        """Samples without a score: it is NaN or infinite, or the outputs that name a class are."""
        return int(np.isnan(self.score).sum())

    def to_frame(self) -> pd.DataFrame:
        """One line a sample: target, score, sum of the values, and delta where there is one."""
        totals = self.values.reshape(len(self.rows), -1).sum(1, dtype=np.float64)
        columns = {"target": self.target, "score": self.score, "total": totals}
        if self.delta is not None:
            columns["delta"] = self.delta
        return pd.DataFrame(columns, index=pd.Index(self.rows.ids, name=self.rows.axis))

    def __repr__(self) -> str:
        known = () if self.delta is None else self.delta[np.isfinite(self.delta)]
        worst = f", |delta| ≤ {np.abs(known).max():.2g}" if len(known) else ""
        lost = self.n_nonfinite
        said = f", {lost} without a score (NaN or infinite outputs)" if lost else ""
        shape = "×".join(map(str, self.values.shape[1:]))
        return (
            f"Attributions({self.method}, {len(self.rows)} {self.rows.axis}s of {shape}{worst}"
            f"{said})"
        )


def attribute(
    model: Model | nn.Module,
    data: Dataset,
    ids: ArrayLike | None = None,
    *,
    method: Method = "integrated_gradients",
    target: Target = None,
    site: str | Site | None = None,
    baseline: float | ArrayLike = 0.0,
    steps: int = 50,
    window: int | None = None,
    stride: int | None = None,
    batch_size: int | None = None,
    tick: Tick = silent,
) -> Attributions:
    """Share of each pixel, position or number of the input in a score.

    Parameters
    ----------
    model : Model or torch.nn.Module
        Runs in eval mode under its lock; its modes, hooks and gradients are the same afterwards.
    data : Dataset
        Images, arrays or texts.
    ids : array_like of shape (n,) or None
        Which samples, in the order wanted; None for all.
    method : str
        "integrated_gradients", "deeplift" (pictures and arrays), "occlusion", "input_x_gradient" or
        "grad_cam" (pictures).
    target : int, str, sequence of int, (site, unit) or None
        A class by number or name (of a language model: the next token, by id or text); one class
        number a sample; a unit, whose mean over its places is the score; None: the class that the
        model predicts for the sample.
    site : str, Site or None
        Where "grad_cam" reads its maps; None: the last convolution (before the target unit) with
        more than one place.
    baseline : float or array_like of the shape of a sample
        What the input is compared with, as the model sees it; texts take a number, for all entries
        of a token's vector.
    steps : int
        Points of the integral of "integrated_gradients".
    window, stride : int or None
        Side of the patch that "occlusion" covers, and its shift, in pixels; None: a seventh of the
        picture and half of that. Of texts and arrays: in places, 1 by default.
    batch_size : int or None
        The most rows of one forward pass, whatever `steps` and the number of patches; None chooses.
    tick : Tick
        Called before each forward pass.

    Raises
    ------
    ImportError
        If captum is missing (not needed by "grad_cam").
    UnknownSite
        If a site is none of the model.
    ValueError
        If a class, unit or option is out of range, the method does not fit the data or model, or no
        sample has a finite score.
    KeyError
        If an id is not in the data.

    Warns
    -----
    RuntimeWarning
        If samples have no score because outputs are NaN or infinite, with their number.

    Notes
    -----
    Nothing is drawn by chance. "integrated_gradients" and "deeplift" share out the score's
    difference from the baseline's, up to `Attributions.delta`.
    """
    began = time.perf_counter()
    check.one_of("method", method, tuple(METHODS))
    check.whole("steps", steps, 1)
    opened = as_model(model)
    some = data if ids is None else data.take(data.index.positions(ids))
    filled(some)
    if batch_size is not None:
        check.whole("batch_size", batch_size, 1)
    with opened.lock, evaluating(opened.module):
        job = _Job(
            opened, some, method=method, target=target, site=site, baseline=baseline, tick=tick
        )
        job.settings = _settings(job, steps, window, stride, batch_size or usual_batch_size(some))
        parts = list(job.run())
    tick(1.0, f"{method}: {len(some)} samples")
    values, score, names, delta = (np.concatenate(one) for one in zip(*parts, strict=True))
    origin = Origin(
        "attribute",
        {
            "method": method,
            "target": job.aim,
            "baseline": job.base,
            "steps": steps,
            # The other methods know no patch.
            "window": job.settings.window if method == "occlusion" else None,
            "stride": job.settings.stride if method == "occlusion" else None,
        },
        model=opened.name,
        weights=opened.digest,
        site="" if job.settings.site is None else job.settings.site.path,
        data=some.name,
        rows=some.index.digest,
        content=content_of(some),
        seconds=time.perf_counter() - began,
        given=given(opened, data) | {"rows": data.index.digest, "batch_size": batch_size},
    )
    kept = delta if method in COMPLETE else None
    result = Attributions(some.index, origin, values, score, names, kept, method)
    if result.n_nonfinite == len(some):
        raise ValueError(
            f"scores must be finite for at least one sample, got NaN or infinity in all "
            f"{len(some)}; capture the model's sites to see where they begin"
        )
    warn_of_nonfinite(result.n_nonfinite, len(some), "they have no attribution", stacklevel=2)
    return result


class _Job:
    """One call of `attribute`: what is asked, checked, and the loop over batches."""

    def __init__(
        self,
        model: Model,
        data: Dataset,
        *,
        method: str,
        target: Target,
        site: str | Site | None,
        baseline: float | ArrayLike,
        tick: Tick,
    ) -> None:
        self.model, self.data, self.method = model, data, method
        self.tree: Sites | None = None
        if isinstance(target, tuple) or method == "grad_cam":
            self.tree = sites(model, data)
        self.unit = self._unit(target) if isinstance(target, tuple) else None
        self.target = target
        self.classes: NDArray[np.int64] | None = None
        self.aim = _told(target)
        self.start = np.asarray(baseline, np.float32)
        self.base = _named_start(self.start)
        self.site = self._maps(site)
        self.settings = Settings(1, 1, 1, 1, self.site)
        self.tick = tick
        self._done, self._size, self._passes, self._expected = 0, 0, 0, 1
        self.score = Score(model, self.unit, self._beat)

    def _beat(self) -> None:
        share = min(self._passes / self._expected, 1.0)
        self._passes += 1
        n = len(self.data)
        self.tick(
            0.99 * (self._done + share * self._size) / n, f"{self.method}: {self._done}/{n} samples"
        )

    def run(self) -> "list[tuple[NDArray[np.generic], ...]]":
        """Values, score, names and delta of each batch."""
        # DeepLift runs samples and baselines side by side.
        room = max(1, self.settings.room // (2 if self.method == "deeplift" else 1))
        found = []
        for batch in batches(self.data, room):
            x = self.score.begin(batch)
            self._size, self._passes = len(batch), 0
            texts = self.score.mask is not None
            self._expected = passes(self.method, x.shape, texts, self.settings)
            found.append(self._batch(x, slice(self._done, self._done + len(batch))))
            self._done += len(batch)
            self._size = 0
        return found

    def _batch(self, x: Tensor, where: slice) -> tuple[NDArray[np.generic], ...]:
        rows = torch.arange(len(x), device=x.device)
        start = _baseline(self.start, x, texts=self.score.mask is not None)
        names, known = self._aim(x, rows, where)
        score = self.score(x, rows)
        lost = ~(known & score.isfinite())
        with torch.enable_grad():
            shares = share_out(self.method, self.score, x, start, rows, settings=self.settings)
        delta = torch.zeros_like(score)
        if self.method in COMPLETE:
            delta = shares.flatten(1).sum(1) - (score - self.score(start, rows))
        values = _places(shares, self.score.mask).float()
        for one in (values, score, delta):
            one[lost] = torch.nan
        numbers = [one.detach().cpu().numpy() for one in (values, score.double(), delta.double())]
        return numbers[0], numbers[1], names, numbers[2]

    def _aim(self, x: Tensor, rows: Tensor, where: slice) -> tuple[NDArray[np.str_], Tensor]:
        """Point the score at the classes of a batch; their names, and where there is a class."""
        if self.unit is not None:
            return np.full(len(x), self.unit.name), torch.ones_like(rows, dtype=torch.bool)
        logits = self.score.logits(x, rows)
        count = logits.shape[1]
        classes = logits.argmax(1)
        known = finite(logits) | (self.target is not None)
        tokenizer = self.model.tokenizer if self.score.words else None
        if self.target is not None:
            if self.classes is None:
                self.classes = _classes(self.target, self.data, tokenizer)
            wanted = self.classes[where]
            if wanted.min() < 0 or wanted.max() >= count:
                bad = int(wanted[(wanted < 0) | (wanted >= count)][0])
                raise ValueError(
                    f"target must be a class in 0..{count - 1}, got {bad}; choose an existing class"
                )
            classes = torch.from_numpy(wanted).to(classes.device)
        self.score.aim(classes)
        names = self.data.classes or ()
        if tokenizer is not None:
            labels = [tokenizer.decode([one]) for one in classes.tolist()]
        else:
            labels = [names[one] if one < len(names) else str(one) for one in classes.tolist()]
        return np.where(known.cpu().numpy(), np.array(labels, dtype=np.str_), ""), known

    def _unit(self, target: tuple[str, int]) -> Unit:
        if len(target) != 2 or not isinstance(target[0], str) or self.tree is None:
            raise TypeError(
                f"target must be a class or a pair (site, unit), got {target!r}; "
                'write e.g. target=("conv1", 3)'
            )
        site = self.tree.one(target[0])
        if site.n_units is None:
            raise ValueError(
                f"target must be a unit, got one of {site.label!r}, which has none; "
                "choose another site"
            )
        check.whole("unit of target", target[1], 0, site.n_units - 1)
        return Unit(site, int(target[1]))

    def _maps(self, site: str | Site | None) -> Site | None:
        """Site of the maps of Grad-CAM."""
        if self.method != "grad_cam" or self.tree is None:
            if site is not None:
                raise ValueError(
                    f"site must be left out for method {self.method!r}, got {site!r}; it is where "
                    "grad_cam reads; for a unit give target=(site, unit)"
                )
            return None
        if site is not None:
            found = self.tree.one(site if isinstance(site, str) else site.path)
            if found.layout != "n c h w":
                raise ValueError(
                    f"site must return maps (n c h w) for grad_cam, got {found.label!r} with "
                    f"{found.layout!r}; choose a convolution"
                )
            return found
        before = list(self.tree)
        if self.unit is not None:
            places = [one.path for one in before]
            path = self.unit.site.path.partition("#")[0]
            before = before[: places.index(path)] if path in places else before
        fit = [
            one
            for one in before
            if one.layout == "n c h w" and "Conv" in one.type and max((one.shape or (0,))[1:]) > 1
        ]
        if not fit:
            raise ValueError(
                "site must be a convolution before the target for grad_cam, got none in the model; "
                "use another method"
            )
        return fit[-1]


def _settings(job: _Job, steps: int, window: int | None, stride: int | None, room: int) -> Settings:
    one = job.data.batch(np.zeros(1, np.int64)).inputs
    shape = tuple(one.shape) if isinstance(one, Tensor) else ()
    side = min(shape[2:]) if len(shape) == 4 else 1
    if job.method == "grad_cam" and len(shape) != 4:
        raise ValueError("method 'grad_cam' needs pictures, got other data; use another method")
    if job.method == "deeplift" and job.model.kind == "tokens":
        raise ValueError(
            "method 'deeplift' needs pictures or arrays, got tokens; use integrated_gradients"
        )
    wide = max(1, round(side / 7)) if window is None else window
    check.whole("window", wide, 1)
    step = max(1, wide // 2) if stride is None else stride
    check.whole("stride", step, 1, wide, remedy="a larger one would leave places uncovered")
    return Settings(steps, room, wide, step, job.site)


def _classes(target: Target, data: Dataset, tokenizer: Any) -> NDArray[np.int64]:
    """Wanted class of each sample; with a tokenizer, its next token."""
    if isinstance(target, str) and tokenizer is not None:
        found = tokenizer(target, add_special_tokens=False)["input_ids"]
        if len(found) != 1:
            raise ValueError(
                f"target must be one token, got {target!r} of {len(found)} tokens; "
                "a leading space is part of a word"
            )
        unknown = getattr(tokenizer, "unk_token_id", None)
        if found[0] == unknown and target != tokenizer.unk_token:
            near = check.nearest(target, tokenizer.get_vocab())
            raise ValueError(
                f"target must be a token of the model, got {target!r}, an unknown one; nearest: "
                f"{', '.join(map(repr, near))}"
            )
        target = int(found[0])
    elif isinstance(target, str):
        check.one_of("target", target, data.classes or ())
        target = (data.classes or ()).index(target)
    numbers = np.asarray(target)
    if numbers.ndim == 0:
        return np.full(len(data), int(numbers), np.int64)
    check.n_dims("target", numbers, 1, "one class a sample")
    check.same_length("target", len(numbers), "the samples", len(data))
    return numbers.astype(np.int64)


def _told(target: Target) -> object:
    """The target as JSON; None for the predicted class."""
    if target is None or isinstance(target, (str, int)):
        return target
    if isinstance(target, tuple):
        return list(target)
    numbers = np.asarray(target)
    if numbers.dtype.kind not in "iu":
        raise TypeError(
            f"target must be a class number or name, numbers, or (site, unit), got {target!r}; "
            "choose one of these"
        )
    return numbers.tolist()


def _named_start(start: NDArray[np.float32]) -> float | str:
    """The baseline as JSON: the number, or the digest of the array."""
    return float(start) if start.ndim == 0 else digest.of_arrays({"baseline": start})


def _baseline(start: NDArray[np.float32], x: Tensor, *, texts: bool) -> Tensor:
    wanted = tuple(x.shape[1:])
    if start.ndim and (texts or start.shape != wanted):
        shape = "a number" if texts else f"a number or an array of shape {wanted}"
        raise ValueError(
            f"baseline must be {shape}, got shape {start.shape}; give it as the model sees a sample"
        )
    return torch.as_tensor(start, dtype=x.dtype, device=x.device).expand_as(x).contiguous()


def _places(shares: Tensor, mask: Tensor | None) -> Tensor:
    """Sums over the channels of each place."""
    if mask is not None:
        return shares.sum(-1) * mask
    return shares.sum(1) if shares.ndim > 2 else shares
