"""A feature vector made without data, beside directions that are trained on labelled texts.

Notation
--------
x       residual stream of a text at the vector's site and one position, (d,)
z       label, 0 or 1;  v  target, a real number
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import nn

from cutaway.core import Index, Origin, Result, Tick, check, digest, part, silent
from cutaway.model.model import Model, as_model
from cutaway.observables.components import Components
from cutaway.observables.finite import all_finite
from cutaway.observables.opened import components_of
from cutaway.observables.probe_fits import FITS
from cutaway.observables.probe_measures import measured
from cutaway.observables.probe_splits import balanced, split, trainable
from cutaway.observables.prompts import Prompt
from cutaway.observables.scores import Read, named, said_of
from cutaway.observables.texts import Direction, Row, direction_of, rows_of, sinks_of, streams

Position: TypeAlias = Literal["mean", "last"] | int | Sequence[int]
Measure: TypeAlias = Literal["auc", "r2", "within"]
_Line: TypeAlias = tuple[str, int, NDArray[np.float64]]
SIZES = (2, 4, 6, 10, 20, 50, 100, 200, 500, 1000)


@dataclass(frozen=True, eq=False, repr=False)
class ProbeCurve(Result):
    """Learning curves of probes beside a direction that was not trained; a row a method and size.

    Parameters
    ----------
    method : ndarray of str of shape (r,)
        "vector" and the names of `scores` (size 0), then trained ones.
    size : ndarray of int of shape (r,)
        Texts that it was trained on.
    auc, auc_low, auc_high : ndarray of shape (r,)
        Area under the ROC curve on the held-out texts; mean over training draws and 95 % interval
        over draws and held-out texts together.
    r2, r2_low, r2_high : ndarray of shape (r,)
        Squared correlation with the target.
    within, within_low, within_high : ndarray of shape (r,)
        The same after each class's own mean is taken off: what is left when two clusters are not
        enough. NaN where the target is the label.
    n_train, n_test, draws : int
        Texts to train on and held out; training draws of each size.
    classes : list of str
        Names of class 0 and 1.
    site, vector, position : str
        What was read, and where.
    """

    method: NDArray[np.str_]
    size: NDArray[np.int64]
    auc: NDArray[np.float64]
    auc_low: NDArray[np.float64]
    auc_high: NDArray[np.float64]
    r2: NDArray[np.float64]
    r2_low: NDArray[np.float64]
    r2_high: NDArray[np.float64]
    within: NDArray[np.float64]
    within_low: NDArray[np.float64]
    within_high: NDArray[np.float64]
    n_train: int
    n_test: int
    draws: int
    classes: list[str]
    site: str
    vector: str
    position: str

    _shapes: ClassVar[Mapping[str, str]] = dict.fromkeys(
        (
            "method",
            "size",
            "auc",
            "auc_low",
            "auc_high",
            "r2",
            "r2_low",
            "r2_high",
            "within",
            "within_low",
            "within_high",
        ),
        "n",
    )

    def wins_from(self, method: str, measure: Measure = "auc") -> int | None:
        """Smallest training size from which on a probe's mean stays above the vector's.

        Parameters
        ----------
        method : str
            A trained method.
        measure : {"auc", "r2", "within"}
            What is compared.

        Returns
        -------
        int or None
            None if it is not above at the largest size.
        """
        check.one_of("method", method, tuple(dict.fromkeys(self.method[self.size > 0].tolist())))
        check.one_of("measure", measure, ("auc", "r2", "within"))
        values = getattr(self, measure)
        chosen = np.flatnonzero(self.method == method)
        found = None
        for row in chosen[np.argsort(-self.size[chosen])]:
            if not values[row] > values[0]:
                break
            found = int(self.size[row])
        return found

    def __repr__(self) -> str:
        return (
            f"ProbeCurve({self.vector} at {self.site}, {self.position}: AUC {self.auc[0]:.3f} "
            f"[{self.auc_low[0]:.3f}, {self.auc_high[0]:.3f}] on {self.n_test} held-out texts; "
            f"{len(set(self.method[self.size > 0].tolist()))} probes up to {self.size.max()} texts)"
        )


def compare_probes(
    model: Model | nn.Module,
    vector: Direction,
    texts: Sequence[Prompt],
    labels: ArrayLike,
    *,
    target: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    scores: Mapping[str, ArrayLike] | None = None,
    methods: Sequence[str] | None = None,
    sizes: Sequence[int] = SIZES,
    position: Position = "mean",
    read: Read = "stream",
    draws: int = 20,
    seed: int = 0,
    tick: Tick = silent,
) -> ProbeCurve:
    """Learning curves of trained directions beside a feature vector, on one held-out split.

    Parameters
    ----------
    model : Model or torch.nn.Module
        A causal language model of a known family.
    vector : FeatureVector or (str, array_like of shape (d,))
        A direction that needs no training.
    texts : sequence of str or of token ids
        Half of them is held out for measuring, by `seed`; the rest is trained on.
    labels : array_like of shape (n,)
        Two classes; the later one in sorted order is class 1.
    target : array_like of shape (n,), optional
        Real numbers that r² is measured against and the ridge is trained on, e.g. the observable's
        own values; the labels by default.
    groups : array_like of shape (n,), optional
        Texts of one group, e.g. of one name, are held out together; by default each is its own.
    scores : mapping of str to array_like of shape (n,), optional
        Further scores without training, e.g. counts of a character.
    methods : sequence of str or None
        Of "mean_difference", "logistic", "ridge", "leace"; None takes all that are installed.
    sizes : sequence of int
        Numbers of training texts, half of each class; those above what there is are left out.
    position : {"mean", "last"}, int, or sequence of int
        Which residual stream of a text: the mean without sinks, the last token's, or that of a
        position, the same for all texts or one for each.
    read : {"stream", "normed"}
        Input or output of the norm at the vector's site.
    draws : int
        Training sets of each size.
    seed : int
        Of the split, the draws and the bootstrap.
    tick : Tick
        Called in every layer and before each fit.

    Raises
    ------
    ValueError
        If there are no texts, not two classes, fewer than 4 texts of one, no size that can be
        trained, or an option is out of range.
    ImportError
        If "leace" is asked for and concept_erasure is missing.
    """
    began = time.perf_counter()
    opened = as_model(model)
    check.one_of("read", read, ("stream", "normed"))
    check.whole("draws", draws, 1)
    check.whole("seed", seed, 0)
    chosen = _methods(methods)
    components = components_of(opened)
    site, direction = direction_of(opened, components, vector, normed=read == "normed")
    rows = rows_of(opened, texts, components.n_tokens)
    places = _positions(rows, position)
    z, classes = _classes(labels, len(rows))
    v = z.astype(np.float64) if target is None else _numbers("target", target, len(rows))
    rng = np.random.default_rng(seed)
    train, test = split(z, np.arange(len(rows)) if groups is None else np.asarray(groups), rng)
    kept = trainable(sizes, z[train])
    half = part(tick, 0.0, 0.5)
    x = _features(opened, components, rows, site=site, places=places, read=read, tick=half)
    names_of = [f"text {place}" for place in range(len(rows))]
    all_finite("residual streams of texts", x, names_of, "leave these texts out")
    free = {"vector": x @ direction} | {
        name: _numbers(f"scores of {name}", one, len(rows)) for name, one in (scores or {}).items()
    }
    lines: list[_Line] = [(name, 0, values[None, test]) for name, values in free.items()]
    orders = [train[balanced(z[train], rng)] for _ in range(draws)]
    lines += _trained(x, z, v, chosen, kept, orders=orders, test=test, tick=part(tick, 0.5, 0.95))
    names = np.array([f"{name} {size}" if size else name for name, size, _ in lines])
    result = ProbeCurve(
        rows=Index(names, "probe"),
        origin=Origin(
            "compare_probes",
            {
                **said_of(vector), "methods": list(chosen), "sizes": list(kept), "read": read,
                "position": position if places is None else places.tolist(),
                "draws": draws, "labels": digest.of_arrays({"z": z, "v": v}),
                "scores": list(free)[1:],
            },
            model=opened.name, weights=opened.digest, site=site, seed=seed,
            rows=digest.of_json([row.ids.tolist() for row in rows]),
            seconds=time.perf_counter() - began,
        ),
        method=np.array([name for name, _, _ in lines]),
        size=np.array([size for _, size, _ in lines]),
        **_columns(lines, z[test], v[test], seed, labels_only=target is None, tick=tick),
        n_train=len(train),
        n_test=len(test),
        draws=draws,
        classes=classes,
        site=site,
        vector=named(vector),
        position=position if isinstance(position, str) else "given positions",
    )  # fmt: skip
    tick(1.0, "probes")
    return result


def _trained(
    x: NDArray[np.float64],
    z: NDArray[np.int64],
    v: NDArray[np.float64],
    methods: Sequence[str],
    sizes: Sequence[int],
    *,
    orders: Sequence[NDArray[np.int64]],
    test: NDArray[np.int64],
    tick: Tick,
) -> list[_Line]:
    """Scores of the held-out texts by method and size, a row a training draw."""
    lines: list[_Line] = []
    steps = len(methods) * len(sizes) * len(orders)
    done = 0
    for name in methods:
        for size in sizes:
            found = []
            for order in orders:
                tick(done / steps, f"probes: {name} on {size} texts")
                some = order[:size]
                mean = x[some].mean(0)
                w = FITS[name](x[some] - mean, z[some].astype(np.float64), v[some])
                found.append((x[test] - mean) @ w)
                done += 1
            scores = np.stack(found)
            draws = [f"draw {place} of {size} texts" for place in range(len(scores))]
            all_finite(f"scores of probe {name!r}", scores, draws, "leave the method out")
            lines.append((name, size, scores))
    return lines


def _columns(
    lines: Sequence[_Line],
    z: NDArray[np.int64],
    v: NDArray[np.float64],
    seed: int,
    *,
    labels_only: bool,
    tick: Tick,
) -> dict[str, NDArray[np.float64]]:
    """Arrays of the measures by their names."""
    found: dict[str, list[float]] = {}
    for place, (name, _, scores) in enumerate(lines):
        tick(0.95 + 0.04 * place / len(lines), f"probes: intervals of {name}")
        for measure, numbers in measured(scores, z, v, seed=seed).items():
            blank = labels_only and measure == "within"
            for suffix, number in zip(("", "_low", "_high"), numbers, strict=True):
                found.setdefault(measure + suffix, []).append(math.nan if blank else number)
    return {name: np.array(values) for name, values in found.items()}


def _features(
    model: Model,
    components: Components,
    rows: Sequence[Row],
    *,
    site: str,
    places: NDArray[np.int64] | None,
    read: Read,
    tick: Tick,
) -> NDArray[np.float64]:
    """Stream of every text, (n, d): at its place, or the mean over its tokens without sinks."""
    found = np.empty((len(rows), components.width))
    for batch in streams(model, components, rows, [site], tick=tick, title="probes"):
        seen = (batch.after if read == "normed" else batch.before)[site]
        for at, place in enumerate(batch.places):
            n = len(rows[place])
            values = seen[at, :n].double().cpu().numpy()
            if places is not None:
                found[place] = values[places[place]]
                continue
            length = np.linalg.norm(batch.before[site][at, :n].double().cpu().numpy(), axis=1)
            found[place] = values[~sinks_of(length)].mean(0)  # a NaN is told by the caller
    return found


def _positions(rows: Sequence[Row], position: Position) -> NDArray[np.int64] | None:
    if isinstance(position, str):
        check.one_of("position", position, ("mean", "last"))
        if position == "last":
            return np.array([len(row) - 1 for row in rows])
        short = next((place for place, row in enumerate(rows) if len(row) < 2), None)
        if short is not None:
            raise ValueError(
                f"texts must have 2 or more tokens for position='mean', got 1 in text {short}; "
                "position 0 is left out as a sink"
            )
        return None
    every = [position] * len(rows) if isinstance(position, int) else list(position)
    check.same_length("position", len(every), "texts", len(rows))
    for place, row in zip(every, rows, strict=True):
        check.whole("position", place, -len(row), len(row) - 1, remedy="stay inside every text")
    return np.array(every, dtype=np.int64)


def _classes(labels: ArrayLike, n: int) -> tuple[NDArray[np.int64], list[str]]:
    given = np.asarray(labels)
    check.n_dims("labels", given, 1, "a class for each text")
    check.same_length("labels", len(given), "texts", n)
    names, z = np.unique(given, return_inverse=True)
    if len(names) != 2:
        raise ValueError(
            f"labels must hold two classes, got {len(names)}: {', '.join(map(str, names[:5]))}; "
            "give texts of two classes"
        )
    smaller = int(np.bincount(z).min())
    if smaller < 4:
        raise ValueError(
            f"labels must hold at least 4 texts of each class, got {smaller}; give more texts"
        )
    return z.astype(np.int64), [str(one) for one in names]


def _numbers(name: str, values: ArrayLike, n: int) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    check.n_dims(name, array, 1, "a number for each text")
    check.same_length(name, len(array), "texts", n)
    if not np.isfinite(array).all():
        raise ValueError(
            f"{name} must be finite, got {array[~np.isfinite(array)][0]}; leave it out"
        )
    return array


def _methods(methods: Sequence[str] | None) -> tuple[str, ...]:
    installed = find_spec("concept_erasure") is not None
    if methods is None:
        return tuple(one for one in FITS if one != "leace" or installed)
    for one in methods:
        check.one_of("methods", one, tuple(FITS))
    if "leace" in methods and not installed:
        raise ImportError(
            "concept_erasure gives 'leace' and is not installed; pip install 'cutaway[peers]'"
        )
    return tuple(dict.fromkeys(methods))
