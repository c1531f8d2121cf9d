"""The tree of a model's sites: look at types, shapes and sizes, pick sites."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Literal, Protocol, TypeAlias

import traitlets

from cutaway.core import check
from cutaway_widgets._base import View

Picked: TypeAlias = Callable[[tuple[str, ...]], None]


class SiteLike(Protocol):
    """The fields of `cutaway.model.Site` that the tree shows."""

    @property
    def path(self) -> str:
        """Dotted name of the module."""

    @property
    def type(self) -> str:
        """Class of the module."""

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Shape of the output without the sample axis; None where it has none."""

    @property
    def layout(self) -> str:
        """Meaning of the axes."""

    @property
    def n_parameters(self) -> int:
        """Parameters of the module and below."""

    @property
    def n_units(self) -> int | None:
        """Length of the unit axis; None where there is none."""


class SiteTree(View):
    """Collapsible tree of sites with check marks.

    Parameters
    ----------
    sites : Sites or sequence of Site
        What to show, in the order of the network.
    picked : iterable of str
        Paths picked at first.
    pick : "many" or "one"
        How many sites can be picked.
    pickable : collection of str or None
        Paths that can be picked; None for all.
    action : str
        Words on a button below the tree that does something with the picked sites; empty for none.
    lock : threading.RLock or None
        Held while code picks and callbacks run; pass the workspace's if callbacks take that one.
    title, caption, height
        See `View`.

    Notes
    -----
    A button of another view would not do: messages of two models may be handled out of order, and
    the work would begin with picks that are no longer those on the page. This button sends what is
    picked with the click itself.
    """

    _kind = traitlets.Unicode("site_tree").tag(sync=True)
    _sites = traitlets.List().tag(sync=True)
    _pick = traitlets.Enum(("many", "one"), "many").tag(sync=True)
    _picked = traitlets.List(traitlets.Unicode()).tag(sync=True, echo_update=False)
    action = traitlets.Unicode("").tag(sync=True)
    busy = traitlets.Bool(False, help="The action cannot be asked for now").tag(sync=True)
    # Clicks counted, and what was picked at the last: one state, so that neither comes alone.
    _asked = traitlets.Dict().tag(sync=True, echo_update=False)

    def __init__(
        self,
        sites: Sequence[SiteLike],
        *,
        picked: Iterable[str] = (),
        pick: Literal["many", "one"] = "many",
        pickable: Collection[str] | None = None,
        action: str = "",
        title: str = "",
        caption: str = "",
        height: int = 320,
        lock: Any | None = None,
    ) -> None:
        check.one_of("pick", pick, ("many", "one"))
        self._heard: list[Picked] = []
        self._acting: list[Picked] = []
        super().__init__(title=title, caption=caption, height=height, lock=lock)
        self._put({"_pick": pick, "action": action})
        self.set_sites(sites, picked=picked, pickable=pickable)

    @property
    def picked(self) -> tuple[str, ...]:
        """Paths of the picked sites, in the order of the network."""
        return self._ordered(self._picked)

    def pick(self, paths: Iterable[str]) -> None:
        """Pick these sites and no other.

        Raises
        ------
        ValueError
            If a path is unknown or cannot be picked, or several are given where one is wanted.
        """
        wanted = self._checked(paths, self._sites)
        self._put({"_picked": wanted})

    def set_sites(
        self,
        sites: Sequence[SiteLike],
        *,
        picked: Iterable[str] = (),
        pickable: Collection[str] | None = None,
    ) -> None:
        """Show another model's sites; arguments as in the constructor."""
        lines = [_line(one, pickable) for one in sites]
        wanted = self._checked(picked, lines)
        self._put({"_sites": lines, "_picked": wanted})

    def on_pick(self, callback: Picked) -> Callable[[], None]:
        """Call ``callback(paths)`` after each change; returns how to stop that."""
        self._heard.append(callback)
        return lambda: self._heard.remove(callback) if callback in self._heard else None

    def on_action(self, callback: Picked) -> Callable[[], None]:
        """Call ``callback(paths)`` when the button is pressed; returns how to stop that.

        The paths are those that were picked on the page at that click.
        """
        self._acting.append(callback)
        return lambda: self._acting.remove(callback) if callback in self._acting else None

    def act(self) -> None:
        """Press the button, as a click does."""
        count = self._asked.get("count", 0) + 1
        self._put({"_asked": {"count": count, "picked": list(self._picked)}})

    def _ordered(self, paths: Iterable[str]) -> tuple[str, ...]:
        chosen = set(paths)
        return tuple(one["path"] for one in self._sites if one["path"] in chosen)

    def _checked(self, paths: Iterable[str], lines: list[dict[str, Any]]) -> list[str]:
        wanted = list(paths)
        known = [one["path"] for one in lines if one["pickable"]]
        for one in wanted:
            if one not in known:
                near = ", ".join(check.nearest(one, known))
                raise ValueError(
                    f"picked must hold paths of pickable sites, got {one!r}; nearest are {near}"
                )
        if self._pick == "one" and len(wanted) > 1:
            raise ValueError(
                f"picked must hold one path at most, got {len(wanted)}; use pick='many'"
            )
        return wanted

    @traitlets.observe("_picked")
    def _tell(self, _change: Any) -> None:
        with self._lock:
            for callback in tuple(self._heard):
                self.guarded(callback)(self.picked)

    @traitlets.observe("_asked")
    def _ask(self, change: Any) -> None:
        with self._lock:
            if self.busy or not change["new"]:
                return
            paths = self._ordered(change["new"]["picked"])
            for callback in tuple(self._acting):
                self.guarded(callback)(paths)

    def _summary(self) -> str:
        return f"{len(self._sites)} sites, {len(self._picked)} picked"


def _line(site: SiteLike, pickable: Collection[str] | None) -> dict[str, Any]:
    return {
        "path": site.path,
        "type": site.type,
        "shape": [int(one) for one in site.shape or ()],
        "layout": site.layout,
        "parameters": int(site.n_parameters),
        "units": int(site.n_units or 0),
        "pickable": pickable is None or site.path in pickable,
    }
