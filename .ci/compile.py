"""Compile the mixture engine and keep it on disk, beside its sources, where all processes find it.

For people the searches that a screen makes; for tests also those of other dimensions, and fits
from a start that is given.
"""

import sys

import numpy as np

from cutaway.filters import fit_mixtures
from cutaway.filters.search import compile_ahead


def main(extras: str) -> None:
    """Compile what users of these extras will call."""
    compile_ahead()
    if extras != "dev":
        return
    compile_ahead((3, 5))
    rng = np.random.default_rng(0)
    for d in (1, 2, 4, 5):
        x, start = rng.normal(size=(1, 40, d)), rng.dirichlet(np.ones(2), size=(1, 40))
        fit_mixtures(x, 2, start=start, max_iter=3, tol=1.0)


if __name__ == "__main__":
    main(sys.argv[1])
