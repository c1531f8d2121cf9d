"""The texts that the language models are trained on, with stable ids and a fixed split."""

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cutaway_samples import occupations, python_source
from cutaway_samples.entries import unknown

CORPORA = ("python-source", "occupations")


@dataclass(frozen=True, eq=False)
class Texts:
    """Texts with what is known about each; arrays are read-only.

    Attributes
    ----------
    texts : tuple of str
        One text per sample.
    ids : str array, (n,)
        "source-textwrap-0003", "topic-lambda-0000" or "occupation-00042".
    labels : int64 array, (n,), or None
        For "occupations": 1 where the pronoun is she or her, 0 where it is he or his.
    split : str array, (n,)
        "train" or "test".
    """

    texts: tuple[str, ...]
    ids: NDArray[np.str_]
    labels: NDArray[np.int64] | None
    split: NDArray[np.str_]

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    def __len__(self) -> int:
        return len(self.texts)


def texts(name: str, split: Literal["train", "test"] | None = None) -> Texts:
    """Training or test texts of the small language models.

    Parameters
    ----------
    name : {"python-source", "occupations"}
        Passages of about 400 characters of the standard library, or whole made-up sentences.
    split : {"train", "test"}, optional
        Which part; both by default.

    Returns
    -------
    Texts
        Texts, ids, labels and split.

    Raises
    ------
    ValueError
        If `name` or `split` is none of those listed.
    FileNotFoundError
        If this Python comes without the source of its standard library.
    """
    if split not in (None, "train", "test"):
        raise ValueError(f"split must be 'train', 'test' or None, got {split!r}; use one of those")
    if name == "python-source":
        rows = python_source.passages()
        ids = np.array([row[0] for row in rows])
        part, words = np.array([row[1] for row in rows]), [row[2] for row in rows]
        labels = None
    elif name == "occupations":
        made = occupations.sentences()
        ids = np.array([f"occupation-{number:05d}" for number in range(len(made))])
        part, words = np.array([row[1] for row in made]), [row[0] for row in made]
        labels = np.array([row[2] for row in made], dtype=np.int64)
    else:
        raise ValueError(unknown("text corpus", name, CORPORA))
    keep = np.ones(len(words), dtype=bool) if split is None else part == split
    kept = tuple(words[row] for row in np.flatnonzero(keep))
    return Texts(kept, ids[keep], None if labels is None else labels[keep], part[keep])
