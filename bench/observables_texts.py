"""What the tasks of observables_tasks.py are asked on: names, templates, nouns, prose and code."""

import inspect
import pydoc_data.topics
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import cutaway as ct
from cutaway.model.hooks import evaluating
from cutaway.model.outputs import logits
from cutaway.observables import components_of
from cutaway.observables.texts import batched, padded, rows_of

# Common names of one token each with the space before them; see `single`.
WOMEN = (
    "Mary", "Anna", "Susan", "Laura", "Emily", "Julia", "Helen", "Rose", "Alice", "Ruth", "Jane",
    "Sarah", "Emma", "Lisa", "Maria", "Karen", "Nancy", "Linda", "Barbara", "Margaret", "Elizabeth",
    "Jennifer", "Jessica", "Rachel", "Rebecca", "Kate", "Amy", "Michelle", "Catherine", "Martha",
    "Sophia", "Grace", "Diana", "Victoria", "Caroline", "Julie", "Lucy", "Patricia", "Charlotte",
    "Eva", "Carol", "Donna", "Ellen", "Olivia", "Sandra", "Amanda", "Melissa", "Stephanie",
)  # fmt: skip
MEN = (
    "John", "Peter", "David", "Paul", "Mark", "Thomas", "Henry", "Oscar", "Simon", "Walter",
    "James", "Robert", "William", "Michael", "Richard", "Charles", "Joseph", "George", "Edward",
    "Daniel", "Matthew", "Andrew", "Kevin", "Brian", "Steven", "Eric", "Adam", "Jack", "Frank",
    "Scott", "Patrick", "Tom", "Jim", "Bob", "Mike", "Steve", "Tony", "Samuel", "Benjamin",
    "Philip", "Arthur", "Albert", "Roger", "Larry", "Jeff", "Gary", "Harry", "Carl",
)  # fmt: skip
SUBJECT = (
    "My friend{} went to the store because",
    "Yesterday{} was late, because",
    "I know that{} is tired, so",
)
OBJECT = (
    "I talked to{} because I wanted to help",
    "When I saw{} at the park I waved at",
    "We like{} a lot, so we invited",
)
WORK = ("My friend{} works as a", "Everyone knows that{} is a trained", "At the hospital,{} is the")
NUMBER = ("The{} near the old bridge", "I know that the{} behind the house", "Yesterday the{}")
NOUNS = {
    "dog": "dogs", "cat": "cats", "car": "cars", "boy": "boys", "girl": "girls", "tree": "trees",
    "house": "houses", "book": "books", "key": "keys", "king": "kings", "student": "students",
    "teacher": "teachers", "doctor": "doctors", "farmer": "farmers", "bird": "birds",
    "child": "children", "man": "men", "woman": "women", "horse": "horses", "picture": "pictures",
    "letter": "letters", "river": "rivers", "town": "towns", "computer": "computers",
    "machine": "machines", "friend": "friends", "worker": "workers", "player": "players",
    "soldier": "soldiers", "artist": "artists", "plant": "plants", "flower": "flowers",
    "road": "roads", "chair": "chairs", "table": "tables", "door": "doors", "window": "windows",
    "mountain": "mountains", "ship": "ships", "train": "trains",
}  # fmt: skip


def single(model: ct.Observable | Any, words: Iterable[str], most: int = 30) -> list[str]:
    """Words that are one token with the space before them, at most so many."""
    found = [one for one in words if len(model.tokenizer(f" {one}")["input_ids"]) == 1]
    return found[:most]


def filled(
    model: Any, templates: Iterable[str], words: Iterable[str]
) -> tuple[list[str], list[int], list[int]]:
    """Texts, place of the word's token in each, and number of its template."""
    chosen, texts, places, which = list(words), [], [], []
    for number, template in enumerate(templates):
        before = template.partition("{}")[0]
        place = len(model.tokenizer(before)["input_ids"])
        for word in chosen:
            texts.append(template.format(f" {word}"))
            places.append(place)
            which.append(number)
    return texts, places, which


def measured(
    model: Any, texts: list[str], observables: Iterable[ct.Observable]
) -> NDArray[np.float64]:
    """Each observable on the logits after each text: (observables, texts)."""
    n_tokens = components_of(model).n_tokens
    weights = torch.stack([one.weights(n_tokens) for one in observables])
    rows = rows_of(model, texts, n_tokens)
    found = np.empty((len(weights), len(rows)))
    for places in batched([len(row) for row in rows]):
        inputs = padded([rows[place].ids for place in places])
        last = inputs["attention_mask"].sum(1) - 1
        with model.lock, evaluating(model.module):
            scores = logits(model.call(model.prepared(inputs)))
        kept = scores[torch.arange(len(places)), last].double()
        found[:, places] = (weights @ kept.T).numpy()
    return found


def prose(tokens: int, model: Any) -> list[str]:
    """About so many tokens of the language reference that Python brings, a piece a topic."""
    texts, total = [], 0
    for topic in sorted(pydoc_data.topics.topics):
        text = pydoc_data.topics.topics[topic][:1000]
        total += len(model.tokenizer(text)["input_ids"])
        texts.append(text)
        if total >= tokens:
            break
    return texts


def code_windows(model: Any, each: int, tokens: int, seed: int) -> tuple[list[str], list[str]]:
    """Windows of C headers and of Python source, one a file, and the language of each.

    C: the headers of Python and numpy. Python: the standard library and numpy.
    """
    numpy_home = Path(inspect.getfile(np)).parent
    headers = [Path(sysconfig.get_path("include")), Path(np.get_include())]
    modules = [Path(inspect.getfile(inspect)).parent, numpy_home / "_core", numpy_home / "lib"]
    c = sorted({file for home in headers for file in home.rglob("*.h")})
    python = sorted({file for home in modules for file in home.glob("*.py")})
    rng, texts, labels = np.random.default_rng(seed), [], []
    for name, files in (("C", c), ("python", python)):
        order, taken = rng.permutation(len(files)), 0
        for place in order:
            text = files[place].read_text(encoding="utf-8", errors="replace")
            ids = model.tokenizer(text)["input_ids"] if len(text) < 10**6 else []
            if len(ids) < 2 * tokens or taken == each:
                continue
            start = int(rng.integers(len(ids) - tokens))
            texts.append(model.tokenizer.decode(ids[start : start + tokens]))
            labels.append(name)
            taken += 1
        if taken < each:
            print(f"only {taken} files of {name}", file=sys.stderr)
    return texts, labels
