"""The area of results: a card each, side by side, on the same selections."""

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ipywidgets

from cutaway.causal import Effect
from cutaway.core import Index, Result
from cutaway.filters import FilterScreen
from cutaway.lenses import LENSES
from cutaway_widgets._link import one_line
from cutaway_widgets.actions import Action, Actions
from cutaway_widgets.explorers import (
    _attribution_views,  # noqa: F401 - registers its views
    _effect_views,  # noqa: F401 - registers its views
    _observable_results,  # noqa: F401 - registers its views
)
from cutaway_widgets.explorers import _filter_views as words
from cutaway_widgets.explorers._differences import differences_text, filter_differences
from cutaway_widgets.explorers._edits import edits_text
from cutaway_widgets.explorers._layout import end, line
from cutaway_widgets.explorers._lens_fields import signature_text
from cutaway_widgets.explorers._lens_pictures import picture
from cutaway_widgets.explorers._result_views import Shown, views_of
from cutaway_widgets.explorers._run import offered
from cutaway_widgets.explorers._scene import Scene
from cutaway_widgets.table import Table

BESIDE = 2
"""Results of one kind that stay open of themselves; a kept one does not count."""


@dataclass(eq=False)
class Card:
    """One result on the page.

    Parameters
    ----------
    name : str
        Slot of the result in the workspace.
    head : Actions
        Title, origin, and the buttons "keep" and "close".
    shown : Shown
        Its views.
    about : frozenset of str
        Slots that it shows; it goes when one of them goes.
    place : ipywidgets.VBox
        Where it stands.
    kept : bool
        Whether newer results leave it alone.
    """

    name: str
    head: Actions
    shown: Shown
    about: frozenset[str]
    place: Any
    kept: bool = False

    def close(self) -> None:
        """End its views."""
        for one in self.shown.parts:
            one.close()
        end(self.shown.box)
        end(self.head)


class Results:
    """Cards of results, newest first.

    Parameters
    ----------
    scene : Scene
        Samples and links.
    lock : threading.RLock
        The workspace's.
    drop : callable
        Called with the slot of a result that is to go.
    empty : str
        What to say while there is none.
    """

    def __init__(self, scene: Scene, lock: Any, drop: Callable[[str], None], empty: str) -> None:
        self._scene, self._lock, self._drop = scene, lock, drop
        self._cards: list[Card] = []
        # A host draws anew every child behind one that goes or moves: so children only ever come
        # at the end, empty places are used again, and the order is a matter of style.
        self._places: list[Any] = []
        self._free: list[Any] = []
        self._known: dict[str, Result] = {}
        self._nothing = ipywidgets.HTML(layout=ipywidgets.Layout(width="100%"))
        self.box = ipywidgets.Box(
            [self._nothing],
            layout=ipywidgets.Layout(
                display="flex", flex_flow="row wrap", width="100%", align_items="flex-start"
            ),
        )
        self.say(empty)
        self._draw()

    @property
    def cards(self) -> tuple[Card, ...]:
        """The cards, newest first."""
        return tuple(self._cards)

    @property
    def shown(self) -> dict[str, Result]:
        """Results that have a card, newest last."""
        names = [one.name for one in reversed(self._cards)]
        return {one: self._known[one] for one in names if one in self._known}

    @property
    def empty(self) -> str:
        """What stands here while there is no result, as HTML."""
        return str(self._nothing.value)

    def say(self, empty: str) -> None:
        """What stands here while there is no result; below it, what each lens finds."""
        lenses = "".join(
            f"<div style='flex:1 1 160px;max-width:240px;font-size:12px'><img alt='' "
            f"style='width:150px;height:100px' src='{picture(one.name)}'>"
            f"<div><b>{html.escape(one.name)}</b><br>{html.escape(one.title)}</div></div>"
            for one in offered()
        )
        self._nothing.value = (
            "<div style='border:1px dashed #8886;border-radius:6px;padding:32px 24px;"
            f"text-align:center'>{line(empty)}"
            "<div style='display:flex;flex-wrap:wrap;gap:16px 24px;justify-content:center;"
            f"margin-top:28px;line-height:1.4'>{lenses}</div></div>"
        )

    def add(self, name: str, result: Result) -> None:
        """Show a result in place of one of that name; a failing view says why in its card."""
        self.remove(name, also=False)
        self._known[name] = result
        self._put(
            name, title_of(name, result), result.origin.caption(), frozenset({name}),
            lambda: views_of(result, self._scene),
        )  # fmt: skip
        spare = [
            one
            for one in self._cards
            if not one.kept
            and one.about == {one.name}
            and type(self._known[one.name]) is type(result)
        ]
        for one in spare[BESIDE:]:
            self._drop(one.name)

    def front(self, name: str) -> None:
        """Put the card of a slot before all others, so that it stays open the longest."""
        self._cards.sort(key=lambda card: card.about != {name})
        self._draw()

    def compare(self, names: tuple[str, str], results: tuple[Result, Result]) -> None:
        """Show what differs between two results; goes with either of them."""
        first, second = results
        if not (isinstance(first, FilterScreen) and isinstance(second, FilterScreen)):
            return
        a, b = first.origin.model, second.origin.model
        self._put(
            f"{names[0]} and {names[1]}", f"What differs: A {a}, B {b}", "", frozenset(names),
            lambda: self._difference((first, second), a, b),
        )  # fmt: skip
        # A before B, below what differs.
        order = {names[0]: 1, names[1]: 2}
        at = {id(card): place + 3 for place, card in enumerate(self._cards)}
        at[id(self._cards[0])] = 0
        self._cards.sort(key=lambda card: order.get(card.name, at[id(card)]))
        self._draw()

    def remove(self, name: str, *, also: bool = True) -> None:
        """Take away the card of a slot, and with ``also`` those that compare it."""
        for one in [card for card in self._cards if name in card.about]:
            if also or one.about == {name}:
                self._end(one)

    def _difference(self, screens: tuple[FilterScreen, FilterScreen], a: str, b: str) -> Shown:
        frame = filter_differences(*screens)
        index = words.filter_index(screens[0])
        pairs = zip(frame["site"], frame["unit"], strict=True)
        ids = [f"{site}:{unit}" for site, unit in pairs]
        rows = index.take(index.positions(ids))
        table = Table(
            frame, index=rows, link=self._scene.link_of(rows), sort="change",
            units=words.UNITS_OF_TWO, title="Filters of both, largest rise first", height=260,
        )  # fmt: skip
        text = ipywidgets.HTML(line(differences_text(frame, f"A ({a})", f"B ({b})")))
        return Shown(ipywidgets.VBox([text, table]), [table, text])

    def _put(
        self, name: str, title: str, caption: str, about: frozenset[str], make: Callable[[], Shown]
    ) -> None:
        head = Actions(
            [
                Action("keep", "Keep", "Newer results leave this one alone", pressed=False),
                Action("close", "Close", "Take this result away"),
            ],
            title=title, caption=caption, lock=self._lock,
        )  # fmt: skip
        try:
            shown = make()
        except Exception as error:  # noqa: BLE001 - the card is the place to say so
            head.error = one_line(error)
            shown = Shown(ipywidgets.VBox([]), [])
        card = Card(name, head, shown, about, self._place(head, shown.box, whole=len(about) > 1))
        head.on_click("close", lambda: self._close(card))
        head.on_click("keep", lambda: self._keep(card))
        self._cards.insert(0, card)
        self._draw()

    def _place(self, head: Any, box: Any, *, whole: bool) -> Any:
        """A place for a card: an empty one, else a new one at the end."""
        if self._free:
            place = self._free.pop()
        else:
            place = ipywidgets.VBox()
            place.add_class("cw-bench-card")
            self._places.append(place)
        flex = "1 1 100%" if whole else "1 1 460px"
        place.layout.flex = flex
        place.layout.min_width = "0"
        place.layout.margin = "0 8px 8px 0"
        place.children = [head, box]
        return place

    def _close(self, card: Card) -> None:
        if card.about == {card.name}:
            self._drop(card.name)
        else:
            self._end(card)

    def _keep(self, card: Card) -> None:
        card.kept = not card.kept
        card.head.change("keep", pressed=card.kept)

    def _end(self, card: Card) -> None:
        if card not in self._cards:
            return
        self._cards.remove(card)
        self._known.pop(card.name, None)
        card.place.children = ()
        self._free.append(card.place)
        self._draw()
        card.close()

    def _draw(self) -> None:
        for order, card in enumerate(self._cards):
            card.place.layout.order = str(order)
            card.place.layout.display = None
        for place in self._free:
            place.layout.display = "none"
        self._nothing.layout.display = "none" if self._cards else None
        if len(self.box.children) <= len(self._places):
            self.box.children = (self._nothing, *self._places)

    def close(self) -> None:
        """End every card."""
        for one in list(self._cards):
            self._end(one)
        end(self.box)


def title_of(name: str, result: Result) -> str:
    """What a result is, in a line: slot, layers, model, and settings that are not the default."""
    origin = result.origin
    if isinstance(result, Effect):
        return f"{name}: {edits_text(result.edits)} of {origin.model}"
    about = " of ".join(one for one in (origin.site, origin.model) if one)
    lens = next((one for one in LENSES if one.function.endswith(f":{origin.function}")), None)
    given: Mapping[str, Any] = dict(origin.parameters)
    if origin.seed is not None:
        given = {**given, "seed": origin.seed}
    own = {} if lens is None else {one: given[one] for one in lens.parameters() if one in given}
    said = "" if lens is None else signature_text(own, lens.run())
    head = f"{name}: {about}" if about else name
    return f"{head} ({said})" if said else head


def rows_of(results: Mapping[str, Result]) -> Index | None:
    """Rows that the results are about, where no data says it; None without results."""
    return next((one.rows for one in results.values()), None)
