"""Where a result comes from: the caption under a view and the key of the cache."""

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from importlib import metadata
from typing import Any

from cutaway.core import digest

# What each field is in a file.
_JSON_KINDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("function", "model", "weights", "site", "data", "rows", "content"), str),
    **dict.fromkeys(("parameters", "versions", "given"), dict),
    "seed": (int, type(None)),
    "seconds": (int, float),
}
_LIBRARIES = ("numpy", "torch", "scikit-learn")


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that numbers depend on, as installed."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@dataclass(frozen=True, eq=False)
class Origin:
    """Everything needed to say, and to repeat, how a result was made.

    Parameters
    ----------
    function : str
        Public name of the function, e.g. ``"screen_filters"``.
    parameters : mapping
        Its parameters that matter, JSON values only.
    model, weights : str
        Name of the model and digest of its weights; empty when no model took part.
    site : str
        Site or sites, comma-separated.
    data, rows, content : str
        Name of the data set, digest of its ids, and digest of what its samples held when they were
        read; empty where no data took part.
    seed : int or None
        Seed of the function's random generator.
    versions : mapping of str to str
        Library versions; not part of the digest.
    seconds : float
        Time the computation took; not part of the digest.
    given : mapping
        What came before, as JSON, for code that repeats it: ``"model"`` and ``"data"`` hold how
        each was loaded (None for a live object; not part of the digest), ``"capture"`` the
        parameters of the capture that a lens read.
    """

    function: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    model: str = ""
    weights: str = ""
    site: str = ""
    data: str = ""
    rows: str = ""
    content: str = ""
    seed: int | None = None
    versions: Mapping[str, str] = field(default_factory=versions)
    seconds: float = 0.0
    given: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """Key of the cache: equal for two runs that must give equal numbers on one machine."""
        aside = {"versions", "seconds", "given"}
        same = {k: v for k, v in self.to_json().items() if k not in aside}
        if self.function != "capture" and "capture" in self.given:  # other pooling, other numbers
            same["capture"] = self.given["capture"]
        return digest.of_json(same)

    def caption(self) -> str:
        """One line for the foot of a view, e.g. ``"lenet5 · conv1 · digits · seed 0 · 1.2 s"``."""
        parts = [self.function, self.model, self.site, self.data]
        if self.seed is not None:
            parts.append(f"seed {self.seed}")
        if self.seconds:
            parts.append(f"{self.seconds:.2g} s")
        line = " · ".join(part for part in parts if part)
        # One line, whatever a name holds: names come from files.
        return "".join(letter if letter.isprintable() else " " for letter in line)

    def after(self, seconds: float) -> "Origin":
        """Same origin with the time the computation took."""
        return replace(self, seconds=float(seconds))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON object of all fields."""
        return asdict(self) | {
            "parameters": dict(self.parameters),
            "versions": dict(self.versions),
            "given": dict(self.given),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Origin":
        """Origin from `to_json`'s object; keys that it lacks keep their defaults.

        Raises
        ------
        ValueError
            If a key is unknown, or a value is of another kind.
        """
        for name, entry in value.items():
            kind = _JSON_KINDS.get(name)
            if kind is None:
                raise ValueError(f"origin must hold {', '.join(_JSON_KINDS)}, got {name!r}")
            fits = isinstance(entry, kind) and not isinstance(entry, bool)
            if not fits or (name == "seconds" and not abs(entry) < 2**63):
                raise ValueError(f"origin holds {name} of type {type(entry).__name__}")
        if "function" not in value:
            raise ValueError("origin does not say which function made it")
        if not all(isinstance(version, str) for version in value.get("versions", {}).values()):
            raise ValueError("origin holds versions that are no text")
        for slot in ("model", "data"):
            _check_source(slot, value.get("given", {}).get(slot))
        return cls(**value)


def _check_source(slot: str, value: object) -> None:
    """Refuse what does not say, as JSON, how a model or data set was loaded."""
    if value is None:
        return
    source = value.get("source") if isinstance(value, dict) else None
    if not isinstance(source, str) or "\0" in source:
        raise ValueError(f"origin does not say where its {slot} was")
