"""One addressable output of a network, and the tree of all of them."""

import html
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import overload

import pandas as pd
from torch import nn

from cutaway.core import check
from cutaway.model.errors import UnknownSite


@dataclass(frozen=True)
class Site:
    """The output of one module.

    Attributes
    ----------
    path : str
        Name in ``module.named_modules()``; "" is the whole model. ``"relu#2"`` is the second call
        of a module that runs more than once.
    type : str
        Class name of the module.
    shape : tuple of int or None
        Shape of the output without the sample axis; None if the module was not called or returns
        no tensor.
    layout : str
        Meaning of all axes, the sample axis included, e.g. "n c h w", "n t d"; begins with 1 if all
        samples share the output ("1 t d"). See `cutaway.model.layout`.
    n_parameters : int
        Parameters in the module and below. A parameter that several modules share is counted in
        the first of them only.
    n_units : int or None
        Length of the unit axis (channels or features).
    unit_axis : int or None
        Place of the unit axis, the sample axis counted.
    depth : int
        0 for the whole model, 1 for its parts, and so on.
    n_calls : int
        How often one forward pass calls the module; 0: it is not called.
    output : str
        Which part of the module's output is read: "tensor", "tuple[0]", "dict[key]"; "none" if it
        returns no tensor, "not called" if it did not run.
    children : bool
        True if the module contains others.
    """

    path: str
    type: str
    shape: tuple[int, ...] | None
    layout: str
    n_parameters: int
    n_units: int | None
    unit_axis: int | None
    depth: int
    n_calls: int
    output: str
    children: bool

    @property
    def label(self) -> str:
        """Path for people: the whole model is called "(model)"."""
        return self.path or "(model)"

    def __str__(self) -> str:
        shape = "×".join(map(str, self.shape)) if self.shape is not None else self.output
        calls = f", {self.n_calls} calls" if self.n_calls > 1 else ""
        return f"{self.label} ({self.type}) {shape or 'one number'}{calls}"


@dataclass(frozen=True, eq=False, repr=False)
class Sites(Sequence[Site]):
    """Sites of one model in the order of its tree; made by `sites`.

    ``sites["conv1"]`` is one `Site`; ``sites["conv*"]``, a slice, or a list of paths, patterns and
    places is a `Sites`. In patterns, as in paths of files, ``*`` and ``?`` stay inside one part of
    a path and ``**`` stands for any number of parts: ``"features.*"`` are the children of
    `features`, ``"features.**"`` is `features` with all below it, ``"**.conv1"`` is every `conv1`
    at any depth.

    Parameters
    ----------
    every : tuple of Site
        The sites.
    calls : mapping of str to Site
        Later calls of modules that run more than once ("relu#2"), and other names of shared ones.
    names : mapping of str to tuple of str
        Class names, own and inherited, by path.
    """

    every: tuple[Site, ...]
    calls: Mapping[str, Site] = field(default_factory=dict)
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.every)

    def __iter__(self) -> Iterator[Site]:
        return iter(self.every)

    def __contains__(self, one: object) -> bool:
        return one in self.every or one in self.paths or one in self.calls

    @overload
    def __getitem__(self, key: int) -> Site: ...
    @overload
    def __getitem__(self, key: slice | list[str] | list[int]) -> "Sites": ...
    @overload
    def __getitem__(self, key: str) -> "Site | Sites": ...
    def __getitem__(self, key: int | slice | list[str] | list[int] | str) -> "Site | Sites":
        """Site of an exact path or place; Sites of a pattern, a slice or a list."""
        if isinstance(key, str):
            return self.glob(key) if _is_pattern(key) else self.one(key)
        if isinstance(key, slice):
            return self._only(self.every[key])
        if isinstance(key, (list, tuple)):
            found: list[Site] = []
            for one in key:
                part = self[one]
                found += [part] if isinstance(part, Site) else part.every
            return self._only(dict.fromkeys(found))
        try:
            return self.every[key]
        except IndexError:
            raise IndexError(
                f"place must lie in 0..{len(self) - 1}, got {key}; the sites are counted from 0"
            ) from None

    def one(self, path: str) -> Site:
        """The site of an exact path.

        Raises
        ------
        UnknownSite
            If there is none; names the three nearest paths.
        """
        for site in self.every:
            if site.path == path:
                return site
        if path in self.calls:
            return self.calls[path]
        raise UnknownSite(self._unknown("path", path))

    def glob(self, pattern: str) -> "Sites":
        """Sites whose path matches a pattern; see the class for ``*`` and ``**``.

        Raises
        ------
        UnknownSite
            If none does.
        """
        matcher = re.compile(_expression(pattern))
        found = [
            site for site in self.every if matcher.fullmatch(f".{site.path}" if site.path else "")
        ]
        if not found:
            raise UnknownSite(self._unknown("pattern", pattern))
        return self._only(found)

    def of_type(self, *types: str | type[nn.Module]) -> "Sites":
        """Sites of modules of some class or a subclass of it, given as a class or by its name."""
        wanted = {one if isinstance(one, str) else one.__name__ for one in types}
        return self._only(site for site in self.every if wanted & {site.type, *self._names(site)})

    def where(self, predicate: Callable[[Site], bool]) -> "Sites":
        """Sites for which a function says True."""
        return self._only(site for site in self.every if predicate(site))

    def calls_of(self, path: str) -> "Sites":
        """All calls of a module in one forward pass: "relu", "relu#2", ….

        Raises
        ------
        UnknownSite
            If there is no such site.
        """
        first = self.one(path)
        later = [self.calls[f"{first.path}#{i}"] for i in range(2, first.n_calls + 1)]
        return self._only([first, *later])

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths, in order."""
        return tuple(site.path for site in self.every)

    @property
    def leaves(self) -> "Sites":
        """Sites of modules that contain no others."""
        return self._only(site for site in self.every if not site.children)

    def to_frame(self) -> pd.DataFrame:
        """One line a site, by path."""
        columns = [
            "type",
            "shape",
            "layout",
            "n_units",
            "n_parameters",
            "n_calls",
            "output",
            "depth",
        ]
        rows = [[getattr(site, name) for name in columns] for site in self.every]
        frame = pd.DataFrame(rows, columns=columns, index=pd.Index(self.paths, name="path"))
        return frame.astype({"n_units": "Int64"})

    def _only(self, some: Iterable[Site]) -> "Sites":
        return replace(self, every=tuple(some))

    def _names(self, site: Site) -> tuple[str, ...]:
        return self.names.get(site.path.partition("#")[0], ())

    def _unknown(self, name: str, got: str) -> str:
        near = check.nearest(got, [*self.paths, *self.calls])
        nearest = ", ".join(repr(one) for one in near) or "none: there are no sites"
        return f"{name} must be a site of the model, got {got!r}; nearest: {nearest}"

    def __repr__(self) -> str:
        return "\n".join([f"Sites({len(self)})", *("  " * one.depth + _line(one) for one in self)])

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"


def _is_pattern(path: str) -> bool:
    return any(letter in path for letter in "*?[")


def _expression(pattern: str) -> str:
    """Regular expression over a path written with a dot before each part (the root is "")."""
    parts = []
    for part in pattern.split("."):
        if part == "**":
            parts.append(r"(\.[^.]+)*")
            continue
        letters = re.escape(part).replace(r"\*", "[^.]*").replace(r"\?", "[^.]")
        parts.append(r"\." + re.sub(r"\\\[(.+?)\\\]", r"[\1]", letters))
    return "".join(parts)


def _line(site: Site) -> str:
    """One line of the tree: last part of the path, type, shape, layout, parameters, remarks."""
    name = site.path.rpartition(".")[2] or "(model)"
    shape = "×".join(map(str, site.shape)) if site.shape is not None else site.output
    remarks = [f"{site.n_parameters:,}"] if site.n_parameters else []
    remarks += [f"{site.n_calls} calls"] if site.n_calls > 1 else []
    remarks += [site.output] if site.output not in {"tensor", "none", "not called"} else []
    return "  ".join([f"{name}: {site.type}", shape, f"[{site.layout}]", *remarks])
