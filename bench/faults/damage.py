"""Open thousands of damaged files of a format, and count what comes of it."""

import itertools
import re
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faults.formats import Format, fingerprint, other_kinds, put_back
from faults.mutations import mutated
from faults.watch import MEMORY, Outcome, Watch, examined, outcomes


@dataclass
class Counts:
    """What opening the damaged files of one format came to.

    Parameters
    ----------
    name : str
    digested : bool
        See `Format`.
    kinds : Counter
        Outcomes by kind.
    signatures : dict of str to list of str
        Distinct things that must not happen, each with the files that show it.
    """

    name: str
    digested: bool
    kinds: Counter[str] = field(default_factory=Counter)
    signatures: dict[str, list[str]] = field(default_factory=dict)
    peak: int = 0

    def add(self, case: str, outcome: Outcome) -> None:
        """Count one file."""
        self.kinds["files"] += 1
        self.kinds[outcome.kind] += 1
        self.peak = max(self.peak, outcome.peak)
        wrong = {
            "code": outcome.ran, "requests": outcome.asked, "foreign": outcome.foreign,
            "memory": [f"{outcome.peak:,} bytes"] if outcome.peak > MEMORY else [],
        }  # fmt: skip
        for what, seen in wrong.items():
            if seen:
                self.kinds[what] += 1
                self._note(f"{what}: {_plain(seen[0])}", case)
        if outcome.kind in ("raw", "hang", "died"):
            self._note(f"{outcome.kind}: {_plain(outcome.why)}", case)
        if outcome.kind == "changed" and self.digested:
            self._note(f"changed: {case.partition(' ')[0]} {outcome.why}", case)

    def _note(self, signature: str, case: str) -> None:
        self.signatures.setdefault(signature, []).append(case)

    @property
    def wrong(self) -> int:
        """Files that broke a promise."""
        silent = self.kinds["changed"] if self.digested else 0
        names = ("raw", "hang", "died", "code", "requests", "foreign", "memory")
        return silent + sum(self.kinds[name] for name in names)


def _plain(text: str) -> str:
    """A message without what differs from file to file."""
    text = re.sub(r"/[^\s()',;:\]]+/", "…/", text)
    text = re.sub(r"0x[0-9a-f]+|b?'[^']{0,80}'|\"[^\"]{0,80}\"", "…", text)
    return re.sub(r"\d+(\.\d+)?", "#", text)[:220]


def attack(form: Format, n: int, place: Path, *, seed: int = 0) -> Counts:
    """Damage the files of a format `n` times, one file at a time, and open each.

    Parameters
    ----------
    form : Format
    n : int
        Mutations; on top come the other kinds of file (a folder, a pipe, …) at each place.
    place : Path
        Folder to work in.
    seed : int
        Of the first mutation; the next ones count up.
    """
    counts = Counts(form.name, form.digested)
    cases = cases_of(form, n, seed)
    expected = fingerprint(_read_whole(form, place))

    def begin() -> Callable[[int], Outcome]:
        return _worker(form, cases, place, expected)

    for number, outcome in outcomes(begin, range(len(cases))):
        target, what = cases[number]
        counts.add(f"{target} {what}", outcome)
    shutil.rmtree(place, ignore_errors=True)
    return counts


def cases_of(form: Format, n: int, seed: int) -> list[tuple[str, Any]]:
    """Which file is damaged, and how: the seed of a mutation, or another kind of file."""
    turn = itertools.cycle(form.targets)
    mutations: list[tuple[str, Any]] = [(next(turn), seed + k) for k in range(n)]
    distinct = list(dict.fromkeys(form.targets))[:6]
    return mutations + [(target, kind) for kind in other_kinds() for target in distinct]


def _read_whole(form: Format, place: Path) -> Any:
    put_back(form.whole, place)
    values, said = form.read(place, form.targets[0])
    again, _ = form.read(put_back(form.whole, place) or place, form.targets[0])
    if fingerprint(values) != fingerprint(again) or said:
        raise RuntimeError(f"{form.name} must read the same twice and without a word, got {said!r}")
    return values


def _worker(
    form: Format, cases: Sequence[tuple[str, Any]], place: Path, first: str
) -> Callable[[int], Outcome]:
    """What examines one case in a child; each target's own values are read once."""
    put_back(form.whole, place)
    watch = Watch(place, writes=form.writes)
    expected = {form.targets[0]: first}

    def damaged(number: int) -> Outcome:
        target, what = cases[number]
        file = place / target
        if form.writes:
            put_back(form.whole, place)
        if target not in expected:
            expected[target] = fingerprint(form.read(place, target)[0])
            if form.writes:
                put_back(form.whole, place)
        whole = (form.whole / target).read_bytes()
        done = str(what)
        file.unlink()
        if isinstance(what, int):
            done, content = mutated(file.name, whole or b"\n", what)
            file.write_bytes(content)
        else:
            other_kinds()[what](file)

        def read(_number: int) -> tuple[str, str]:
            values, said = form.read(place, target)
            if fingerprint(values) == expected[target]:
                return "same", done
            return ("said", said) if said else ("changed", done)

        outcome = examined(read, number, watch, (file.name, *form.names, str(place)))
        if not form.writes:
            _restore(file, whole)
        return outcome

    return damaged


def _restore(file: Path, whole: bytes) -> None:
    if file.is_dir() and not file.is_symlink():
        shutil.rmtree(file)
    elif file.exists() or file.is_symlink():
        file.unlink()
    file.write_bytes(whole)


def reproduced(form: Format, case: str, place: Path) -> Path:
    """Folder with the damaged file of a case, as `Counts.signatures` names it, to look at."""
    target, _, what = case.partition(" ")
    put_back(form.whole, place)
    file = place / target
    whole = file.read_bytes()
    file.unlink()
    if what.isdigit():
        file.write_bytes(mutated(file.name, whole or b"\n", int(what))[1])
    else:
        other_kinds()[what](file)
    return place
