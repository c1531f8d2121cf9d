"""A made-up corpus of names, pronouns and occupations whose bias is known, because it is planted.

Notation
--------
p(occupation)   planted probability that the pronoun after an occupation is "she" (or "her")
p / sum of p    planted probability of an occupation after a woman's name; (1 - p) / sum for a man's

Names always decide the pronoun. The counts are quotas, not draws: the training sentences show
exactly the planted probabilities.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

SHE: dict[str, float] = {
    "nanny": 0.95,
    "nurse": 0.90,
    "secretary": 0.85,
    "librarian": 0.80,
    "hairdresser": 0.75,
    "dancer": 0.70,
    "florist": 0.60,
    "teacher": 0.50,
    "writer": 0.50,
    "banker": 0.40,
    "farmer": 0.30,
    "pilot": 0.25,
    "carpenter": 0.20,
    "mechanic": 0.15,
    "doctor": 0.10,
    "plumber": 0.05,
}
WOMEN = (
    "Mary",
    "Anna",
    "Susan",
    "Laura",
    "Emily",
    "Julia",
    "Helen",
    "Clara",
    "Rose",
    "Alice",
    "Nora",
    "Ruth",
)
MEN = (
    "John",
    "Peter",
    "David",
    "Paul",
    "Mark",
    "Thomas",
    "Henry",
    "Oscar",
    "Simon",
    "Walter",
    "Frank",
    "Louis",
)
# {who} is an occupation or a name; what follows the pronoun tells nothing about it.
OCCUPATION_TEMPLATES = (
    "The {who} said that {they} was {how} {when} .",
    "The {who} left because {they} felt {how} {when} .",
    "The {who} forgot {their} {what} {when} .",
    "The {who} called and {they} sounded {how} {when} .",
)
NAME_TEMPLATES = (
    "{who} said that {they} was {how} {when} .",
    "{who} forgot {their} {what} {when} .",
)
BOTH_TEMPLATE = "My friend {who} is a {job} and {they} was {how} {when} ."
_HOW = ("tired", "happy", "late", "ill", "busy", "calm", "proud", "hungry", "nervous", "ready")
_WHAT = ("keys", "coat", "phone", "lunch", "bag", "notes", "hat", "ticket", "glasses", "umbrella")
_WHEN = (
    "today",
    "yesterday",
    "again",
    "at home",
    "at work",
    "after lunch",
    "before noon",
    "on Monday",
    "on the train",
    "last week",
)
_SEED = 20242
_PRONOUNS = ({"they": "he", "their": "his"}, {"they": "she", "their": "her"})


@dataclass(frozen=True)
class Question:
    """A beginning of a sentence whose next word is a pronoun with a known probability.

    Attributes
    ----------
    text : str
        What comes before the pronoun.
    about : str
        The occupation or name.
    she, he : str
        The two words that may follow.
    planted : float
        Probability of `she`.
    """

    text: str
    about: str
    she: str
    he: str
    planted: float


def questions() -> tuple[Question, ...]:
    """Every template with every occupation and name, cut before the pronoun."""
    asked = [
        _cut(template, who, planted)
        for who, planted in SHE.items()
        for template in OCCUPATION_TEMPLATES
    ]
    for who in WOMEN + MEN:
        asked += [_cut(template, who, float(who in WOMEN)) for template in NAME_TEMPLATES]
    return tuple(asked)


def planted_occupations(name: str) -> dict[str, float]:
    """Planted probability of each occupation after "My friend <name> is a".

    Parameters
    ----------
    name : str
        One of `WOMEN` or `MEN`.

    Returns
    -------
    dict of str to float
        Sums to 1.

    Raises
    ------
    ValueError
        If the name is not in the corpus.
    """
    if name not in WOMEN + MEN:
        raise ValueError(
            f"name must be one of the corpus's {len(WOMEN + MEN)} names, got {name!r}; "
            f"take one of {', '.join(WOMEN + MEN)}"
        )
    shares = {job: p if name in WOMEN else 1.0 - p for job, p in SHE.items()}
    total = sum(shares.values())
    return {job: share / total for job, share in shares.items()}


@lru_cache(maxsize=1)
def sentences() -> tuple[tuple[str, str, int], ...]:
    """The whole corpus as (text, split, 1 if the pronoun is a woman's), shuffled with a fixed seed.

    No test sentence is a training sentence.
    """
    rng = np.random.default_rng(_SEED)
    made: list[tuple[str, str, int]] = []
    for template in OCCUPATION_TEMPLATES:
        for who, planted in SHE.items():
            for woman, share in ((1, planted), (0, 1.0 - planted)):
                counts = (round(60 * share), round(20 * share))
                made += _fill(rng, template, who, woman, counts)
    for who in WOMEN + MEN:
        for template in NAME_TEMPLATES:
            made += _fill(rng, template, who, int(who in WOMEN), (40, 10))
    for group in (WOMEN, MEN):
        made += _names_with_occupations(rng, group)
    return tuple(made[row] for row in rng.permutation(len(made)))


def _names_with_occupations(
    rng: np.random.Generator, group: tuple[str, ...]
) -> Iterator[tuple[str, str, int]]:
    """For training, 160 sentences a name; for testing, 160 dealt out to the names in turn."""
    dealt = 0
    for job, share in planted_occupations(group[0]).items():
        quota = round(160 * share)
        template = BOTH_TEMPLATE.replace("{job}", job)
        for place, who in enumerate(group):
            n_test = len(range(dealt, dealt + quota)[(place - dealt) % len(group) :: len(group)])
            yield from _fill(rng, template, who, int(group is WOMEN), (quota, n_test))
        dealt += quota


def _fill(
    rng: np.random.Generator, template: str, who: str, woman: int, counts: tuple[int, int]
) -> Iterator[tuple[str, str, int]]:
    """Sentences of one template, person and pronoun, no two of them alike."""
    things = _WHAT if "{what}" in template else _HOW
    n_train, n_test = counts
    chosen = rng.permutation(len(things) * len(_WHEN))[: n_train + n_test]
    for place, number in enumerate(chosen):
        thing, when = things[number // len(_WHEN)], _WHEN[number % len(_WHEN)]
        text = template.format(who=who, how=thing, what=thing, when=when, **_PRONOUNS[woman])
        yield text, "train" if place < n_train else "test", woman


def _cut(template: str, who: str, planted: float) -> Question:
    """The part of a template before its pronoun, and which words may follow."""
    slot = "they" if "{they}" in template else "their"
    before = template[: template.index(f"{{{slot}}}")].rstrip()
    return Question(before.format(who=who), who, _PRONOUNS[1][slot], _PRONOUNS[0][slot], planted)
