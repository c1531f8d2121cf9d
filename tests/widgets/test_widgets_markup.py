"""Markup for a saved page: only what is listed comes through, whatever was given."""

import json
import random
import re
import sys
from pathlib import Path

import pytest

from cutaway_widgets import _markup
from cutaway_widgets._markup import markup
from cutaway_widgets.explorers._layout import heading, line
from cutaway_widgets.explorers._lens_pictures import picture

LEAVING = json.loads(
    (Path(__file__).parents[1] / "browser" / "hostile.json").read_text(encoding="utf-8")
)


def plain(tree):
    """Words of a tree."""
    return "".join(one if isinstance(one, str) else plain(one["children"]) for one in tree)


def elements(tree):
    for one in tree:
        if not isinstance(one, str):
            yield one
            yield from elements(one["children"])


def drawn(tree):
    """The tree as HTML with tags only."""
    return "".join(
        one if isinstance(one, str) else f"<{one['tag']}>{drawn(one['children'])}</{one['tag']}>"
        for one in tree
    )


def assert_listed(tree):
    for one in elements(tree):
        assert set(one) == {"tag", "attributes", "style", "children"}
        assert one["tag"] not in {"a", "form", "iframe", "meta", "base", "link", "script", "style"}
        assert _markup._TAGS.fullmatch(one["tag"])
        for name, value in one["attributes"].items():
            assert name == "src" or name in _markup._ATTRIBUTES
            assert not name.startswith("on")
            assert name != "src" or value.startswith("data:image/")
        for name, value in one["style"].items():
            assert not re.search(r"url|image|position|inset|content$|cursor|expression", name)
            assert "url" not in value.lower()
            assert "\\" not in value


@pytest.mark.parametrize("text", LEAVING)
def test_nothing_of_a_hostile_text_is_kept(text):
    for given in (text, text.upper(), f"<b>{text}", f"<table>{text}</table>", text * 3, text[:-1]):
        assert_listed(markup(given))


def test_mutations_of_hostile_texts_are_listed_or_text():
    chance = random.Random(0)
    signs = "<>\"'/=! \t\n\0&;-ab\\" + "é\u2028"
    for _ in range(4000):
        text = list(chance.choice(LEAVING) + chance.choice(LEAVING))
        for _ in range(chance.randrange(1, 12)):
            place = chance.randrange(len(text))
            text[place : place + chance.randrange(3)] = chance.choice(signs)
        assert_listed(markup("".join(text)))


def test_our_own_texts_come_through_whole():
    (found,) = markup(line("a <b> & 'c'\nd"))
    assert found["tag"] == "p"
    assert found["attributes"] == {"role": "status"}
    assert found["style"] == {
        "margin": "0 6px", "white-space": "pre-line", "line-height": "1.4",
    }  # fmt: skip
    assert found["children"] == ["a <b> & 'c'\nd"]
    (found,) = markup(heading("x"))
    assert (found["tag"], found["style"]) == ("h2", {"margin": "0"})
    (found,) = markup(f"<img alt='' style='width:150px;height:100px' src='{picture('screen')}'>")
    assert found["attributes"]["src"] == picture("screen")
    assert found["style"] == {"width": "150px", "height": "100px"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<ul><li>a<li>b<ul><li>c</ul>d</ul>e",
         "<ul><li>a</li><li>b<ul><li>c</li></ul>d</li></ul>e"),
        ("<p>a<p>b<div>c</div>", "<p>a</p><p>b</p><div>c</div>"),
        ("<table><tr><td>1<td>2<tr><th>3</table>x",
         "<table><tr><td>1</td><td>2</td></tr><tr><th>3</th></tr></table>x"),
        ("a<br>b<hr/>c", "a<br></br>b<hr></hr>c"),
        ("<B>a</i></B>b", "<b>a</b>b"),
        ("<font color=red>a</font> &lt;b&gt; &amp;", "a <b> &"),
        ("1 < 2 <3 a<b", "1 < 2 <3 a<b"),
        ("<!-- no -->a<!doctype x>b<?c?>d</ e>f", "abdf"),
        ("a<script>b</script >c<style>d</STYLE\n>e<title>f", "ace"),
        ("<a href='https://x.example/?a=1&amp;b'>there</a>.", "there (https://x.example/?a=1&b)."),
        ("<a href='javascript:x()'>there</a>", "there"),
        ("<img src='http://x.example/a.png' alt='a cat'>", "a cat"),
        ("<b title='<i>'>a</b><b title=\"never ended>c", '<b>a</b><b title="never ended>c'),
    ],
)  # fmt: skip
def test_usual_markup_is_read_as_a_browser_reads_it(text, shown):
    assert drawn(markup(text)) == shown


def test_depth_is_bounded():
    tree = markup("<div>" * 5000 + "x" + "</div>" * 5000)
    json.dumps(tree)
    assert plain(tree) == "x"


@pytest.mark.parametrize(
    "piece", ["<", "<!", "<![CDATA[", "<a ", "<!--", "</", "&#", "<a x='", "<?", "<script>", "'<b "]
)
def test_no_text_is_read_twice(piece):
    """Steps grow with the length, not with its square; counted, not timed."""

    def steps(n):
        count = 0

        def trace(frame, event, _):
            nonlocal count
            count += event == "line"
            return trace

        sys.settrace(trace)
        try:
            markup(piece * n)
        finally:
            sys.settrace(None)
        return count

    assert steps(800) < 5 * steps(200) + 100
