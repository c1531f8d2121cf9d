"""Where a result comes from: the caption under a view and the key of the cache."""

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from importlib import metadata
from typing import Any

from cutaway.core import digest

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
        return " · ".join(one for one in parts if one)

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
        """Origin from `to_json`'s object; unknown keys are refused by the constructor."""
        return cls(**value)
