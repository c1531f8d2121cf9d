"""How a number is spread over rows; a brush selects a range."""

import numpy as np
import traitlets
from numpy.typing import ArrayLike

from cutaway.core import Index, check
from cutaway_widgets._array import Array
from cutaway_widgets._base import LinkedView
from cutaway_widgets._link import Link


class Histogram(LinkedView):
    """Histogram of one number a row; the selected rows are drawn in front.

    Parameters
    ----------
    values : array_like of shape (n,)
        One number a row; NaN and infinities are counted in the summary, not drawn.
    index : Index or None
        Ids of the rows; None takes the link's, else 0 … n-1.
    link : Link or None
        Shared selection; None makes an own one.
    name, unit : str
        What is counted, and its unit, for the axis.
    bins : int
        Number of bins, 1 to 512.
    log : bool
        Logarithmic counts, so that a few outliers show.
    title, caption, height
        See `View`.
    """

    _kind = traitlets.Unicode("histogram").tag(sync=True)
    _values = Array("f4", (None,))
    name = traitlets.Unicode("").tag(sync=True)
    unit = traitlets.Unicode("").tag(sync=True)
    bins = traitlets.Int(40, min=1, max=512).tag(sync=True)
    log = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self,
        values: ArrayLike,
        *,
        index: Index | None = None,
        link: Link | None = None,
        name: str = "",
        unit: str = "",
        bins: int = 40,
        log: bool = False,
        title: str = "",
        caption: str = "",
        height: int = 200,
    ) -> None:
        check.whole("bins", bins, 1, 512)
        if link is None and index is None:
            index = Index.count(len(np.asarray(values)))
        super().__init__(index, link, title=title, caption=caption, height=height)
        self._put({"bins": bins, "log": log})
        self.set_values(values, index=index, name=name, unit=unit)

    def set_values(
        self,
        values: ArrayLike,
        *,
        index: Index | None = None,
        name: str = "",
        unit: str = "",
        title: str | None = None,
        caption: str | None = None,
    ) -> None:
        """Show other numbers; arguments as in the constructor.

        Raises
        ------
        ValueError
            If there is not one number a row.
        """
        index = self._take_index(index)
        numbers = np.array(values, dtype=np.float32)
        check.n_dims("values", numbers, 1, "one number a row")
        check.same_length("values", len(numbers), "index", len(index))
        self._rows = index
        self._put(
            {
                "_values": numbers,
                "name": name,
                "unit": unit,
                "_digest": index.digest,
                "title": self.title if title is None else title,
                "caption": self.caption if caption is None else caption,
            }
        )
