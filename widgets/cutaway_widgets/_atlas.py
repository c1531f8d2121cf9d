"""Thumbnails on the wire: PNG pages of tiles in the order of an index."""

from typing import Any, Protocol

from cutaway.core import Index, check


class Atlas(Protocol):
    """What `cutaway.data.thumbnail_atlas` returns, as far as views need it."""

    @property
    def pages(self) -> tuple[bytes, ...]:
        """PNG files, tiles row by row."""

    @property
    def n(self) -> int:
        """Tiles on all pages."""

    @property
    def columns(self) -> int:
        """Tiles in a row."""

    @property
    def tile(self) -> tuple[int, int]:
        """Width and height of a tile in pixels."""

    @property
    def per_page(self) -> int:
        """Tiles on a full page."""


def wire(source: Any, index: Index) -> dict[str, Any] | None:
    """Wire form of the thumbnails of the rows of an index.

    Parameters
    ----------
    source : Atlas, Dataset or None
        A ready atlas in the order of `index`, or image data to make one from by id.
    index : Index
        Which tile is whose.

    Returns
    -------
    dict or None
        ``{"pages", "n", "columns", "width", "height", "per_page"}``, sizes in pixels.

    Raises
    ------
    ValueError
        If the atlas has not one tile a row.
    TypeError
        If the source is neither an atlas nor image data.
    """
    if source is None:
        return None
    if hasattr(source, "pages"):
        atlas: Atlas = source
    elif hasattr(source, "thumbnail"):
        from cutaway.data import thumbnail_atlas

        atlas = thumbnail_atlas(source, index.ids)
    else:
        raise TypeError(
            f"thumbnails must be an Atlas, a Dataset or None, got {type(source).__name__}; "
            "use cutaway.data.thumbnail_atlas(data)"
        )
    check.same_length("thumbnails", atlas.n, "index", len(index))
    width, height = atlas.tile
    return {
        "pages": [bytes(page) for page in atlas.pages],
        "n": int(atlas.n),
        "columns": int(atlas.columns),
        "width": int(width),
        "height": int(height),
        "per_page": int(atlas.per_page),
    }
