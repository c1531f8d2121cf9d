"""What a capture will cost, site by site, against what it may cost."""

from typing import Literal, Protocol

import numpy as np
import traitlets

from cutaway.core import Index, check
from cutaway_widgets._array import Array
from cutaway_widgets._base import LinkedView
from cutaway_widgets._link import Link

_COLUMNS = ("order", "parameters", "macs", "bytes")


class CardLike(Protocol):
    """The fields of `cutaway.model.CostCard`."""

    @property
    def model(self) -> str:
        """Name of the model."""

    @property
    def data(self) -> str:
        """Name of the data set."""

    @property
    def n(self) -> int:
        """Samples."""

    @property
    def batch_size(self) -> int:
        """Samples a batch."""

    @property
    def sites(self) -> tuple[str, ...]:
        """Names of the sites."""

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """What is kept of one sample, a site."""

    @property
    def dtype(self) -> str:
        """Type of the numbers."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """Bytes, a site."""

    @property
    def limit(self) -> int:
        """Bytes allowed."""

    @property
    def free(self) -> int | None:
        """Bytes free on the disk; None in memory."""

    @property
    def seconds(self) -> float:
        """Estimate of the whole."""

    @property
    def where(self) -> str:
        """Memory, or the path of the store."""

    @property
    def parameters(self) -> tuple[int, ...]:
        """Parameters, a site; empty where unknown."""

    @property
    def macs(self) -> tuple[int, ...]:
        """Multiply-accumulates, a site; empty where unknown."""


class CostCard(LinkedView):
    """Bytes of a planned capture by site and in all, against the limit and the disk.

    Parameters
    ----------
    card : CostCard of `cutaway.model`, or None
        From `cutaway.cost_card`, or the ``card`` of a `BudgetExceeded`; None shows the empty state
        until `set_card`.
    link : Link or None
        Shared selection of sites, an index of paths; the card's sites must be among them. None
        makes an own one.
    sort : "order", "parameters", "macs" or "bytes"
        What the lines are sorted by at first; "order" is that of the network.
    title, caption, height
        See `View`.
    """

    _kind = traitlets.Unicode("cost_card").tag(sync=True)
    _card = traitlets.Dict().tag(sync=True)
    _sites = Array("u4", (None,))
    # Doubles hold every whole number of bytes up to 9 petabytes.
    _sizes = Array("f8", (None,))
    _parameters = Array("f8", (None,))
    _macs = Array("f8", (None,))
    _sort = traitlets.Unicode("order").tag(sync=True)

    def __init__(
        self,
        card: CardLike | None = None,
        *,
        link: Link | None = None,
        sort: Literal["order", "parameters", "macs", "bytes"] = "order",
        title: str = "",
        caption: str = "",
        height: int = 300,
    ) -> None:
        check.one_of("sort", sort, _COLUMNS)
        own = None
        if link is None:
            own = Index.count(0, "site") if card is None else _index(card)
        super().__init__(own, link, title=title, caption=caption, height=height)
        self._put({"_sort": sort})
        if card is None:
            self.clear()
        else:
            self.set_card(card)

    def set_card(
        self, card: CardLike, *, title: str | None = None, caption: str | None = None
    ) -> None:
        """Show another card; None keeps title and caption.

        Raises
        ------
        KeyError
            If a site is not among the link's ids.
        """
        if self._owns_link and _index(card).digest != self.link.digest:
            self.link.set_index(_index(card))
        places = self.link.index.positions(list(card.sites))
        self._rows = self.link.index
        self._put(
            {
                "_card": {
                    "model": card.model,
                    "data": card.data,
                    "n": int(card.n),
                    "batch_size": int(card.batch_size),
                    "shapes": ["×".join(map(str, shape)) for shape in card.shapes],
                    "dtype": card.dtype,
                    "limit": int(card.limit),
                    "free": None if card.free is None else int(card.free),
                    "seconds": float(card.seconds),
                    "where": card.where,
                },
                "_sites": places,
                "_sizes": card.sizes,
                "_parameters": card.parameters,
                "_macs": card.macs,
                "_digest": self.link.digest,
                "title": self.title if title is None else title,
                "caption": self.caption if caption is None else caption,
            }
        )

    def clear(self) -> None:
        """Show the empty state."""
        nothing = np.zeros(0)
        self._put(
            {
                "_card": {},
                "_sites": nothing,
                "_sizes": nothing,
                "_parameters": nothing,
                "_macs": nothing,
                "_digest": self.link.digest,
            }
        )

    def _summary(self) -> str:
        about = f"{len(self._sites)} sites"
        return about + (f", {self.title}" if self.title else "")


def _index(card: CardLike) -> Index:
    return Index(np.array(card.sites, dtype=np.str_), "site")
