"""Fields of a lens, made from its signature and its numpydoc text; no list to keep beside it."""

import inspect
import re
import types
import typing
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal, Union

from cutaway.lenses import Lens
from cutaway_widgets.form import Field, Kind

_PLAIN: dict[Any, Kind] = {bool: "check", int: "whole", float: "number", str: "text"}
CLASSES = "labels"
"""A lens parameter of this name takes the classes of the data: on or off here."""


def lens_fields(lens: Lens) -> tuple[Field, ...]:
    """One field for each parameter of a lens that can be set on a page.

    Parameters
    ----------
    lens : Lens
        Its ``parameters()`` and the docstring of its function are read.

    Returns
    -------
    tuple of Field
        In the order of the signature. Parameters of other types, which take arrays or functions,
        are left out and keep their default.
    """
    function = lens.run()
    said = described(inspect.getdoc(function) or "")
    hints = typing.get_type_hints(function)
    found = (
        field_of(name, one, hints.get(name, one.annotation), said.get(name, ("", "")))
        for name, one in lens.parameters().items()
    )
    return tuple(one for one in found if one is not None)


def field_of(
    name: str, parameter: inspect.Parameter, annotation: Any, said: tuple[str, str]
) -> Field | None:
    """Field of one parameter; None if a page cannot give such a value.

    Parameters
    ----------
    name : str
        The parameter.
    parameter : inspect.Parameter
        Brings the default.
    annotation : type
        What it takes.
    said : (str, str)
        Type and description in the docstring.
    """
    words, text = said
    default = None if parameter.default is inspect.Parameter.empty else parameter.default
    if name == CLASSES and default is None:
        return Field(name, "check", default=False, help=f"Use the data's own classes. {text}")
    kinds, optional = _alternatives(annotation)
    options = _options(kinds, words)
    if options:
        shown = tuple(str(one) for one in options)
        return Field(name, "choice", default, help=text, options=shown, optional=optional)
    if len(kinds) == 1 and _of_wholes(kinds[0]):
        return Field(name, "wholes", default, help=text, optional=optional)
    kind = _plain_kind(kinds, default)
    if kind is None:
        return None
    if tuple[str, int] in kinds:
        text = f'{text} Write a unit as "conv1:3".'
    low = 0.0 if name == "seed" else None
    return Field(name, kind, default, help=text, unit=_unit(words), optional=optional, low=low)


def described(docstring: str) -> dict[str, tuple[str, str]]:
    """Type and description of each parameter in a numpydoc text, whitespace made plain.

    Parameters
    ----------
    docstring : str
        As `inspect.getdoc` gives it.
    """
    match = re.search(
        r"^Parameters\n-+\n(.*?)(?=^\S[^\n]*\n-{3,}|\Z)", docstring, re.DOTALL | re.MULTILINE
    )
    found: dict[str, tuple[str, str]] = {}
    names: list[str] = []
    for line in match[1].splitlines() if match else ():
        head = re.fullmatch(r"(\*{0,2}\w+(?:, \w+)*)(?: : (.*))?", line)
        if head:
            names = [one.strip("* ") for one in head[1].split(",")]
            found |= dict.fromkeys(names, (head[2] or "", ""))
        elif line.strip():
            for name in names:
                kind, text = found[name]
                found[name] = (kind, f"{text} {line.strip()}".strip())
    return {name: (kind, text.replace("`", "")) for name, (kind, text) in found.items()}


def mixed(lens: Lens) -> frozenset[str]:
    """Parameters that take a number or a name, as `target`, and so have a field of text."""
    hints = typing.get_type_hints(lens.run())
    return frozenset(
        name for name in lens.parameters() if _numbers_or_names(_alternatives(hints[name])[0])
    )


def arguments(
    values: Mapping[str, Any], classes: Any, mixed: Collection[str] = ()
) -> dict[str, Any]:
    """Keywords of the lens: as in the form, with the data's classes where they are asked for.

    Parameters
    ----------
    values : mapping
        What `Form.read` gave.
    classes : ndarray or None
        Labels of the data.
    mixed : collection of str
        Keywords that take a number, a name, or a site with a unit: "7", "cat", "conv1:3".

    Raises
    ------
    ValueError
        If classes are asked for and the data has none.
    """
    chosen = {
        name: _number_or_name(value) if name in mixed else value for name, value in values.items()
    }
    if CLASSES in chosen:
        wanted = chosen.pop(CLASSES)
        if wanted and classes is None:
            raise ValueError(
                f"{CLASSES} must be off for data without classes, got on; switch it off"
            )
        chosen[CLASSES] = classes if wanted else None
    return chosen


def signature_text(values: Mapping[str, Any], function: Callable[..., Any]) -> str:
    """The values that differ from the defaults, e.g. ``"k_max 3, seed 1"``; for titles."""
    given = inspect.signature(function).parameters
    parts = []
    for name, value in values.items():
        if name == CLASSES:
            parts += ["by class"] if value else []
        elif name in given and value != given[name].default:
            parts.append(f"{name} {value}")
    return ", ".join(parts)


def _alternatives(annotation: Any) -> tuple[list[Any], bool]:
    """Types that an annotation allows, and whether None is one of them."""
    if typing.get_origin(annotation) in {Union, types.UnionType}:
        every = list(typing.get_args(annotation))
        return [one for one in every if one is not types.NoneType], types.NoneType in every
    return [annotation], False


def _of_wholes(kind: Any) -> bool:
    return typing.get_origin(kind) is tuple and set(typing.get_args(kind)) <= {int, ...}


def _numbers_or_names(kinds: list[Any]) -> bool:
    # `complex` is part of numpy's ArrayLike, whose str is not meant for people.
    return {int, str} <= set(kinds) and complex not in kinds


def _plain_kind(kinds: list[Any], default: Any) -> Kind | None:
    """Field for one of several types; None if a page can give no such value."""
    if type(default) in kinds and type(default) in _PLAIN:
        return _PLAIN[type(default)]
    if _numbers_or_names(kinds):
        return "text"
    plain = [one for one in kinds if one in _PLAIN]
    return _PLAIN[plain[0]] if len(plain) == 1 else None


def _number_or_name(text: str | None) -> Any:
    if not text:
        return None
    unit = re.fullmatch(r"(.+):(\d+)", text)
    if unit:
        return (unit[1], int(unit[2]))
    return int(text) if re.fullmatch(r"\d+", text) else text


def _options(kinds: list[Any], words: str) -> tuple[str, ...]:
    """Values of a Literal, else those that the docstring names in braces."""
    if kinds and all(typing.get_origin(one) is Literal for one in kinds):
        return tuple(str(value) for one in kinds for value in typing.get_args(one))
    braces = re.match(r"\{([^}]*)\}", words)
    if braces is None or kinds != [str]:
        return ()
    return tuple(one.strip().strip("\"'") for one in braces[1].split(","))


def _unit(words: str) -> str:
    """Unit in the docstring's type, as in ``"float, in nats"``."""
    match = re.search(r", in ([\w°%/²·-]+)$", words)
    return match[1] if match else ""
