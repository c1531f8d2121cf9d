"""Markup for a saved page: what may stand there is listed; all else is left out or is text.

A page's policy stops scripts and what they fetch, but no browser lets a policy in a page stop it
from leaving by itself (``<meta http-equiv=refresh>``) or by a click. So no markup of a value
reaches the page: it is read here, and what is listed becomes a tree that the page builds element by
element.
"""

import html
import re
from typing import Any

Markup = list[Any]
"""Texts, and elements as {"tag", "attributes", "style", "children"}."""

_TAGS = re.compile(
    "abbr|b|big|blockquote|br|caption|center|cite|code|dd|del|details|dfn|div|dl|dt|em|figcaption|"
    "figure|h[1-6]|hr|i|img|ins|kbd|li|mark|ol|p|pre|q|s|samp|small|span|strike|strong|sub|"
    "summary|sup|table|tbody|td|tfoot|th|thead|time|tr|tt|u|ul|var|wbr"
)
_VOID = frozenset({"br", "hr", "img", "wbr"})
# What is in these is no text for readers, and ends at their own end only.
_RAW = {
    name: re.compile(f"</{name}[\\s/>]", re.IGNORECASE)
    for name in (
        "iframe", "noembed", "noframes", "noscript", "script", "style", "template", "title", "xmp",
    )
}  # fmt: skip
_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)")
_INSIDE = re.compile(r"(?:[^\"'>]|\"[^\"]*\"|'[^']*')*")
_ATTRIBUTE = re.compile(r"([^\s\"'<>/=]+)(?:\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s\"'<>]+))?")
_WORDS = re.compile(r"[^\x00-\x08\x0e-\x1f]*")
_NUMBER = re.compile(r"\d{1,4}", re.ASCII)
_NAME = re.compile(r"[a-z]{1,20}", re.ASCII)
_PICTURE = re.compile(
    r"data:image/(png|jpeg|gif|webp|svg\+xml)[;,][^\s\"'<>\\]*", re.ASCII | re.IGNORECASE
)
_ATTRIBUTES = {
    "alt": _WORDS, "title": _WORDS, "aria-label": _WORDS, "datetime": _WORDS,
    "lang": re.compile(r"[\w-]{1,35}", re.ASCII),
    "dir": re.compile("ltr|rtl|auto"), "scope": re.compile("row|col|rowgroup|colgroup"),
    "role": _NAME, "aria-hidden": re.compile("true|false"), "align": _NAME,
    "open": re.compile("(open)?"),
    "colspan": _NUMBER, "rowspan": _NUMBER, "start": _NUMBER, "width": _NUMBER, "height": _NUMBER,
    "border": _NUMBER,
}  # fmt: skip
# Nothing that fetches, and nothing that leaves its own place on the page.
_STYLES = re.compile(
    r"color|background-color|opacity|font(-(family|size|style|weight|variant))?|line-height|"
    r"letter-spacing|word-spacing|text-(align|decoration|indent|transform|overflow)|white-space|"
    r"(overflow|word)-(wrap|break)|overflow(-[xy])?|vertical-align|list-style-type|"
    r"(min-|max-)?(width|height)|margin(-(top|right|bottom|left))?|"
    r"padding(-(top|right|bottom|left))?|border(-(top|right|bottom|left))?(-(color|style|width))?|"
    r"border-(radius|collapse|spacing)|display|flex(-(basis|direction|flow|grow|shrink|wrap))?|"
    r"(row-|column-)?gap|(align|justify)-(content|items|self)|order|grid-template-(columns|rows)|"
    r"float|clear|font-variant-numeric"
)
_VALUE = re.compile(
    r"(?:[\w\s.,#%+*/'\"-]|(?:rgba?|hsla?|calc|min|max|minmax|repeat)\((?:[\w\s.,%+*/-])*\))*",
    re.ASCII,
)
# Where these begin, the ones before them end, as in a browser.
_ENDS = {
    "li": {"li"}, "dt": {"dt", "dd"}, "dd": {"dt", "dd"}, "tr": {"tr", "td", "th"},
    "td": {"td", "th"}, "th": {"td", "th"},
    "tbody": {"thead", "tbody", "tr", "td", "th"}, "tfoot": {"tbody", "tr", "td", "th"},
}  # fmt: skip
_BLOCKS = re.compile("blockquote|div|dl|figure|h[1-6]|hr|ol|p|pre|table|ul|details|center")
_WALLS = frozenset({"table", "ul", "ol", "dl"})
MOST_DEPTH = 40


def markup(text: str) -> Markup:
    """The listed elements of a text, as a tree.

    Parameters
    ----------
    text : str
        HTML of any origin.

    Returns
    -------
    list
        Texts and elements. Links have lost their target, which stands behind them as text. A tag
        that does not end, and what follows it, is text.
    """
    reader = _Reader()
    place = 0
    while place < len(text):
        place = reader.read(text, place)
    return reader.end()


class _Reader:
    """Builds the tree of what is listed, in one pass: no step looks at the same text twice."""

    def __init__(self) -> None:
        self.tree: Markup = []
        self._open: list[tuple[str, Markup]] = [("", self.tree)]
        self._links: list[str] = []
        self._words: list[str] = []

    def end(self) -> Markup:
        """The whole tree."""
        self._flush()
        return self.tree

    def read(self, text: str, place: int) -> int:
        """One tag, comment or piece of text that begins here; where it ends."""
        if text[place] != "<":
            end = text.find("<", place)
            end = len(text) if end < 0 else end
            self._add(html.unescape(text[place:end]))
            return end
        tag = _TAG.match(text, place)
        if tag is None:
            return self._read_other(text, place)
        inside = _INSIDE.match(text, tag.end())
        end = inside.end() if inside else tag.end()
        if end == len(text) or text[end] != ">":
            self._add(html.unescape(text[place:]))
            return len(text)
        name = tag[2].lower()
        if tag[1]:
            self._close(name)
        elif name in _RAW:
            raw = _RAW[name].search(text, end)
            return raw.start() if raw else len(text)
        else:
            self._begin(name, text[tag.end() : end])
        return end + 1

    def _read_other(self, text: str, place: int) -> int:
        """A comment or declaration, which is left out, or a "<" that is text."""
        if text.startswith("<!--", place):
            end = text.find("-->", place + 2)
            return len(text) if end < 0 else end + 3
        if text[place + 1 : place + 2] in {"!", "?", "/"}:
            end = text.find(">", place)
            return len(text) if end < 0 else end + 1
        self._add("<")
        return place + 1

    def _begin(self, tag: str, inside: str) -> None:
        """Open an element, or leave it out."""
        given: dict[str, str] = {}
        for found in _ATTRIBUTE.finditer(inside):
            value = found[2] or ""
            value = value[1:-1] if value[:1] in {"'", '"'} else value
            given.setdefault(found[1].lower(), html.unescape(value))
        if tag == "a":
            self._links.append(given.get("href", ""))
        if not _TAGS.fullmatch(tag):
            return
        self._flush()
        self._make_room(tag)
        attributes = {
            name: value
            for name, value in given.items()
            if name in _ATTRIBUTES and _ATTRIBUTES[name].fullmatch(value)
        }
        if tag == "img":
            if not _PICTURE.fullmatch(given.get("src", "")):
                self._add(given.get("alt", ""))
                return
            attributes["src"] = given["src"]
        children: Markup = []
        element = {
            "tag": tag, "attributes": attributes, "style": _style(given.get("style", "")),
            "children": children,
        }  # fmt: skip
        self._open[-1][1].append(element)
        if tag not in _VOID and len(self._open) < MOST_DEPTH:
            self._open.append((tag, children))

    def _close(self, tag: str) -> None:
        """Close an element; one that is not open is left out."""
        if tag == "a" and self._links:
            target = self._links.pop()
            if re.match(r"(https?|mailto):", target, re.IGNORECASE):
                self._add(f" ({target})")
        self._flush()
        for place in range(len(self._open) - 1, 0, -1):
            if self._open[place][0] == tag:
                del self._open[place:]
                return
            if self._open[place][0] == "table":
                return

    def _add(self, text: str) -> None:
        if text:
            self._words.append(text)

    def _flush(self) -> None:
        """Put the text so far where it belongs, before an element begins or ends."""
        if self._words:
            self._open[-1][1].append("".join(self._words))
            self._words.clear()

    def _make_room(self, tag: str) -> None:
        """End what cannot hold this element."""
        ended = _ENDS.get(tag, {"p"} if _BLOCKS.fullmatch(tag) else None)
        if ended is None:
            return
        for place in range(len(self._open) - 1, 0, -1):
            name = self._open[place][0]
            if name in ended:
                del self._open[place:]
            elif name in _WALLS:
                return


def _style(text: str) -> dict[str, str]:
    """Listed properties with plain values."""
    found = {}
    for declaration in text.split(";"):
        name, _, value = declaration.partition(":")
        name, value = name.strip().lower(), value.strip()
        if value and _STYLES.fullmatch(name) and _VALUE.fullmatch(value):
            found[name] = value
    return found
