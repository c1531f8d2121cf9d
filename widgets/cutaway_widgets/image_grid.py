"""Pictures of rows: the selected ones, or all in a ranked order."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import traitlets

from cutaway.core import Index, check
from cutaway_widgets._array import Array
from cutaway_widgets._base import LinkedView, texts
from cutaway_widgets._link import Link


class ImageGrid(LinkedView):
    """Grid of thumbnails, or of cards where rows have texts instead of pictures.

    Parameters
    ----------
    thumbnails : Atlas, Dataset or None
        Pictures of all rows of the index, by id; None takes those on the link.
    index : Index or None
        Ids of the rows; None takes the link's, or the data set's.
    link : Link or None
        Shared selection; None makes an own one.
    order : iterable of id or None
        Which rows to show in which order in mode "ranked"; None for all in index order.
    labels : sequence of str, mapping of id to str, or None
        Line under each picture, e.g. "4, predicted 9".
    mode : "selected" or "ranked"
        Show the selection only, or the order.
    tile : int
        Side of a picture on the page in CSS pixels.
    empty : str
        What to say when there is nothing to show.
    title, caption, height
        See `View`.
    """

    _kind = traitlets.Unicode("image_grid").tag(sync=True)
    mode = traitlets.Enum(("selected", "ranked"), "ranked").tag(sync=True)
    tile = traitlets.Int(56, min=16, max=512).tag(sync=True)
    empty = traitlets.Unicode("").tag(sync=True)
    # No order of a million places is sent where all rows are shown in their own.
    _whole = traitlets.Bool(True).tag(sync=True)
    _order = Array("u4", (None,))
    _labels = traitlets.List().tag(sync=True)

    def __init__(
        self,
        thumbnails: Any = None,
        *,
        index: Index | None = None,
        link: Link | None = None,
        order: Iterable[int | str] | None = None,
        labels: Sequence[str] | Mapping[Any, str] | None = None,
        mode: Literal["selected", "ranked"] = "ranked",
        tile: int = 56,
        empty: str = "",
        title: str = "",
        caption: str = "",
        height: int = 320,
    ) -> None:
        check.one_of("mode", mode, ("selected", "ranked"))
        check.whole("tile", tile, 16, 512, remedy="give pixels")
        if link is None and index is None:
            index = getattr(thumbnails, "index", None)
        super().__init__(index, link, title=title, caption=caption, height=height)
        if thumbnails is not None:
            self.link.set_thumbnails(thumbnails)
        self._put({"mode": mode, "tile": tile, "empty": empty})
        self.set_rows(index=index, order=order, labels=labels)

    def set_rows(
        self,
        *,
        index: Index | None = None,
        order: Iterable[int | str] | None = None,
        labels: Sequence[str] | Mapping[Any, str] | None = None,
        title: str | None = None,
        caption: str | None = None,
    ) -> None:
        """Show other rows, order and labels; arguments as in the constructor.

        Raises
        ------
        KeyError
            If an id in `order` is not in the index.
        """
        index = self._take_index(index)
        places = () if order is None else index.positions(list(order))
        lines = texts("labels", labels, index)
        self._rows = index
        self._put(
            {
                "_whole": order is None,
                "_order": places,
                "_labels": lines,
                "_digest": index.digest,
                "title": self.title if title is None else title,
                "caption": self.caption if caption is None else caption,
            }
        )

    def set_order(self, order: Iterable[int | str] | None) -> None:
        """Show these ids in this order in mode "ranked"; None for all."""
        places = () if order is None else self._rows.positions(list(order))
        self._put({"_whole": order is None, "_order": places})

    def set_labels(self, labels: Sequence[str] | Mapping[Any, str] | None) -> None:
        """Write these lines under the pictures."""
        self._put({"_labels": texts("labels", labels, self._rows)})
