"""The data that comes with Cutaway, by name."""

import cutaway_samples
from cutaway.data.arrays import ImageArray
from cutaway.data.found import Found, ready
from cutaway.data.texts import from_texts

_DIGITS = {"digits": (28, False), "digits32": (32, False), "digits-noisy": (28, True)}
_TEXTS: dict[str, tuple[str, ...] | None] = {
    "python-source": None,
    "occupations": ("he", "she"),
}


def from_sample(name: str, *, split: str | None = None) -> Found:
    """Sample data, whole or one split ("train", "test").

    Parameters
    ----------
    name : str
        One of `cutaway.data.load.SAMPLE_NAMES`.
    split : {"train", "test"}, optional
        Which part; both by default.
    """
    title = name if split is None else f"{name}/{split}"
    if name in _DIGITS:
        size, noisy = _DIGITS[name]
        digits = cutaway_samples.digits(split, size=size, noisy=noisy)  # type: ignore[arg-type]  # it checks split itself
        return Found(title, digits.ids, ready(ImageArray(digits.images)), digits.labels)
    texts = cutaway_samples.texts(name, split)  # type: ignore[arg-type]  # it checks split itself
    finish = from_texts(texts.texts).finish
    return Found(title, texts.ids, finish, texts.labels, _TEXTS[name])
