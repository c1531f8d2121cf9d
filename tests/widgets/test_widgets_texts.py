"""What a file says is text wherever Python writes HTML: tables of results, stills, lines."""

import dataclasses
import json
from html.parser import HTMLParser
from pathlib import Path

import ipywidgets
import numpy as np
import pandas as pd
import pytest

import cutaway as ct
import cutaway_widgets as cw
from cutaway.core import Index, Origin
from cutaway.model.card import CostCard
from cutaway_widgets._reopen import fallback
from cutaway_widgets.explorers._layout import heading, line

BAD = json.loads(
    (Path(__file__).parents[1] / "browser" / "hostile.json").read_text(encoding="utf-8")
)
OURS = {
    "b", "br", "caption", "div", "h2", "h4", "img", "p", "pre", "small", "table", "tbody", "td",
    "th", "thead", "tr",
}  # fmt: skip


class Reader(HTMLParser):
    """Elements, attributes and words of HTML."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.words = set(), {}, ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= dict(attrs)

    def handle_data(self, data):
        self.words += data


def assert_text(text, *shown):
    """Only elements of ours, and these words."""
    found = Reader(text)
    assert found.tags <= OURS
    assert not any(name.startswith("on") for name in found.attributes)
    assert set(found.attributes) <= {"alt", "border", "class", "role", "src", "style"}
    assert found.attributes.get("src", "data:").startswith("data:")
    for one in shown:
        assert one in found.words


@pytest.fixture(scope="module")
def screen():
    data = ct.load_data("digits", split="test", limit=60)
    return ct.screen_filters(ct.capture("lenet5-digits", data, "conv1", pool=8))


@pytest.mark.parametrize("bad", BAD)
def test_a_result_shows_its_origin_and_cells_as_text(screen, bad):
    origin = Origin(bad, {}, model=bad, site=bad, data=bad)
    filters = screen.filters.assign(site=bad).rename(columns={"layer": bad})
    made = dataclasses.replace(screen, origin=origin, filters=filters)
    assert_text(made._repr_html_(), bad)
    plain = dataclasses.replace(
        ct.project(np.eye(5), seed=0), origin=origin, rows=Index([f"{bad}{i}" for i in range(5)])
    )
    assert_text(plain._repr_html_(), bad)


@pytest.mark.parametrize("bad", BAD)
def test_lines_and_stills_hold_texts_as_text(bad):
    assert_text(line(bad), bad)
    assert_text(heading(bad), bad)
    link = cw.Link(Index([bad, f"{bad}1"]))
    frame = pd.DataFrame({bad: [bad, "x"], "n": [1.0, 2.0]})
    views = [
        cw.Table(frame, title=bad), cw.Scatter(np.eye(2), link=link, title=bad),
        cw.Histogram([1.0, 2.0], link=link, name=bad, title=bad),
    ]  # fmt: skip
    for one in views:
        one.caption = bad
        assert_text(fallback(one), bad)
    assert_text(fallback(ipywidgets.VBox(views)), bad)
    assert_text(views[0]._repr_mimebundle_()[0]["text/html"], bad)


@pytest.mark.parametrize("bad", BAD)
def test_a_cost_card_is_text(bad):
    card = CostCard(
        model=bad, data=bad, n=1, batch_size=1, sites=(bad,), shapes=((1,),), dtype="float32",
        sizes=(4,), limit=100, free=100, seconds=1.0, where=bad, parameters=(1,), macs=(1,),
    )  # fmt: skip
    assert_text(card._repr_html_(), bad)


def test_the_check_sees_markup():
    with pytest.raises(AssertionError):
        assert_text(f"<p>{BAD[0]}</p>")
