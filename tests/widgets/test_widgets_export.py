"""Saved pages without a browser: what is in the file, and what it refuses to hold."""

import base64
import concurrent.futures
import hashlib
import json
from html.parser import HTMLParser

import ipywidgets
import numpy as np
import pandas as pd
import pytest

import cutaway as ct
import cutaway_widgets as cw
from cutaway.core import Index
from cutaway_widgets.export import encode, page_html

HOSTILE = "</script><script>alert(1)</script><!-- <img src=x onerror=alert(2)>"


class Page(HTMLParser):
    """Elements of a page with their text; scripts are read as a browser reads them."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.found = []
        self.texts = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.texts = []
        self.found.append((tag, dict(attrs), self.texts))

    def handle_endtag(self, tag):
        self.texts = []

    def handle_data(self, data):
        self.texts.append(data)

    def all(self, tag):
        return [(attrs, "".join(texts)) for name, attrs, texts in self.found if name == tag]

    def state(self):
        return json.loads(self.all("script")[0][1])


def decode(value):
    """The inverse of `encode`, written from its description."""
    if isinstance(value, list):
        return [decode(one) for one in value]
    if not isinstance(value, dict):
        return value
    if "$bytes" in value:
        return base64.b64decode(value["$bytes"])
    if "$number" in value:
        return float(value["$number"].replace("Infinity", "inf"))
    return {name.removeprefix("$"): decode(one) for name, one in value.items()}


def plain(value):
    """A trait's state with lists for tuples and bytes for buffers."""
    if isinstance(value, bytes | memoryview):
        return bytes(value)
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return value


@pytest.fixture
def scene():
    samples = cw.Link(Index([f"s{i}" for i in range(20)]))
    rng = np.random.default_rng(0)
    scatter = cw.Scatter(rng.normal(size=(20, 2)), link=samples, title="Samples")
    histogram = cw.Histogram(rng.normal(size=20), link=samples, name="loss")
    frame = pd.DataFrame({"unit": [0, 1], "score": [0.5, np.nan], "flag": ["", HOSTILE]})
    table = cw.Table(frame, title="Filters")
    button = ipywidgets.Button(description="Screen")
    box = ipywidgets.VBox(
        [
            ipywidgets.HTML(HOSTILE, description="note"),
            ipywidgets.HBox([scatter, histogram], layout={"flex_flow": "row wrap"}),
            ipywidgets.Box([table, button]),
        ]
    )
    return box, scatter, histogram, table, samples


def test_the_tree_is_kept_with_its_layout(scene):
    tree = Page(page_html(scene[0])).state()["tree"]
    text, row, last = tree["children"]
    assert (tree["part"], tree["direction"], tree["style"]) == ("box", "column", {})
    # Of its markup nothing is listed; "</script" outside of a script ends nothing.
    assert (text["part"], text["text"], text["value"]) == ("html", "note", [])
    assert (row["direction"], row["style"]) == ("row", {"flex-flow": "row wrap"})
    assert [one["part"] for one in last["children"]] == ["view", "button"]
    assert last["children"][1]["text"] == "Screen"
    assert row["children"][0]["style"] == {"min-width": "0", "width": "100%"}


def test_every_synced_value_is_there_also_the_defaults(scene):
    box, scatter, histogram, table, samples = scene
    samples.select(["s3", "s7"])
    models = Page(page_html(box)).state()["models"]
    # In the order of the tree, a link where its first view names it.
    met = [scatter, samples, histogram, table, table.link]
    assert list(models) == [f"m{i}" for i in range(len(met))]
    for state, widget in zip(models.values(), met, strict=True):
        held = plain(widget.get_state())
        for name in ("_code", "_still", "layout", "tabbable", "tooltip", "link"):
            held.pop(name, None)
        host = ("_model_", "_view_", "_anywidget_", "_dom_", "_esm", "_css")
        expected = {name: one for name, one in held.items() if not name.startswith(host)}
        found = decode({name: one for name, one in state.items() if name != "link"})
        np.testing.assert_equal(found, expected)
        assert "error" in found


def test_views_of_one_link_share_one_model_and_others_do_not(scene):
    models = Page(page_html(scene[0])).state()["models"]
    scatter, samples, histogram, table, units = models
    assert models[scatter]["link"] == models[histogram]["link"] == samples
    assert models[table]["link"] == units
    assert models[samples]["digest"] == scene[-1].digest


def test_what_the_browser_selected_is_saved_and_its_pointer_is_not(scene):
    samples = scene[-1]
    mask = np.packbits(np.arange(20) % 7 == 2, bitorder="little").tobytes()
    samples.set_state({"_of": samples.digest, "_mask": memoryview(mask), "_hover": 5})
    link = Page(page_html(scene[0])).state()["models"]["m1"]
    assert decode(link["_mask"]) == mask
    assert link["_hover"] == -1


def test_a_link_that_is_being_changed_is_waited_for():
    view = cw.ImageGrid(link=cw.Link(Index.count(9)))
    many = Index([f"s{i}" for i in range(40)])
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with view.link.lock:
            asked = pool.submit(page_html, view)
            with pytest.raises(concurrent.futures.TimeoutError):
                asked.result(timeout=0.1)
            view.link.set_index(many)
        link = Page(asked.result(timeout=30)).state()["models"]["m1"]
    assert (link["n"], link["digest"], len(decode(link["_mask"]))) == (40, many.digest, 5)


def test_a_view_shown_twice_is_one_model(scene):
    scatter = scene[1]
    state = Page(page_html(ipywidgets.HBox([scatter, scatter]))).state()
    assert [one["model"] for one in state["tree"]["children"]] == ["m0", "m0"]
    assert list(state["models"]) == ["m0", "m1"]


def test_a_single_view_gives_its_title_to_the_tab(scene):
    page = Page(page_html(scene[1]))
    assert page.all("title")[0][1] == "Samples"
    assert page.all("h1") == []


def test_the_same_views_give_the_same_text(scene):
    assert page_html(scene[0], title="a") == page_html(scene[0], title="a")


def test_markup_in_data_and_title_stays_text(scene):
    page = Page(page_html(scene[0], title=HOSTILE))
    assert [attrs.get("type") for attrs, _ in page.all("script")] == ["application/json", None]
    assert page.all("img") == []
    assert page.all("title")[0][1] == page.all("h1")[0][1] == HOSTILE


def test_only_the_pages_own_script_may_run_and_nothing_is_fetched(scene):
    page = Page(page_html(scene[0]))
    (policy,) = (
        attrs["content"] for attrs, _ in page.all("meta") if attrs.get("http-equiv") is not None
    )
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    digest = hashlib.sha256(page.all("script")[1][1].encode()).digest()
    assert rules["script-src"] == f"'sha256-{base64.b64encode(digest).decode()}'"
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data: blob:"
    outside = [
        value
        for _, attrs, _ in page.found
        for name, value in attrs.items()
        if name in {"src", "href"} and not value.startswith("data:")
    ]
    assert outside == []


def test_an_explorer_is_a_page(tmp_path):
    data = ct.load_data("digits", split="test", limit=60)
    explorer = cw.FilterExplorer("lenet5-digits", data, sites="conv1", inline=True)
    file = cw.export_html(explorer, tmp_path / "new" / "page.html", title="LeNet-5")
    state = Page(file.read_text(encoding="utf-8")).state()
    kinds = [one["_kind"] for one in state["models"].values() if "_kind" in one]
    assert set(kinds) == {
        "actions", "attribution_overlay", "choice", "feature_maps", "form", "heat_map", "histogram",
        "image_grid", "line_chart", "progress", "scatter", "selection_bar", "site_tree", "table",
    }  # fmt: skip
    # Samples, filters, and the input channels of the picked filter's kernels.
    assert sum("_mask" in one for one in state["models"].values()) == 3
    assert list(file.parent.iterdir()) == [file]


class TestFile:
    def test_a_failed_write_leaves_the_old_page(self, scene, tmp_path, monkeypatch):
        target = cw.export_html(scene[1], tmp_path / "page.html")
        before = target.read_bytes()

        def half(self, text, **_options):
            self.write_bytes(text[:100].encode())
            raise OSError("no space left")

        monkeypatch.setattr(type(target), "write_text", half)
        with pytest.raises(OSError, match="no space left"):
            cw.export_html(scene[0], target)
        assert target.read_bytes() == before
        assert list(tmp_path.iterdir()) == [target]

    def test_the_new_page_replaces_the_old_one(self, scene, tmp_path):
        cw.export_html(scene[1], tmp_path / "page.html")
        cw.export_html(scene[1], str(tmp_path / "page.html"), title="Second")
        assert "<h1>Second</h1>" in (tmp_path / "page.html").read_text(encoding="utf-8")

    def test_another_ending_is_refused(self, scene, tmp_path):
        with pytest.raises(
            ValueError, match=r"path must end in \.html, got .*page\.pdf'; browsers"
        ):
            cw.export_html(scene[0], tmp_path / "page.pdf")
        assert list(tmp_path.iterdir()) == []

    def test_ids_that_are_no_proper_text_are_kept(self, tmp_path):
        # Names of files that are not UTF-8 come as lone surrogates.
        link = cw.Link(Index(["a\udcff", "b"]))
        view = cw.Histogram([0.0, 1.0], link=link)
        file = cw.export_html(view, tmp_path / "page.html")
        state = Page(file.read_text(encoding="utf-8")).state()
        assert state["models"]["m1"]["_ids"] == ["a\udcff", "b"]


class TestRefused:
    @pytest.mark.parametrize(
        "make",
        [ipywidgets.IntSlider, ipywidgets.Tab, lambda: cw.Link(Index.count(2)), dict],
        ids=["IntSlider", "Tab", "Link", "dict"],
    )
    def test_other_widgets_are_named(self, make, request, tmp_path):
        kind = request.node.callspec.id
        with pytest.raises(TypeError, match=f"view must be a Cutaway view, .* got {kind}; leave"):
            cw.export_html(ipywidgets.VBox([make()]) if kind != "dict" else {}, tmp_path / "a.html")
        assert list(tmp_path.iterdir()) == []

    def test_a_title_must_be_text(self, scene):
        with pytest.raises(TypeError, match="title must be a str, got int; give '' for none"):
            page_html(scene[0], title=3)


class TestEncode:
    @pytest.mark.parametrize(
        "value",
        [
            None, True, 3, -0.1, "text", [], {}, b"", b"\x00\xff",
            {"$bytes": "a column", "$$number": 1, "plain": [1.0, (2, b"x")]},
            [float("nan"), float("inf"), -float("inf")],
        ],
        ids=repr,
    )  # fmt: skip
    def test_comes_back(self, value):
        text = json.dumps(encode(value), allow_nan=False)
        np.testing.assert_equal(decode(json.loads(text)), plain(value))

    def test_another_kind_is_named(self):
        with pytest.raises(TypeError, match="state must hold numbers, .* got set; convert it"):
            encode({"a": [set()]})
