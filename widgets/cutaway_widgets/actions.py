"""A heading with buttons."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import traitlets

from cutaway.core import check
from cutaway_widgets._base import View


@dataclass(frozen=True)
class Action:
    """One button.

    Parameters
    ----------
    name : str
        What a callback hears.
    label, help : str
        Words on it, and what it does.
    primary : bool
        The one to press next.
    pressed : bool or None
        State of a switch; None for a plain button.
    enabled : bool
        Whether it can be pressed.
    """

    name: str
    label: str
    help: str = ""
    primary: bool = False
    pressed: bool | None = None
    enabled: bool = True


class Actions(View):
    """Row of buttons beside a title.

    Parameters
    ----------
    items : sequence of Action
        The buttons.
    lock : threading.RLock or None
        Held while callbacks run; pass the workspace's if callbacks take that one.
    title, caption
        See `View`.
    """

    _kind = traitlets.Unicode("actions").tag(sync=True)
    _items = traitlets.List().tag(sync=True)
    # Counts clicks by name: a state, so that a click is never lost among merged messages.
    _clicks = traitlets.Dict().tag(sync=True, echo_update=False)
    said = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        items: Sequence[Action],
        *,
        title: str = "",
        caption: str = "",
        lock: Any | None = None,
    ) -> None:
        self._heard: dict[str, Callable[[], None]] = {}
        super().__init__(title=title, caption=caption, height=60, lock=lock)
        self._items_now: tuple[Action, ...] = ()
        self.set_items(items)

    def set_items(self, items: Sequence[Action]) -> None:
        """Show these buttons."""
        self._items_now = tuple(items)
        self._put({"_items": [vars(one) for one in self._items_now]})

    def change(self, name: str, **fields: Any) -> None:
        """Change some fields of one button, e.g. ``change("keep", pressed=True)``."""
        check.one_of("name", name, [one.name for one in self._items_now])
        self.set_items(
            [replace(one, **fields) if one.name == name else one for one in self._items_now]
        )

    def on_click(self, name: str, callback: Callable[[], None]) -> None:
        """Call ``callback()`` when that button is pressed."""
        check.one_of("name", name, [one.name for one in self._items_now])
        self._heard[name] = callback

    def press(self, name: str) -> None:
        """Press a button, as a click does."""
        check.one_of("name", name, [one.name for one in self._items_now])
        self._put({"_clicks": {**self._clicks, name: self._clicks.get(name, 0) + 1}})

    @traitlets.observe("_clicks")
    def _clicked(self, change: Any) -> None:
        with self._lock:
            enabled = {one.name for one in self._items_now if one.enabled}
            for name, count in change["new"].items():
                more = count > change["old"].get(name, 0) if change["old"] else count > 0
                if more and name in enabled and name in self._heard:
                    self.guarded(self._heard[name])()

    def _summary(self) -> str:
        return self.title or ", ".join(one.label for one in self._items_now)
