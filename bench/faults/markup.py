"""Markup and code in names, ids and origins: drawn as text, and never part of `code_of`."""

import ast
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import cutaway as ct
from cutaway.core import Index, Result
from faults import subjects

_SITE = "http://127.0.0.1:9/"
PAYLOADS = (
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<svg/onload=alert(1)>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<a href='javascript:1'>x</a>",
    f"<meta http-equiv=refresh content='0;url={_SITE}'>",
    f"<base href={_SITE}>",
    f"<link rel=stylesheet href={_SITE}x.css>",
    f"<style>@import '{_SITE}'</style>",
    f"<object data={_SITE}></object>",
    f"<embed src={_SITE}>",
    f"<form action={_SITE}><button>x</button></form>",
    "<body onload=alert(1)>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    *("<!--", "-->", "]]><x>"),
    "&lt;img src=x onerror=alert(1)&gt;",
    "<math><mtext></mtext><mglyph><style><img></style></math>",
    "<details open ontoggle=alert(1)>",
    *("${alert(1)}", "{{constructor.constructor('alert(1)')()}}", "javascript:alert(1)"),
    "\u2028<img src=x onerror=alert(1)>",
)
CODE = (
    "x'); __import__('os').system('true'); ('",
    "x\nimport os\nos.system('true')",
    "__import__('os')",
    'x"""\nimport os\n"""',
    *("\\", "x\r\nimport os", "x # type: ignore\nexec('1')", "{os}"),
    *("\u2028import os", "'+exec('1')+'"),
)
_PLAIN = "plainwords"


class _Skeleton(HTMLParser):
    """Tags and names of attributes, in order, and values that could fetch or run something."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.parts.append(f"{tag} {' '.join(name for name, _ in attrs)}")

    def handle_endtag(self, tag: str) -> None:
        self.parts.append(f"/{tag}")

    def handle_comment(self, _data: str) -> None:
        self.parts.append("comment")


def skeleton(text: str) -> list[str]:
    """What a browser would build of some HTML, without its texts."""
    parser = _Skeleton()
    parser.feed(text)
    parser.close()
    return parser.parts


def marked(result: Result, word: str) -> Result:
    """The same result with a word at every place of its origin and rows that holds text."""
    origin = replace(
        result.origin, function=word, model=word, weights=word, site=word, data=word, rows=word,
        parameters={word: word, "edits": [{"edit": word, word: word}]},
        given={"model": {"source": word}, "data": {"source": word, word: word}},
        versions={word: word},
    )  # fmt: skip
    ids = [f"{word}{place}" for place in range(len(result.rows))]
    return replace(result, origin=origin, rows=Index(ids, result.rows.axis))


def drawn(place: Path, *, quick: bool = False) -> tuple[int, list[str]]:
    """Draw every payload through every field of a few results and views; what was markup."""
    from cutaway_widgets.export import export_html

    place.mkdir(parents=True)
    made = subjects.results_of_pictures(quick=quick)
    n, wrong = 0, []
    for result in made.values():
        plain = skeleton(_html(marked(result, _PLAIN)))
        for payload in PAYLOADS:
            n += 1
            changed = marked(result, payload)
            if any(skeleton(_html(one)) != plain for one in (changed, *_read_back(changed, place))):
                wrong.append(f"{type(result).__name__}._repr_html_ draws {payload!r} as markup")
    plain_page = skeleton(_page(export_html, _PLAIN, place))
    for payload in PAYLOADS:
        n += 1
        page = _page(export_html, payload, place)
        if skeleton(page) != plain_page or page.lower().count("<script") != 2:
            wrong.append(f"an exported page draws {payload!r} as markup")
    return n, wrong


def _read_back(result: Result, place: Path) -> list[Result]:
    """The result from a file, as a stranger's one comes; none if opening refuses it."""
    result.save(place / "marked.zip")
    try:
        return [type(result).load(place / "marked.zip")]
    except (ValueError, TypeError, KeyError):
        return []


def _html(result: Result) -> str:
    return str(result._repr_html_())


def _page(export_html: Any, word: str, place: Path) -> str:
    import ipywidgets

    import cutaway_widgets as cw

    link = cw.Link(Index([f"{word}{k}" for k in range(6)]))
    points = np.arange(12.0).reshape(6, 2)
    classes = cw.Categories(np.arange(6) % 2, [word, f"{word}2"])
    frame = pd.DataFrame({word: [word] * 6, "x": range(6)}, index=link.index.ids)
    views = [
        cw.Scatter(points, link=link, colors={word: classes}, title=word),
        cw.Histogram(np.arange(6.0), link=link, name=word, title=word),
        cw.Table(frame, title=word),
        ipywidgets.Button(description=word),
    ]
    return export_html(ipywidgets.VBox(views), place / "page.html", title=word).read_text("utf-8")


def written_as_code(*, quick: bool = False) -> tuple[int, list[str]]:
    """Write code of results whose origins hold code; whatever is more than a call with literals."""
    made = subjects.results_of_pictures(quick=quick)
    n, wrong = 0, []
    for result in made.values():
        for word in (*CODE, *PAYLOADS):
            for changed in _with_code(result, word):
                n += 1
                try:
                    text = ct.code_of(changed)
                except (ValueError, TypeError, KeyError):
                    continue
                problem = more_than_calls(text)
                if problem:
                    wrong.append(f"code_of {type(result).__name__} with {word!r}: {problem}")
    return n, wrong


def _with_code(result: Result, word: str) -> list[Result]:
    origin = result.origin
    evil = {"edit": "load_model", "source": f"{word}.pt", "trust": True}
    given, plain = dict(origin.given), dict(origin.parameters)
    trusting = {"source": word, "trust": True, "name": word, word: word}
    return [
        replace(result, origin=changed)
        for changed in (
            replace(origin, parameters={**plain, "edits": [evil]}),
            replace(origin, parameters={**plain, "edits": [{"edit": word, "site": word}]}),
            replace(origin, parameters={**plain, word: word, "metric": word, "ids": word}),
            replace(origin, given={**given, "model": trusting, "data": trusting}),
            replace(origin, given={**given, "capture": {"sites": word, word: word, "store": word}}),
            replace(origin, model=word, data=word, site=word, versions={word: word}, weights=word),
            replace(origin, function=word),
            replace(origin, function="load_model", parameters={"source": word, "trust": True}),
            replace(origin, seed=word),
        )
    ]


_ALLOWED = frozenset(ct.__all__) - {"open_workspace"}


def more_than_calls(text: str) -> str:
    """What in a script of `code_of` is more than assignments of calls with literal arguments."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        return f"no Python: {error}"
    # The script's own comparison of digests is the only function in it.
    tops = [top for top in tree.body if not isinstance(top, ast.FunctionDef)]
    assigned = {id(top.value) for top in tops if isinstance(top, ast.Assign)}
    for top in tops:
        if not isinstance(top, (ast.Import, ast.ImportFrom, ast.Assign, ast.Expr)):
            return f"it has a {type(top).__name__}"
        for node in ast.walk(top):
            problem = _more_than_a_call(node, alone=id(node) in assigned)
            if problem:
                return problem
    return ""


def _more_than_a_call(node: ast.AST, *, alone: bool) -> str:
    if (
        isinstance(node, (ast.Import, ast.ImportFrom))
        and ast.unparse(node) != "import cutaway as ct"
    ):
        return f"it imports: {ast.unparse(node)}"
    if isinstance(node, ast.Lambda):
        return "it has a lambda"
    if not isinstance(node, ast.Call):
        return ""
    function = ast.unparse(node.func)
    if function != "same" and function.removeprefix("ct.") not in _ALLOWED:
        return f"it calls {function}"
    if any(keyword.arg == "trust" for keyword in node.keywords):
        return "it trusts a file"
    return "it loads a model inside a call" if function == "ct.load_model" and not alone else ""
