"""Python source that makes results again: load, capture, run, and compare the digests."""

import inspect
import keyword
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cutaway.causal import ablate
from cutaway.core import Origin, Result, digest
from cutaway.core.selection import Selection
from cutaway.lenses import LENSES
from cutaway.model import predict
from cutaway.workspace import Workspace

_WIDE = 96  # characters of a call on one line
_IDS = 1000  # of a selection that are written out

_HEAD = '''\
"""Made by cutaway.code_of: loads the same model and data, and repeats the analysis."""

import cutaway as ct


def same(name, got, expected):
    if got != expected:
        raise SystemExit(f"{name} must have digest {expected}, got {got}; see the comments above")

'''


def code_of(what: Workspace | Result) -> str:
    """Python source that reproduces a result, or all results of a workspace.

    Parameters
    ----------
    what : Workspace or Result
        What to write down.

    Returns
    -------
    str
        A script: it loads model and data from where they came, captures, runs each function with
        the recorded parameters and seed, and stops if a digest differs. A line that begins with
        ``# SUPPLY`` stands above what no code can bring back: a live object. A line that begins
        with ``# LEFT OUT`` names a result whose function cannot be written as code.

    Raises
    ------
    TypeError
        If it is neither.

    Notes
    -----
    Digests are equal on one machine and library set; another may round differently.
    """
    if isinstance(what, Workspace):
        with what.lock:
            results = dict(what.results.items())
            if isinstance(what.effect, Result):
                results.setdefault("effect", what.effect)
            tail = _chosen(what)
            alone = {slot: _alone(what, slot) for slot in ("model", "data")}
    elif isinstance(what, Result):
        results, tail, alone = {_name_of(what): what}, [], {}
    else:
        raise TypeError(
            f"what must be a Workspace or a Result, got {type(what).__name__}; give one of these"
        )
    script = _Script()
    for slot, entry in alone.items():
        if entry is not None:
            script.loaded(slot, *entry)
    for name, result in results.items():
        script.add(name, result)
    return "\n".join([_HEAD, *script.lines, *tail]).rstrip() + "\n"


def _name_of(result: Result) -> str:
    for lens in LENSES:
        if lens.function.split(":")[1] == result.origin.function:
            return lens.name
    return {"ablate": "effect", "predict": "predictions"}.get(result.origin.function, "result")


def _alone(workspace: Workspace, slot: str) -> tuple[str, str, Any] | None:
    """Name, digest and source of a slot of the workspace, as origins state them."""
    value = getattr(workspace, slot)
    if value is None:
        return None
    known = value.index.digest if slot == "data" else value.digest
    return value.name, known, workspace.sources[slot]


@dataclass
class _Script:
    """Lines so far, and the variables in them by what they hold."""

    lines: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)

    def variable(self, key: str, wish: str) -> str:
        """A name that no other key has."""
        plain = re.sub(r"\W+", "_", wish).strip("_") or "result"
        plain = f"_{plain}" if plain[0].isdigit() else plain
        taken = {*self.names.values(), "ct", "same"}
        name, count = plain, 1
        while name in taken or keyword.iskeyword(name):
            count += 1
            name = f"{plain}_{count}"
        self.names[key] = name
        return name

    def loaded(self, slot: str, title: str, known: str, given: Mapping[str, Any] | None) -> str:
        """Variable of a model or data set; written at its first use."""
        key = f"{slot} {known}"
        if key in self.names:
            return self.names[key]
        name = self.variable(key, slot)
        if given is None:
            self.lines += [
                _comment(f"SUPPLY the {slot} {title!r} (digest {known}): it was a live object"),
                f"{name} = None",
            ]
        else:
            arguments = {
                one: tuple(value) if isinstance(value, list) else value
                for one, value in given.items()
                if one not in {"source", "trust"}
            }
            if given.get("trust"):
                self.lines.append(_comment("needs trust=True: this file can run code when read"))
            self.lines.append(_call(name, f"load_{slot}", [repr(given["source"])], arguments))
        inner = "index.digest" if slot == "data" else "digest"
        got = f"{name} and {name}.{inner}" if given is None else f"{name}.{inner}"
        self.lines += [f"same({name!r}, {got}, {known!r})", ""]
        return name

    def model(self, origin: Origin) -> str:
        return self.loaded("model", origin.model, origin.weights, origin.given.get("model"))

    def data(self, origin: Origin) -> str:
        # A result about a part of the data says what the whole was.
        known = origin.given.get("rows", origin.rows)
        return self.loaded("data", origin.data, known, origin.given.get("data"))

    def activations(self, origin: Origin) -> str:
        """Variable of the activations that a lens read."""
        capture = origin.given.get("capture")
        where = origin.site if capture is None else ""
        key = "acts " + digest.of_json([origin.weights, origin.rows, capture, where])
        if key in self.names:
            return self.names[key]
        if capture is None:
            name = self.variable(key, "acts")
            self.lines += [
                _comment(f"SUPPLY the activations of {origin.site!r}; no capture made them"),
                f"{name} = None",
                f"same({name!r}, {name} and {name}.rows.digest, {origin.rows!r})",
                "",
            ]
            return name
        model, data = self.model(origin), self.data(origin)
        name = self.variable(key, "acts")
        options = {one: value for one, value in capture.items() if one != "sites"}
        self.lines += [
            _call(name, "capture", [model, data, repr(capture["sites"])], options | {"show": None}),
            "",
        ]
        return name

    def add(self, wish: str, result: Result) -> None:
        """Lines that make a result and compare it."""
        origin = result.origin
        made = _functions().get(origin.function)
        # Of an array only the digest is recorded.
        if made is None or isinstance(origin.parameters.get("baseline"), str):
            self.lines += [
                _comment(f"LEFT OUT {wish!r}: the inputs of {origin.function} are not recorded"),
                "",
            ]
            return
        arguments, options = self.arguments(result, made)
        name = self.variable(f"result {wish} {result.digest}", wish)
        versions = ", ".join(f"{one} {value}" for one, value in origin.versions.items())
        self.lines += [
            _comment(f"{wish}: {origin.caption()}"),
            _comment(f"made with {versions}"),
            _call(name, origin.function, arguments, options),
            f"same({name!r}, {name}.digest, {result.digest!r})",
            "",
        ]

    def arguments(
        self, result: Result, made: Callable[..., Result]
    ) -> tuple[list[str], dict[str, Any]]:
        """Positional arguments as code, and keyword ones as values."""
        origin = result.origin
        inputs = {
            "acts": self.activations, "rows": self.activations, "model": self.model,
            "data": self.data,
        }  # fmt: skip
        positional: list[str] = []
        options: dict[str, Any] = {}
        known = dict(origin.parameters) | {"seed": origin.seed}
        known["batch_size"] = origin.given.get("batch_size")
        known.setdefault("ids", result.rows.ids.tolist())
        known.setdefault("site", origin.site or None)
        for name, one in inspect.signature(made).parameters.items():
            named = one.kind is inspect.Parameter.KEYWORD_ONLY
            if not named and name in inputs:
                positional.append(inputs[name](origin))
            elif name == "edits":
                positional.append(_edits(known[name]))
            elif name == "labels" and known.get(name) is not None:
                options[name] = _Code(f"{self.data(origin)}.labels")
            elif not named:
                positional.append(repr(known[name]))
            elif name == "target" and isinstance(known.get(name), list):
                options[name] = _target(known[name])
            elif known.get(name) is not None:  # also what is the default today
                options[name] = known[name]
        return positional, options


class _Code(str):
    """A value that is code already."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _functions() -> dict[str, Callable[..., Result]]:
    """Functions whose inputs are recorded: all lenses, and those of model and causal."""
    return {
        "ablate": ablate,
        "predict": predict,
        **{one.function.split(":")[1]: one.run() for one in LENSES},
    }


def _call(target: str, function: str, positional: list[str], options: Mapping[str, Any]) -> str:
    """One assignment, broken into lines where it is long."""
    parts = [*positional, *(f"{_word(name)}={value!r}" for name, value in options.items())]
    line = f"{target} = ct.{function}({', '.join(parts)})"
    if len(line) <= _WIDE:
        return line
    inside = "".join(f"    {one},\n" for one in parts)
    return f"{target} = ct.{function}(\n{inside})"


def _edits(edits: list[dict[str, Any]]) -> str:
    """Code of some edits, from their JSON."""
    made = []
    for one in edits:
        rest = ", ".join(
            f"{_word(name)}={value!r}" for name, value in one.items() if name != "edit"
        )
        made.append(f"ct.{_word(one['edit'])}({rest})")
    return f"[{', '.join(made)}]"


def _target(target: list[Any]) -> Any:
    """Class numbers, or a site and a unit, which must be a tuple."""
    return tuple(target) if target and isinstance(target[0], str) else target


def _chosen(workspace: Workspace) -> list[str]:
    """Lines for what a person chose: edits and selections."""
    lines = []
    edits = workspace.edits
    if edits:
        every = edits if isinstance(edits, (list, tuple)) else (edits,)
        lines.append(f"edits = {_edits([one.to_json() for one in every])}")
    selections = {"selection": workspace.selection} | dict(workspace.selections.items())
    for name, one in selections.items():
        if isinstance(one, Selection) and len(one) <= _IDS:
            parts = f"ids={one.ids!r}, axis={one.axis!r}, of={one.of!r}, by={one.by!r}"
            target = "selection" if name == "selection" else f"selections[{name!r}]"
            lines.append(f"{target} = ct.Selection({parts})")
    if workspace.selections:
        lines.insert(0, "selections = {}")
    return lines


def _comment(text: str) -> str:
    """A comment of one line: names come from files, and no line break may turn one into code."""
    return f"# {' '.join(text.split())}"


def _word(name: object) -> str:
    """A name that may stand in code.

    Raises
    ------
    ValueError
        If it is none: the origin of the result was not written by Cutaway.
    """
    if not (isinstance(name, str) and name.isidentifier() and not keyword.iskeyword(name)):
        raise ValueError(
            f"origin must hold names of parameters, got {name!r}; the result's file was changed"
        )
    return name
