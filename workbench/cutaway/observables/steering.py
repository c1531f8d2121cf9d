"""What a step along a direction does to the next token, against random steps of equal length."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cutaway.core import Index, Origin, Result, Tick, check, silent
from cutaway.model.edit import Watching
from cutaway.model.edits import ProjectOut, Steer
from cutaway.model.errors import UnsupportedModel
from cutaway.model.hooks import evaluating
from cutaway.model.model import Model, as_model
from cutaway.model.outputs import logits
from cutaway.observables.components import Components
from cutaway.observables.finite import all_finite
from cutaway.observables.observable import Observable
from cutaway.observables.opened import components_of
from cutaway.observables.prompts import Prompt
from cutaway.observables.scores import named, said_of
from cutaway.observables.texts import (
    Direction,
    Row,
    batched,
    direction_of,
    padded,
    rows_of,
    streams,
    words_of,
)

Positions: TypeAlias = Literal["last", "all"] | int
_SHOWN = 5  # tokens of each prompt, before and after
_SAME = 1e-3  # relative: float32 sums of a stream and a step


@dataclass(frozen=True, eq=False, repr=False)
class Steering(Result):
    """Next-token effects of a step along a direction; a row a prompt.

    Parameters
    ----------
    before, after, change : ndarray of shape (n,)
        The observable on the last position's logits without and with the step, and ``after -
        before``.
    kl : ndarray of shape (n,)
        Kullback–Leibler divergence of the next-token distributions, KL(before || after), in nats.
    random_change, random_kl : ndarray of shape (controls,)
        Means over the prompts under random directions with the same step.
    tokens : DataFrame
        Columns prompt, token, before, after: probabilities of the likeliest tokens of both.
    by : float or None
        Length of the step; None: the direction was projected out.
    edit_site, site, vector, observable, positions : str
        Module whose output was changed, norm that reads it, and what was asked for.
    """

    before: NDArray[np.float64]
    after: NDArray[np.float64]
    change: NDArray[np.float64]
    kl: NDArray[np.float64]
    random_change: NDArray[np.float64]
    random_kl: NDArray[np.float64]
    tokens: pd.DataFrame
    by: float | None
    edit_site: str
    site: str
    vector: str
    observable: str
    positions: str

    _shapes: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("before", "after", "change", "kl"), "n"),
        "random_change": "controls",
        "random_kl": "controls",
    }

    @property
    def ratio(self) -> float:
        """Size of the mean change by that of the strongest random one; NaN without controls."""
        strongest = np.abs(self.random_change).max(initial=0.0)
        return float(abs(self.change.mean()) / strongest) if strongest else float("nan")

    def __repr__(self) -> str:
        step = "projected out" if self.by is None else f"by {self.by:g}"
        return (
            f"Steering({self.vector} {step} at {self.positions}: {self.observable} "
            f"{self.change.mean():+.3g}, KL {self.kl.mean():.3g} nats, {self.ratio:.2g} x the "
            f"strongest of {len(self.random_change)} random directions)"
        )


def steer(
    model: Model | nn.Module,
    prompts: Sequence[Prompt],
    vector: Direction,
    *,
    by: float | None,
    observable: Observable,
    positions: Positions = "last",
    controls: int = 20,
    seed: int = 0,
    tick: Tick = silent,
) -> Steering:
    """Change of an observable and of the next-token distribution under a step along a direction.

    Parameters
    ----------
    model : Model or torch.nn.Module
        A causal language model of a known family; nothing in it is changed.
    prompts : sequence of str or of token ids
        Of any lengths.
    vector : FeatureVector or (str, array_like of shape (d,))
        Direction on the residual stream that enters a norm; its length does not matter.
    by : float or None
        Length of the step, in units of the residual stream, of either sign; None projects the
        direction out instead.
    observable : Observable
        What is measured on the logits of the last position.
    positions : {"last", "all"} or int
        Tokens that are edited.
    controls : int
        Random directions, drawn evenly from the sphere, that take the same step.
    seed : int
        Seed of the random directions.
    tick : Tick
        Called before each forward pass.

    Raises
    ------
    UnsupportedModel
        If the model cannot be taken apart, or no module's output is the stream at the vector's
        site.
    ValueError
        If there are no prompts, a position lies outside one, a number is out of range, or logits
        are not finite, with the step or without.

    Notes
    -----
    The step is a `Steer` (or `ProjectOut`) of `stream_site`; all later layers run as they do, so
    other routes than the vector's path count too. Before it is used the edit is checked: on the
    first prompt it must change the norm's input by the step and nothing else.
    """
    began = time.perf_counter()
    opened = as_model(model)
    _check(by, positions, controls, seed)
    components = components_of(opened)
    site, direction = direction_of(opened, components, vector)
    rows = rows_of(opened, prompts, components.n_tokens)
    if isinstance(positions, int):
        _check_position(rows, positions)
    place = -1 if positions == "last" else positions
    job = _Job(opened, components, rows, site=site, by=by, position=place)
    job.weights = observable.weights(components.n_tokens)
    job.check(direction)
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((controls, components.width))
    before = job.answers(None)
    tick(1 / (controls + 2), "steer: before")
    after = job.answers(direction)
    moved = []
    for place, one in enumerate(drawn):
        tick((place + 2) / (controls + 2), f"steer: random direction {place + 1} of {controls}")
        random = job.answers(one)
        moved.append((random.measure - before.measure, _kl(before, random)))
    result = Steering(
        rows=Index.count(len(rows), "prompt"),
        origin=Origin(
            "steer",
            {
                **said_of(vector), "by": by, "observable": observable.name,
                "positions": positions, "controls": controls,
                "prompts": [row.ids.tolist() for row in rows],
            },
            model=opened.name, weights=opened.digest, site=site, seed=seed,
            seconds=time.perf_counter() - began,
        ),
        before=before.measure,
        after=after.measure,
        change=after.measure - before.measure,
        kl=_kl(before, after),
        random_change=np.array([change.mean() for change, _ in moved]),
        random_kl=np.array([kl.mean() for _, kl in moved]),
        tokens=_likeliest(opened, before, after),
        by=by,
        edit_site=job.edit_site,
        site=site,
        vector=named(vector),
        observable=observable.name,
        positions=str(positions),
    )  # fmt: skip
    tick(1.0, "steer")
    return result


def stream_site(model: Model | nn.Module, site: str) -> str:
    """Module whose output carries the residual stream that enters a norm, for edits.

    Parameters
    ----------
    model : Model or torch.nn.Module
        A causal language model of a known family.
    site : str
        A norm, as in `FeatureVector.site`.

    Returns
    -------
    str
        The block before; the embedding for the first block. For the norm of an MLP that comes
        after its layer's heads, the attention module: what it writes is added to the stream, so a
        step there is a step of the stream, but a projection is none.
    """
    opened = as_model(model)
    components = components_of(opened)
    direction_of(opened, components, (site, np.ones(components.width)))
    return _stream_site(opened, components, site)[0]


def _stream_site(model: Model, components: Components, site: str) -> tuple[str, bool]:
    """The module, and whether its output is the whole stream."""
    blocks = [layer.heads.site.rpartition(".")[0] for layer in components.layers]
    if site == components.final_norm.site:
        return blocks[-1], True
    at = next(
        place
        for place, layer in enumerate(components.layers)
        if site in (layer.attention_norm.site, layer.mlp_norm.site)
    )
    layer = components.layers[at]
    if site == layer.mlp_norm.site and not layer.parallel:
        return layer.heads.site, False
    if at:
        return blocks[at - 1], True
    table = model.module.get_input_embeddings()  # type: ignore[operator]  # of transformers
    paths = {id(module): path for path, module in model.module.named_modules()}
    return paths[id(table)], False


@dataclass(frozen=True, eq=False)
class _Answers:
    """Next-token log-probabilities (n, V) and the observable (n,)."""

    log_p: Tensor
    measure: NDArray[np.float64]


class _Job:
    """One call of `steer`: the prompts, and how they are run with and without an edit."""

    def __init__(
        self,
        model: Model,
        components: Components,
        rows: Sequence[Row],
        *,
        site: str,
        by: float | None,
        position: int | str,
    ) -> None:
        self.model, self.components, self.rows, self.site = model, components, rows, site
        self.by = by
        self.position = None if isinstance(position, str) else position
        self.edit_site, whole = _stream_site(model, components, site)
        self.weights = torch.empty(0)
        if by is None and not whole:
            raise ValueError(
                f"by must be a number at {site}, got None: no module's output is the whole stream "
                "there; take a path that begins with a head of a later layer"
            )

    @contextmanager
    def steered(self, direction: NDArray[np.float64] | None) -> Iterator[None]:
        """The edit at work; None for none."""
        if direction is None:
            yield
            return
        numbers = tuple(direction.tolist())
        if self.by is None:
            edit: Steer | ProjectOut = ProjectOut(self.edit_site, numbers, position=self.position)
        else:
            edit = Steer(self.edit_site, numbers, self.by, position=self.position)
        with Watching(self.model, [edit], None).hooks(self.model.module):
            yield

    def answers(self, direction: NDArray[np.float64] | None) -> _Answers:
        """Logits after the last token of every prompt; texts of one length run together."""
        found = torch.empty((len(self.rows), self.components.n_tokens), dtype=torch.float64)
        lengths = np.array([len(row) for row in self.rows])
        with self.model.lock, evaluating(self.model.module), self.steered(direction):
            for length in np.unique(lengths):
                same = np.flatnonzero(lengths == length)
                for group in batched([int(length)] * len(same)):
                    places = same[group]
                    inputs = padded([self.rows[place].ids for place in places])
                    scores = logits(self.model.call(self.model.prepared(inputs)))
                    found[torch.from_numpy(places)] = scores[:, -1].double().cpu()
        names = [f"prompt {place}" for place in range(len(self.rows))]
        step = "without a step" if direction is None else "under the step"
        remedy = "leave these prompts out"
        all_finite(
            f"logits {step}", found.numpy(), names,
            remedy if direction is None else f"take a shorter step, or {remedy}",
        )  # fmt: skip
        return _Answers(found.log_softmax(-1), (found @ self.weights).numpy())

    def check(self, direction: NDArray[np.float64]) -> None:
        """See that the edit changes the norm's input by the step, at its positions only."""
        plain, changed = self._stream(None), self._stream(direction)
        expected = plain.clone()
        unit = torch.from_numpy(direction / np.linalg.norm(direction))
        chosen = slice(None) if self.position is None else self.position
        here = expected[chosen]
        along = (here @ unit)[..., None] if self.by is None else torch.tensor(-self.by)
        expected[chosen] = here - along * unit
        error = float((changed - expected).norm())
        # A tiny step drowns in the rounding of a long stream: neither can be told apart then.
        allowed = _SAME * float((expected - plain).norm()) + 1e-6 * float(plain.norm())
        if error > allowed:
            raise UnsupportedModel(
                f"model part {self.edit_site} must write the residual stream that enters "
                f"{self.site}, got a change that is off by {error:.1e}; this form of "
                f"{self.components.family} cannot be steered there"
            )

    def _stream(self, direction: NDArray[np.float64] | None) -> Tensor:
        with self.steered(direction):
            only = next(
                streams(
                    self.model, self.components, self.rows[:1], [self.site],
                    tick=silent, title="steer",
                )
            )  # fmt: skip
        return only.before[self.site][0].double().cpu()


def _kl(before: _Answers, after: _Answers) -> NDArray[np.float64]:
    """KL(before || after) of every prompt, in nats; of rounding only it may be below 0."""
    p = before.log_p.exp()
    return np.asarray((p * (before.log_p - after.log_p)).sum(-1).clamp_min(0.0).numpy())


def _likeliest(model: Model, before: _Answers, after: _Answers) -> pd.DataFrame:
    lines: list[tuple[int, int, float, float]] = []
    for place, (one, other) in enumerate(zip(before.log_p, after.log_p, strict=True)):
        k = min(_SHOWN, len(one))
        tokens = dict.fromkeys([*one.topk(k).indices.tolist(), *other.topk(k).indices.tolist()])
        lines += [
            (place, token, float(one[token].exp()), float(other[token].exp())) for token in tokens
        ]
    frame = pd.DataFrame(lines, columns=["prompt", "token_id", "before", "after"])
    frame.insert(1, "token", words_of(model, frame["token_id"].tolist()))
    return frame


def _check(by: float | None, positions: Any, controls: int, seed: int) -> None:
    if by is not None:
        check.in_range("by", by, -1e9, 1e9, remedy="give the length of a step")
    if isinstance(positions, bool) or not isinstance(positions, int):
        check.one_of("positions", positions, ("last", "all"))
    check.whole("controls", controls, 0)
    check.whole("seed", seed, 0)


def _check_position(rows: Sequence[Row], position: int) -> None:
    shortest = min(map(len, rows))
    if not -shortest <= position < shortest:
        raise ValueError(
            f"positions must lie in 0..{shortest - 1}, inside every prompt, got {position}; "
            "choose another, or 'last' or 'all'"
        )
