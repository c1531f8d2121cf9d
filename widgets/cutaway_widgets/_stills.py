"""Small pictures and tables of views, drawn in Python: what stands for a view where no page is."""

import base64
import html
import io
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from cutaway_widgets import _array
from cutaway_widgets.histogram import Histogram
from cutaway_widgets.image_grid import ImageGrid
from cutaway_widgets.scatter import Scatter
from cutaway_widgets.site_tree import SiteTree
from cutaway_widgets.table import Table

WIDTH, HEIGHT, PAD = 480, 300, 12  # pixels
MOST_POINTS = 20_000
MOST_LINES = 10
MOST_BYTES = 60_000
# Okabe-Ito without black and yellow, which are hard to see on white.
_HUES = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9")
_INK, _RULE = "#59636e", "#d1d9e0"


@singledispatch
def still(_view: Any) -> str:
    """HTML of a view as it stands: a picture or a short table; empty where there is neither.

    Parameters
    ----------
    _view : View
        Kinds without an entry here give the empty text.
    """
    return ""


@still.register
def _scatter(view: Scatter) -> str:
    points = np.asarray(view._points, dtype=np.float64)  # noqa: SLF001 - of our own package
    rows = np.flatnonzero(np.isfinite(points).all(axis=1))
    if not len(rows):
        return ""
    if len(rows) > MOST_POINTS:
        rows = np.sort(np.random.default_rng(0).choice(rows, MOST_POINTS, replace=False))
    places, colours = points[rows], _colours(view, len(points))[rows]
    low, high = places.min(axis=0), places.max(axis=0)
    room = np.array([WIDTH - 2 * PAD, HEIGHT - 2 * PAD])
    size = np.where(high > low, high - low, 1.0)
    scale = room / size
    if view.equal:
        scale[:] = scale.min()
    at = PAD + (room - size * scale) / 2 + (places - low) * scale
    pixels = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    x, y = np.rint(at[:, 0]).astype(int), HEIGHT - 1 - np.rint(at[:, 1]).astype(int)
    radius = 2 if len(rows) < 2000 else 1
    near = range(-radius, radius + 1)
    for dx, dy in [(i, j) for i in near for j in near if i * i + j * j <= radius * radius]:
        pixels[np.clip(y + dy, 0, HEIGHT - 1), np.clip(x + dx, 0, WIDTH - 1)] = colours
    return _image(Image.fromarray(pixels), view.title)


def _colours(view: Scatter, n: int) -> NDArray[np.uint8]:
    """RGB of every point by the first column of kinds, else all blue; shape (n, 3)."""
    hues = np.array([[int(one[i : i + 2], 16) for i in (1, 3, 5)] for one in _HUES], np.uint8)
    kinds = [one for one in view._colors if one["kind"] == "category"]  # noqa: SLF001
    codes = _array.decode(kinds[0]["data"]) if kinds else np.zeros(n, np.uint16)
    if len(codes) != n:
        codes = np.zeros(n, np.uint16)
    found: NDArray[np.uint8] = hues[codes.astype(int) % len(hues)]
    return found


@still.register
def _histogram(view: Histogram) -> str:
    values = np.asarray(view._values, dtype=np.float64)  # noqa: SLF001
    values = values[np.isfinite(values)]
    if not len(values):
        return ""
    counts, _ = np.histogram(values, view.bins)
    tall = np.log1p(counts) if view.log else counts.astype(float)
    sheet = Image.new("RGB", (WIDTH, 160), "white")
    pen = ImageDraw.Draw(sheet)
    edges = np.linspace(PAD, WIDTH - PAD, len(counts) + 1)
    for i, part in enumerate(tall / tall.max()):
        if part:
            top = 150 - max(1.0, part * 138)
            pen.rectangle([edges[i], top, max(edges[i], edges[i + 1] - 2), 150], fill=_HUES[0])
    pen.line([(PAD, 151), (WIDTH - PAD, 151)], fill=_INK)
    unit = f" ({view.unit})" if view.unit else ""
    words = f"{view.name or 'value'}{unit}: {values.min():.4g} to {values.max():.4g}"
    return _image(sheet, view.title) + _words(words)


@still.register
def _grid(view: ImageGrid) -> str:
    atlas = view.link._thumbnails  # noqa: SLF001
    whole = getattr(view, "_whole", False)
    order = np.arange(len(view.index)) if whole else np.asarray(view._order)  # noqa: SLF001
    if not atlas or not len(order):
        return ""
    columns, side = 10, 44
    shown = order[: 4 * columns].tolist()
    rows = -(-len(shown) // columns)
    sheet = Image.new("RGB", (columns * (side + 4), rows * (side + 4)), "white")
    pages: dict[int, Image.Image] = {}
    for at, row in enumerate(shown):
        number, place = divmod(row, atlas["per_page"])
        if number not in pages:
            pages[number] = Image.open(io.BytesIO(atlas["pages"][number])).convert("RGB")
        y, x = divmod(place, atlas["columns"])
        w, h = atlas["width"], atlas["height"]
        tile = pages[number].crop((x * w, y * h, (x + 1) * w, (y + 1) * h))
        grow = side / max(w, h)
        way = Image.Resampling.NEAREST if grow > 1 else Image.Resampling.BOX
        tile = tile.resize((max(1, round(w * grow)), max(1, round(h * grow))), way)
        sheet.paste(tile, (at % columns * (side + 4), at // columns * (side + 4)))
    return _image(sheet, view.title)


@still.register
def _table(view: Table) -> str:
    columns = [(one, _array.decode(one["data"])) for one in view._columns]  # noqa: SLF001
    if not columns or not len(columns[0][1]):
        return ""
    order = np.arange(len(columns[0][1]))
    for one, values in columns:
        if one["name"] == view._sort.get("column") and one["kind"] == "number":  # noqa: SLF001
            numbers = -values if view._sort.get("descending") else values  # noqa: SLF001
            order = np.argsort(numbers, kind="stable")
    lines = [[_cell(one, values[row]) for one, values in columns] for row in order[:MOST_LINES]]
    return _lines([one["name"] for one, _ in columns], lines, len(order))


def _cell(column: dict[str, Any], value: Any) -> str:
    if column["kind"] == "text":
        return str(column["names"][int(value)])
    if np.isnan(value):
        return "–"
    return f"{value:,.0f}" if column.get("whole") else f"{value:.4g}"


@still.register
def _tree(view: SiteTree) -> str:
    sites = view._sites  # noqa: SLF001
    if not sites:
        return ""
    lines = [
        [one["path"], one["type"], " × ".join(map(str, one["shape"])), f"{one['parameters']:,}"]
        for one in sites[:MOST_LINES]
    ]
    return _lines(["site", "type", "output", "parameters"], lines, len(sites))


def _lines(head: list[str], lines: list[list[str]], n: int) -> str:
    def row(tag: str, cells: list[str]) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(one)}</{tag}>" for one in cells) + "</tr>"

    body = "".join(row("td", one) for one in lines)
    more = _words(f"and {n - len(lines):,} more") if n > len(lines) else ""
    return f"<table><thead>{row('th', head)}</thead><tbody>{body}</tbody></table>{more}"


def _words(text: str) -> str:
    return f"<div><small>{html.escape(text)}</small></div>"


def _image(sheet: Image.Image, title: str) -> str:
    """Image element of at most `MOST_BYTES`; colours are reduced, then the size halved."""
    pen = ImageDraw.Draw(sheet)
    pen.rectangle([0, 0, sheet.width - 1, sheet.height - 1], outline=_RULE)
    while True:
        file = io.BytesIO()
        sheet.quantize(64).save(file, "PNG", optimize=True)
        if file.tell() * 4 / 3 <= MOST_BYTES or sheet.width < 100:
            break
        sheet = sheet.resize((sheet.width // 2, sheet.height // 2))
    data = base64.b64encode(file.getvalue()).decode()
    words = html.escape(title or "view", quote=True)
    return f'<img alt="{words}" src="data:image/png;base64,{data}" style="max-width:100%">'
