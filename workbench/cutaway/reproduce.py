"""Python source that makes results again: load, capture, run, and compare the digests."""

import ast
import inspect
import keyword
import math
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cutaway.causal import ablate
from cutaway.core import Origin, Result, digest
from cutaway.core.selection import Selection
from cutaway.data import content_of, load_data
from cutaway.lenses import LENSES
from cutaway.model import capture, load_model, predict
from cutaway.model.edits import Edit
from cutaway.workspace import Workspace

_WIDE = 96  # characters of a call on one line
_IDS = 1000  # of a selection that are written out
_EDITS = ("Zero", "Mean", "Replace", "ProjectOut", "Steer")
# Arguments that no file may name: what runs code, writes files, or comes first without a name.
_NEVER = frozenset({"trust", "store", "tick", "source", "example", "device"})
_REMEDY = "the file of the result was changed: take it from a copy"

# What a script may read of a variable, to compare it.
_READ = ("digest", "values_digest", "index.digest", "rows.digest", "content")
# Names that no result of a script may have.
_RESERVED = frozenset({"ct", "same", "SystemExit", "selections"})

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
    ValueError
        If an origin holds something else than names and values of parameters: its file was changed.

    Notes
    -----
    Whatever an origin says, the script holds calls of a fixed list of functions with literals as
    arguments, and never ``trust=True``; the finished script is checked for this. Digests are equal
    on one machine and library set; another may round differently.
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
        try:
            script.add(name, result)
        except (KeyError, TypeError, AttributeError) as error:
            why = f"{type(error).__name__}: {error}"
            raise ValueError(
                f"origin must say how a result was made, got {name!r} without it ({why[:100]}); "
                f"{_REMEDY}"
            ) from error
    code = "\n".join([_HEAD, *script.lines, *tail]).rstrip() + "\n"
    _check_script(code)
    return code


def _name_of(result: Result) -> str:
    for lens in LENSES:
        if lens.function.split(":")[1] == result.origin.function:
            return lens.name
    return {"ablate": "effect", "predict": "predictions"}.get(result.origin.function, "result")


def _alone(workspace: Workspace, slot: str) -> tuple[str, str, Any, str] | None:
    """Name, digest, source and content of a slot of the workspace, as origins state them."""
    value = getattr(workspace, slot)
    if value is None:
        return None
    known = value.index.digest if slot == "data" else value.digest
    content = content_of(value) if slot == "data" else ""
    return value.name, known, workspace.sources[slot], content


@dataclass
class _Script:
    """Lines so far, and the variables in them by what they hold."""

    lines: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    supplied: set[str] = field(default_factory=set)

    def variable(self, key: str, wish: str) -> str:
        """A name that no other key has."""
        # Python reads names in this form: letters of another kind must not become `ct`.
        letters = unicodedata.normalize("NFKC", wish)
        plain = "".join(c if f"a{c}".isidentifier() else "_" for c in letters).strip("_")
        plain = unicodedata.normalize("NFKC", plain[:60]) or "result"
        plain = plain if plain.isidentifier() else f"_{plain}"
        taken = {*self.names.values(), *_RESERVED}
        name, count = plain, 1
        while name in taken or keyword.iskeyword(name):
            count += 1
            name = f"{plain}_{count}"
        self.names[key] = name
        return name

    def loaded(
        self,
        slot: str,
        title: str,
        known: str,
        given: Mapping[str, Any] | None,
        content: str = "",
    ) -> str:
        """Variable of a model or data set; written at its first use."""
        key = f"{slot} {known}"
        if key in self.names:
            return self.names[key]
        name = self.variable(key, slot)
        if given is None:
            self.supplied.add(name)
            self.lines += [
                _comment(f"SUPPLY the {slot} {title!r} (digest {known}): it was a live object"),
                f"{name} = None",
            ]
        else:
            arguments = {
                name: tuple(value) if isinstance(value, list) else value
                for name, value in given.items()
                if name not in {"source", "trust"}
            }
            source = given["source"]
            if not isinstance(source, str):
                raise TypeError(f"source of {slot} is {type(source).__name__}")
            if given.get("trust"):
                self.lines.append(_comment("needs trust=True: this file can run code when read"))
            self.lines.append(_call(name, f"load_{slot}", [_literal(source)], arguments))
        inner = "index.digest" if slot == "data" else "digest"
        got = f"{name} and {name}.{inner}" if given is None else f"{name}.{inner}"
        self.lines.append(f"same({name!r}, {got}, {_literal(known)})")
        if content:
            got = f"{name} and {name}.content" if given is None else f"{name}.content"
            self.lines.append(f"same('content of {name}', {got}, {_literal(content)})")
        self.lines.append("")
        return name

    def model(self, origin: Origin) -> str:
        return self.loaded("model", origin.model, origin.weights, origin.given.get("model"))

    def data(self, origin: Origin) -> str:
        # A result about a part of the data says what the whole was.
        known = origin.given.get("rows", origin.rows)
        content = origin.given.get("content", "" if "rows" in origin.given else origin.content)
        return self.loaded("data", origin.data, known, origin.given.get("data"), content)

    def activations(self, origin: Origin) -> str:
        """Variable of the activations that a lens read."""
        capture = origin.given.get("capture")
        where = origin.site if capture is None else ""
        key = "acts " + digest.of_json([origin.weights, origin.rows, capture, where])
        if key in self.names:
            return self.names[key]
        edited = capture is not None and bool(capture.get("edits"))
        if capture is None or edited:
            name = self.variable(key, "acts")
            why = "they were captured inside edited(...)" if edited else "no capture made them"
            self.supplied.add(name)
            self.lines += [
                _comment(f"SUPPLY the activations of {origin.site!r}; {why}"),
                f"{name} = None",
                f"same({name!r}, {name} and {name}.rows.digest, {_literal(origin.rows)})",
                "",
            ]
            return name
        model, data = self.model(origin), self.data(origin)
        name = self.variable(key, "acts")
        if {model, data} & self.supplied:
            self.supplied.add(name)
        options = {key: value for key, value in capture.items() if key != "sites"}
        sites = _literal(capture["sites"])
        self.lines += [_call(name, "capture", [model, data, sites], options | {"show": None}), ""]
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
        # What a person supplies may bear another name, which the digest covers too.
        values_only = bool(set(arguments) & self.supplied)
        of = "values_digest" if values_only else "digest"
        self.lines += [
            _comment(f"{wish}: {origin.caption()}"),
            _comment(f"made with {versions}"),
            _call(name, origin.function, arguments, options),
            f"same({name!r}, {name}.{of}, {_literal(getattr(result, of))})",
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
                positional.append(_literal(known[name]))
            elif name == "target" and isinstance(known.get(name), list):
                options[name] = _target(known[name])
            elif known.get(name) is not None:  # also what is the default today
                options[name] = known[name]
        return positional, options


class _Code(str):
    """A value that is code already."""

    __slots__ = ()


def _literal(value: Any) -> str:
    """Code of a value that Python reads back without computing anything.

    Raises
    ------
    ValueError
        If there is none: the value is no number, text, list or mapping of them, or NaN.
    """
    if isinstance(value, _Code):
        return str(value)
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return repr(value)
    if isinstance(value, float):
        if math.isnan(value):
            raise ValueError(f"origin must hold values that code can state, got NaN; {_REMEDY}")
        return repr(value) if math.isfinite(value) else ("1e999" if value > 0 else "-1e999")
    if isinstance(value, (list, tuple)):
        inside = ", ".join(map(_literal, value))
        if isinstance(value, list):
            return f"[{inside}]"
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_literal(k)}: {_literal(v)}' for k, v in value.items())}}}"
    raise ValueError(
        f"origin must hold numbers, texts and lists of them, got {type(value).__name__}; {_REMEDY}"
    )


def _functions() -> dict[str, Callable[..., Result]]:
    """Functions whose inputs are recorded: all lenses, and those of model and causal."""
    return {
        "ablate": ablate,
        "predict": predict,
        **{one.function.split(":")[1]: one.run() for one in LENSES},
    }


def _call(target: str, function: str, positional: list[str], options: Mapping[str, Any]) -> str:
    """One assignment, broken into lines where it is long."""
    _check_names(function, options)
    parts = [*positional, *(f"{name}={_literal(value)}" for name, value in options.items())]
    line = f"{target} = ct.{function}({', '.join(parts)})"
    if len(line) <= _WIDE:
        return line
    inside = "".join(f"    {one},\n" for one in parts)
    return f"{target} = ct.{function}(\n{inside})"


def _edits(edits: Any) -> str:
    """Code of some edits, from their JSON."""
    made = []
    for entry in edits if isinstance(edits, list) else [edits]:
        if not isinstance(entry, Mapping) or entry.get("edit") not in _EDITS:
            kind = entry.get("edit") if isinstance(entry, Mapping) else type(entry).__name__
            raise ValueError(
                f"origin must hold names of parameters, got {str(kind)[:60]!r} instead of an edit "
                f"({', '.join(_EDITS)}); {_REMEDY}"
            )
        rest = {name: value for name, value in entry.items() if name != "edit"}
        _check_names(entry["edit"], rest)
        Edit.from_json(entry)  # whose own checks say what is wrong with a value
        inside = ", ".join(f"{name}={_literal(value)}" for name, value in rest.items())
        made.append(f"ct.{entry['edit']}({inside})")
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
        lines.append(f"edits = {_edits([edit.to_json() for edit in every])}")
    selections = {"selection": workspace.selection} | dict(workspace.selections.items())
    for name, one in selections.items():
        if isinstance(one, Selection) and len(one) <= _IDS:
            target = "selection" if name == "selection" else f"selections[{name!r}]"
            lines.append(_call(target, "Selection", [], vars(one)))
    if workspace.selections:
        lines.insert(0, "selections = {}")
    return lines


def _comment(text: str) -> str:
    """A comment of one line: names come from files, and no line break may turn one into code."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return f"# {' '.join(plain.split())}"


def _parameters(function: str) -> frozenset[str]:
    """Names of the arguments that the script may give a function by name.

    Raises
    ------
    ValueError
        If the function is none of the fixed list.
    """
    if function in _EDITS:
        made: Any = Edit.kinds[function]
        return frozenset(inspect.signature(made).parameters)
    if function == "Selection":
        return frozenset(inspect.signature(Selection).parameters)
    loading: dict[str, Callable[..., Any]] = {
        "load_model": load_model,
        "load_data": load_data,
        "capture": capture,
    }
    found = loading.get(function) or _functions().get(function)
    if found is None:
        raise ValueError(f"origin must name a function of Cutaway, got {function!r}; {_REMEDY}")
    return frozenset(inspect.signature(found).parameters) - _NEVER


def _check_names(function: str, names: Mapping[str, Any]) -> None:
    """Refuse arguments that a function does not have, or that no script may give it."""
    allowed = _parameters(function)
    for name in names:
        if name not in allowed:
            raise ValueError(
                f"origin must hold names of parameters, got {str(name)[:60]!r} for {function}; "
                f"{_REMEDY}"
            )


# --- what a finished script may be -------------------------------------------------------------


def _check_script(code: str) -> None:
    """Refuse a script that is anything else than the calls it may hold.

    The writers above only make such scripts; this one does not rely on them.
    """
    try:
        body = ast.parse(code).body
        head = ast.parse(_HEAD).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _not_plain(f"no Python: {error}") from error
    for statement, expected in zip(body, head, strict=False):
        if ast.dump(statement) != ast.dump(expected):
            raise _not_plain(ast.unparse(statement))
    known = {"ct", "same"}
    for statement in body[len(head) :]:
        if not _is_allowed(statement, known):
            raise _not_plain(ast.unparse(statement))


def _not_plain(what: str) -> ValueError:
    return ValueError(
        "code must be calls of Cutaway's functions with plain values, got "
        f"{' '.join(what.split())[:100]!r}; {_REMEDY}"
    )


def _is_allowed(statement: ast.stmt, known: set[str]) -> bool:
    """Whether it is one of the statements of a script; `known` are the names that exist."""
    if isinstance(statement, ast.Expr):
        return _is_comparison(statement.value, known)
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return False
    target, value = statement.targets[0], statement.value
    if isinstance(target, ast.Subscript):
        named = isinstance(target.value, ast.Name) and target.value.id == "selections" in known
        return named and _is_constant(target.slice, str) and _is_call(value, ("Selection",), known)
    if not isinstance(target, ast.Name):
        return False
    empty = isinstance(value, ast.Dict) and not value.keys
    if target.id in _RESERVED:  # the one that is made by the script itself
        known.add(target.id)
        return target.id == "selections" and empty
    empty |= _is_constant(value, type(None))
    functions = ("load_model", "load_data", "capture", "Selection", *_functions())
    fine = empty or _is_edits(value) or _is_call(value, functions, known)
    known.add(target.id)
    return fine


def _is_constant(node: ast.AST, kind: type) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, kind)


def _is_comparison(node: ast.expr, known: set[str]) -> bool:
    """``same('name', name.digest, '0123')``."""
    if not isinstance(node, ast.Call) or node.keywords or len(node.args) != 3:
        return False
    title, got, digits = node.args
    if isinstance(got, ast.BoolOp):
        first, got = got.values[0], got.values[-1]
        if not (isinstance(first, ast.Name) and first.id in known):
            return False
    return (
        isinstance(node.func, ast.Name)
        and node.func.id == "same"
        and _is_constant(title, str)
        and _is_constant(digits, str)
        and _is_reading(got, _READ, known)
    )


def _is_reading(node: ast.expr, attributes: tuple[str, ...], known: set[str]) -> bool:
    """A known variable's attribute, of a few."""
    name, _, rest = ast.unparse(node).partition(".")
    return isinstance(node, ast.Attribute) and name in known and rest in attributes


def _is_edits(node: ast.expr) -> bool:
    return isinstance(node, ast.List) and all(_is_call(call, _EDITS, set()) for call in node.elts)


def _is_call(node: ast.expr, functions: tuple[str, ...], known: set[str]) -> bool:
    """``ct.FUNCTION(…)`` of literals, known variables and edits."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    function = node.func.attr
    of_ct = isinstance(node.func.value, ast.Name) and node.func.value.id == "ct"
    if not of_ct or function not in functions:
        return False
    allowed = _parameters(function)
    for argument in node.args:
        variable = isinstance(argument, ast.Name) and argument.id in known - _RESERVED
        if not (variable or _is_edits(argument) or _is_literal(argument)):
            return False
    for word in node.keywords:
        plain = _is_literal(word.value) or _is_reading(word.value, ("labels",), known)
        if word.arg not in allowed or not plain:
            return False
    return True


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, MemoryError, RecursionError):
        return False
    return True
