"""Whether a coupling coefficient is the slope that texts show.

Notation
--------
a, b    readings of the two vectors at a token
C       coupling coefficient, the slope that Theorem 2 predicts
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import nn

from cutaway.core import Index, Origin, Result, Tick, check, silent
from cutaway.model.model import Model, as_model
from cutaway.observables.coupling import coupling
from cutaway.observables.prompts import Prompt
from cutaway.observables.scores import named, said_of
from cutaway.observables.slopes import blocks_of, line_of, readings_of
from cutaway.observables.vector import FeatureVector


@dataclass(frozen=True, eq=False, repr=False)
class CoupledReadings(Result):
    """Readings of two vectors at the tokens of some texts; a row a token, sinks left out.

    Parameters
    ----------
    a, b : ndarray of shape (t,)
        Readings.
    coupling : float
        C(a, b), from the weights alone.
    slope, intercept : float
        Of the least-squares line of `b` on `a`.
    low, high : float
        95 % bootstrap interval of the slope, over blocks of 64 tokens; NaN for fewer than 5.
    r2 : float
        Squared correlation.
    name_a, name_b, site : str
        What was read, and where.
    """

    a: NDArray[np.float64]
    b: NDArray[np.float64]
    coupling: float
    slope: float
    intercept: float
    low: float
    high: float
    r2: float
    name_a: str
    name_b: str
    site: str

    _shapes: ClassVar[Mapping[str, str]] = {"a": "n", "b": "n"}

    def __repr__(self) -> str:
        return (
            f"CoupledReadings({self.name_b} on {self.name_a}: slope {self.slope:.3f} "
            f"[{self.low:.3f}, {self.high:.3f}], coupling {self.coupling:.3f}, r² {self.r2:.3f}, "
            f"{len(self.rows)} tokens)"
        )


def coupling_on_texts(
    model: Model | nn.Module,
    a: FeatureVector,
    b: FeatureVector,
    texts: Sequence[Prompt],
    *,
    seed: int = 0,
    tick: Tick = silent,
) -> CoupledReadings:
    """Slope of one vector's reading on another's over texts, beside the coupling coefficient.

    Parameters
    ----------
    model : Model or torch.nn.Module
        A causal language model of a known family.
    a, b : FeatureVector
        Of one site, norms passed alike.
    texts : sequence of str or of token ids
        At least 3 tokens besides sinks (position 0, and streams of ten times the usual length).
    seed : int
        Seed of the bootstrap.
    tick : Tick
        Called in every layer.

    Raises
    ------
    ValueError
        As `coupling`; or if the texts are too short.

    References
    ----------
    Dunefsky, Cohan, arXiv 2312.16291, Theorem 2 and its test on text.
    """
    began = time.perf_counter()
    opened = as_model(model)
    check.whole("seed", seed, 0)
    predicted = coupling(a, b)
    read, sink, digested = readings_of(opened, {"a": a, "b": b}, texts, tick)
    x, y = read.reading[:, ~sink]
    fit = line_of(x, y, blocks_of(read)[~sink], seed)
    names = [f"{text}:{at}" for text, at in zip(read.text, read.position, strict=True)]
    result = CoupledReadings(
        rows=Index(np.array(names)[~sink], "token"),
        origin=Origin(
            "coupling_on_texts",
            {"a": said_of(a), "b": said_of(b)},
            model=opened.name,
            weights=opened.digest,
            site=a.site,
            rows=digested,
            seed=seed,
            seconds=time.perf_counter() - began,
        ),
        a=x,
        b=y,
        coupling=predicted,
        name_a=named(a),
        name_b=named(b),
        site=a.site,
        **fit,
    )
    tick(1.0, "coupling on texts")
    return result
