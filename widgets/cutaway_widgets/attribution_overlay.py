"""Attributions on the pictures they explain: input, attribution, or one over the other."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

import numpy as np
import traitlets
from numpy.typing import NDArray

from cutaway.core import Index, Origin, check
from cutaway.data import thumbnail_atlas
from cutaway_widgets import _atlas
from cutaway_widgets._array import Array
from cutaway_widgets._base import LinkedView, texts
from cutaway_widgets._link import Link
from cutaway_widgets._steps import extremes, steps

_PICTURE = 128  # px; a larger picture of a sample would only be scaled down again


class AttributionsLike(Protocol):
    """The fields of `cutaway.causal.Attributions` that the view shows."""

    @property
    def rows(self) -> Index:
        """Ids of the samples."""

    @property
    def values(self) -> NDArray[np.float32]:
        """Share of each pixel (n, h, w)."""

    @property
    def score(self) -> NDArray[np.float64]:
        """What was shared out, by sample."""

    @property
    def target(self) -> NDArray[np.str_]:
        """Name of the class or unit, by sample."""

    @property
    def delta(self) -> NDArray[np.float64] | None:
        """Error of the sum, by sample."""

    @property
    def method(self) -> str:
        """Which method."""

    @property
    def origin(self) -> Origin:
        """How they were made."""


class AttributionOverlay(LinkedView):
    """Pictures of samples with the share of each pixel in a score.

    Parameters
    ----------
    attributions : Attributions or None
        Of pictures, from `cutaway.attribute`; None shows the empty state until
        `set_attributions`.
    data : Dataset or None
        Where the pictures come from, by id; None takes the link's thumbnails, if it has some.
    link : Link or None
        Shared selection; the attributed samples must be among its ids. None makes an own one.
    order : iterable of id or None
        Which samples to show in which order in mode "ranked"; None for all as attributed.
    labels : sequence of str, mapping of id to str, or None
        Line under each picture; None writes target and score.
    mode : "ranked" or "selected"
        Show the order, or the selection only.
    layer : "overlay", "input" or "attribution"
        What to draw; also a switch on the page.
    scale : "sample" or "shared"
        Colours symmetric about zero up to the largest size in the sample, or in all of them.
    opacity : float
        How strongly the largest attribution covers the picture, 0 to 1; also a slider.
    tile : int
        Side of a picture on the page in CSS pixels.
    empty : str
        What to say when there is nothing to show.
    title, height
        See `View`.
    caption : str
        Empty for origin, method, target and largest error of the sums.
    """

    _kind = traitlets.Unicode("attribution_overlay").tag(sync=True)
    mode = traitlets.Enum(("ranked", "selected"), "ranked").tag(sync=True)
    layer = traitlets.Enum(("overlay", "input", "attribution"), "overlay").tag(sync=True)
    scale = traitlets.Enum(("sample", "shared"), "sample").tag(sync=True)
    opacity = traitlets.Float(0.8, min=0.0, max=1.0).tag(sync=True)
    tile = traitlets.Int(112, min=32, max=512).tag(sync=True)
    empty = traitlets.Unicode("").tag(sync=True)
    # Byte 127 is zero, 0 and 254 the largest size of the sample on either side, 255 missing.
    _values = Array("u1", (None, None, None))
    _peaks = Array("f4", (None,))
    # Score, sum of the values, delta (NaN for none).
    _numbers = Array("f4", (None, 3))
    _samples = Array("u4", (None,))
    _order = Array("u4", (None,))
    _targets = traitlets.List().tag(sync=True)
    _labels = traitlets.List().tag(sync=True)
    _thumbnails = traitlets.Any(None).tag(sync=True)

    def __init__(
        self,
        attributions: AttributionsLike | None = None,
        *,
        data: Any = None,
        link: Link | None = None,
        order: Iterable[int | str] | None = None,
        labels: Sequence[str] | Mapping[Any, str] | None = None,
        mode: Literal["ranked", "selected"] = "ranked",
        layer: Literal["overlay", "input", "attribution"] = "overlay",
        scale: Literal["sample", "shared"] = "sample",
        opacity: float = 0.8,
        tile: int = 112,
        empty: str = "",
        title: str = "",
        caption: str = "",
        height: int = 360,
    ) -> None:
        check.one_of("mode", mode, ("ranked", "selected"))
        check.one_of("layer", layer, ("overlay", "input", "attribution"))
        check.one_of("scale", scale, ("sample", "shared"))
        check.in_range("opacity", opacity, 0.0, 1.0)
        check.whole("tile", tile, 32, 512, remedy="give pixels")
        own = None
        if link is None:
            own = Index.count(0) if attributions is None else attributions.rows
        super().__init__(own, link, title=title, caption=caption, height=height)
        self._put({"mode": mode, "layer": layer, "scale": scale, "opacity": float(opacity)})
        self._put({"tile": tile, "empty": empty})
        if attributions is None:
            self._digest = self.link.digest
        else:
            self.set_attributions(
                attributions, data=data, order=order, labels=labels, caption=caption or None
            )

    def set_attributions(
        self,
        attributions: AttributionsLike,
        *,
        data: Any = None,
        order: Iterable[int | str] | None = None,
        labels: Sequence[str] | Mapping[Any, str] | None = None,
        title: str | None = None,
        caption: str | None = None,
    ) -> None:
        """Show other attributions; arguments as in the constructor.

        Raises
        ------
        ValueError
            If they are not about pictures.
        KeyError
            If a sample is not among the link's ids, or an id in `order` was not attributed.
        """
        rows, values = attributions.rows, np.asarray(attributions.values, np.float32)
        if values.ndim != 3:
            raise ValueError(
                f"attributions must be about pictures (n, h, w), got values of shape "
                f"{values.shape}; show texts in a token view"
            )
        if self._owns_link and rows.digest != self.link.digest:
            self.link.set_index(rows)
        samples = self.link.index.positions(rows.ids)
        places = np.arange(len(rows)) if order is None else rows.positions(list(order))
        peaks = np.abs(extremes(values)).max(axis=1, initial=0.0)
        pictures = None
        if data is not None:
            pictures = _atlas.wire(
                thumbnail_atlas(
                    data, rows.ids, size=min(_PICTURE, max(values.shape[1:])), columns=16
                ),
                rows,
            )
        self._rows = self.link.index
        self._put(
            {
                "_values": steps(values, np.stack([-peaks, peaks], axis=1)),
                "_peaks": peaks,
                "_numbers": _numbers(attributions, values),
                "_samples": samples,
                "_order": places,
                "_targets": [str(one) for one in attributions.target],
                "_labels": _labels(attributions, labels),
                "_thumbnails": pictures,
                "_digest": self.link.digest,
                "title": self.title if title is None else title,
                "caption": _caption(attributions) if caption is None else caption,
            }
        )

    def set_order(self, order: Iterable[int | str]) -> None:
        """Show these samples in this order in mode "ranked".

        Raises
        ------
        KeyError
            If an id was not attributed.
        """
        attributed = self.link.index.take(self._samples.astype(np.int64))
        self._put({"_order": attributed.positions(list(order))})

    def _summary(self) -> str:
        about = f"{len(self._samples)} {self.link.axis}s"
        return about + (f", {self.title}" if self.title else "")


def _numbers(attributions: AttributionsLike, values: NDArray[np.float32]) -> NDArray[np.float64]:
    delta = attributions.delta
    columns = [
        np.asarray(attributions.score, np.float64),
        values.sum(axis=(1, 2), dtype=np.float64),
        np.full(len(values), np.nan) if delta is None else np.asarray(delta, np.float64),
    ]
    return np.stack(columns, axis=1)


def _labels(
    attributions: AttributionsLike, labels: Sequence[str] | Mapping[Any, str] | None
) -> list[str]:
    if labels is not None:
        return texts("labels", labels, attributions.rows)
    pairs = zip(attributions.target, attributions.score, strict=True)
    return [f"{target} · {score:.3g}".replace("· -", "· −") for target, score in pairs]


def _caption(attributions: AttributionsLike) -> str:
    kinds = list(dict.fromkeys(str(one) for one in attributions.target))
    target = kinds[0] if len(kinds) == 1 else f"{len(kinds)} targets, each its sample's"
    parts = [attributions.origin.caption(), attributions.method, f"target: {target}"]
    if attributions.delta is not None and len(attributions.delta):
        parts.append(f"sums off by at most {np.abs(attributions.delta).max():.2g}")
    return " · ".join(one for one in parts if one)
