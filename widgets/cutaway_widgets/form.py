"""Settings as labelled fields: each says what it takes, and what is wrong with what it got."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import traitlets
from ipywidgets import widget_serialization

from cutaway.core import check
from cutaway_widgets._base import View

Kind: TypeAlias = Literal["choice", "check", "whole", "number", "text", "wholes"]
Submitted: TypeAlias = Callable[[dict[str, Any]], None]
KINDS = ("choice", "check", "whole", "number", "text", "wholes")


@dataclass(frozen=True)
class Field:
    """One setting of a form.

    Parameters
    ----------
    name : str
        Key of its value; the start of its error line.
    kind : str
        "choice" of options, "check" for yes or no, "whole" number, "number", "text", or "wholes":
        whole numbers with commas between them, as a tuple.
    default : object
        Value to start from and to reset to; None or "" for nothing.
    label, help, unit : str
        Words beside it; the label is the name where empty.
    options : tuple of str
        Values of a choice.
    titles : tuple of str
        How the options are shown; as they are where empty.
    optional : bool
        Nothing is a value too: None.
    low, high : float or None
        Least and largest number.
    """

    name: str
    kind: Kind
    default: Any = ""
    label: str = ""
    help: str = ""
    unit: str = ""
    options: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()
    optional: bool = False
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        """Check the kind and the options."""
        check.one_of("kind", self.kind, KINDS)
        if self.titles:
            check.same_length("titles", len(self.titles), "options", len(self.options))

    def shown(self, value: Any) -> str | bool:
        """Text of a value as the field holds it; a check holds a bool."""
        if self.kind == "check":
            return bool(value)
        if value is None:
            return ""
        if isinstance(value, tuple | list):
            return ", ".join(str(one) for one in value)
        return str(value)

    def parse(self, raw: str | bool) -> Any:
        """Value of what stands in the field.

        Raises
        ------
        ValueError
            If it is none; the line begins with the field's name.
        """
        if self.kind == "check":
            return bool(raw)
        text = str(raw).strip()
        if not text:
            if self.optional:
                return None
            raise ValueError(f"{self.name} must be {self.expected}, got nothing; fill it in")
        try:
            value = self._value(text)
        except ValueError:
            raise ValueError(
                f"{self.name} must be {self.expected}, got {text}; {self._remedy}"
            ) from None
        return value

    @property
    def expected(self) -> str:
        """What the field takes, in words."""
        if self.kind == "choice":
            return f"one of {', '.join(self.options)}"
        if self.kind == "wholes":
            return "whole numbers with commas between them"
        if self.kind == "text":
            return "a text"
        said = "a whole number" if self.kind == "whole" else "a number"
        if self.low is not None and self.high is not None:
            return f"{said} from {self.low:g} to {self.high:g}"
        if self.low is not None:
            return f"{said}, {self.low:g} or more"
        return said if self.high is None else f"{said}, {self.high:g} or less"

    @property
    def _remedy(self) -> str:
        text = self.shown(self.default)
        return f"e.g. {text}" if text else "correct it"

    def _value(self, text: str) -> Any:
        if self.kind == "choice":
            if text not in self.options:
                raise ValueError
            return text
        if self.kind == "wholes":
            return tuple(_whole(one) for one in text.split(","))
        if self.kind == "text":
            return text
        value = _whole(text) if self.kind == "whole" else _number(text)
        if not (self.low is None or value >= self.low) or not (
            self.high is None or value <= self.high
        ):
            raise ValueError
        return value

    def wire(self) -> dict[str, Any]:
        """As the browser gets it."""
        names = self.titles or self.options
        pairs = zip(self.options, names, strict=True)
        return {
            "name": self.name,
            "kind": self.kind,
            "label": self.label or self.name,
            "help": self.help,
            "unit": self.unit,
            "options": [{"value": one, "label": title} for one, title in pairs],
            "optional": self.optional,
            "low": self.low,
            "high": self.high,
            "default": self.shown(self.default),
        }


class Form(View):
    """Fields with a button; values are checked in the browser, and again here.

    Parameters
    ----------
    fields : sequence of Field
        What can be set, in order.
    submit : str
        Word on the button; empty for none.
    beside : mapping of str to (View, str) or None
        States of other views that a submission is about, as (view, name of its synced trait): the
        page sends them along, because JupyterLab may bring the messages of two views out of order.
    lock : threading.RLock or None
        Held while callbacks run; pass the workspace's if callbacks take that one.
    title, caption
        See `View`.
    """

    _kind = traitlets.Unicode("form").tag(sync=True)
    _fields = traitlets.List().tag(sync=True)
    _values = traitlets.Dict().tag(sync=True, echo_update=False)
    _errors = traitlets.Dict().tag(sync=True, echo_update=False)
    # Counts submissions in the browser: a state, so that none is lost among merged messages.
    _submits = traitlets.Int(0).tag(sync=True, echo_update=False)
    _beside = traitlets.Dict().tag(sync=True, **widget_serialization)
    _seen = traitlets.Dict().tag(sync=True, echo_update=False)
    submit = traitlets.Unicode("").tag(sync=True)
    busy = traitlets.Bool(False).tag(sync=True)
    note = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        fields: Sequence[Field],
        *,
        submit: str = "Apply",
        title: str = "",
        caption: str = "",
        beside: Mapping[str, tuple[View, str]] | None = None,
        lock: Any | None = None,
    ) -> None:
        self._heard: list[Submitted] = []
        self._changed: list[Callable[[], None]] = []
        self.fields: tuple[Field, ...] = ()
        super().__init__(title=title, caption=caption, height=60, lock=lock)
        self.submit = submit
        self._beside = {name: list(pair) for name, pair in (beside or {}).items()}
        self.set_fields(fields)

    def set_fields(self, fields: Sequence[Field], values: Mapping[str, Any] | None = None) -> None:
        """Show other fields; `values` start some of them away from their default."""
        self.fields = tuple(fields)
        given = values or {}
        self._put(
            {
                "_fields": [one.wire() for one in self.fields],
                "_values": {
                    one.name: one.shown(given.get(one.name, one.default)) for one in self.fields
                },
                "_errors": {},
            }
        )

    def set_values(self, **values: Any) -> None:
        """Put values into some fields.

        Raises
        ------
        ValueError
            If there is no such field.
        """
        known = {one.name: one for one in self.fields}
        for name in values:
            check.one_of("field", name, list(known))
        fresh = {name: known[name].shown(value) for name, value in values.items()}
        left = {name: text for name, text in self._errors.items() if name not in fresh}
        self._put({"_values": {**self._values, **fresh}, "_errors": left})

    @property
    def raw(self) -> dict[str, str | bool]:
        """What stands in the fields, unchecked."""
        return {one.name: self._values.get(one.name, one.shown(one.default)) for one in self.fields}

    @property
    def errors(self) -> dict[str, str]:
        """Error lines by field name."""
        return dict(self._errors)

    @property
    def seen(self) -> dict[str, Any]:
        """What the views beside showed in the page when it was submitted; empty from code."""
        return dict(self._seen)

    def read(self) -> dict[str, Any] | None:
        """Values by field name; None if a field is wrong, which then says so."""
        values: dict[str, Any] = {}
        errors: dict[str, str] = {}
        for one in self.fields:
            try:
                values[one.name] = one.parse(self.raw[one.name])
            except ValueError as error:
                errors[one.name] = str(error)
        self._put({"_errors": errors})
        return None if errors else values

    def blame(self, error: str, *, otherwise: str = "") -> bool:
        """Show an error at the field whose name it begins with.

        Parameters
        ----------
        error : str
            One line such as ``"k_max must be 2..20, got 50; …"``, perhaps after its type.
        otherwise : str
            Field to show it at where it names none; empty for nowhere.

        Returns
        -------
        bool
            Whether a field shows it.
        """
        line = re.sub(r"^\w*(?:Error|Exception): ", "", error)
        names = [one.name for one in self.fields]
        name = next((one for one in names if line.startswith(f"{one} ")), otherwise)
        if name not in names:
            return False
        self._put({"_errors": {**self._errors, name: line}})
        return True

    def on_submit(self, callback: Submitted) -> Callable[[], None]:
        """Call ``callback(values)`` when submitted with good values; returns how to stop that."""
        self._heard.append(callback)
        return lambda: self._heard.remove(callback) if callback in self._heard else None

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback()`` when a value changes; returns how to stop that."""
        self._changed.append(callback)
        return lambda: self._changed.remove(callback) if callback in self._changed else None

    def send(self) -> None:
        """Submit, as the button does."""
        self._put({"_seen": {}, "_submits": self._submits + 1})

    @traitlets.observe("_submits")
    def _submitted(self, _change: Any) -> None:
        with self._lock:
            values = self.read()
            if values is not None:
                for callback in tuple(self._heard):
                    self.guarded(callback)(values)

    @traitlets.observe("_values")
    def _edited(self, _change: Any) -> None:
        with self._lock:
            for callback in tuple(self._changed):
                self.guarded(callback)()

    def _summary(self) -> str:
        return self.title or ", ".join(one.name for one in self.fields)


def _whole(text: str) -> int:
    if not re.fullmatch(r"\s*[+-]?\d+\s*", text):
        raise ValueError(text)
    return int(text)


def _number(text: str) -> float:
    # float() also takes "nan", "inf" and "1_0", which nobody means here.
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text):
        raise ValueError(text)
    return float(text)
