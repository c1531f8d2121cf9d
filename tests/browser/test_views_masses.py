"""Very many points, pictures instead of points, counts instead of points; both engines alike."""

# Fixtures are imported by name and used as arguments.
# ruff: noqa: F811

import numpy as np
import pytest
from gallery import planted_atlas
from mouse import box_of, drag, wheel
from static_page import drawn, of, open_views, snapshot
from static_scene import N, page, repainted, scene, selected  # noqa: F401 - fixtures

import cutaway_widgets as cw
from cutaway.core import Index

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright").expect
pytestmark = pytest.mark.browser

# What a reader sees at a page place: all sheets of the plot over each other, ground beneath.
SEEN = """([el, places]) => {
  const sheets = [...el.querySelectorAll("canvas.cw-gl, canvas.cw-canvas:not(.cw-over)")]
    .filter((c) => c.style.visibility !== "hidden")
    .sort((a, b) => b.classList.contains("cw-gl") - a.classList.contains("cw-gl"));
  const all = document.createElement("canvas");
  all.width = sheets[0].width; all.height = sheets[0].height;
  const ctx = all.getContext("2d");
  ctx.fillStyle = "#fff";
  ctx.fillRect(0, 0, all.width, all.height);
  for (const one of sheets) ctx.drawImage(one, 0, 0);
  const pixel = (x, y) => [...ctx.getImageData(Math.round(x), Math.round(y), 1, 1).data];
  return places.map(([x, y]) => pixel(x, y).slice(0, 3));
}"""
LOSE = """() => {
  const gl = document.querySelector(".cw-gl").getContext("webgl2");
  window.lost = gl.getExtension("WEBGL_lose_context");
  window.lost.loseContext();
}"""
READY = "([el, engine]) => el.querySelector('.cw-body').dataset.engine === engine"


def lattice(columns, lines):
    """Points on a grid: column and line of each."""
    i = np.arange(columns * lines)
    return np.c_[i % columns, i // columns].astype(float)


def places(page, view, points):
    """Page places of points, as the view's own fit puts them (no labels on the axes)."""
    box = box_of(of(page, view).locator("canvas.cw-over"))
    left, top, width, height = 50, 18, box["width"] - 70, view.height - 48
    low, high = points.min(0), points.max(0)
    part = (points - low) / (high - low)
    return np.c_[left + part[:, 0] * width, top + (1 - part[:, 1]) * height]


def seen(page, view, where):
    """Pixels at page places, once they stay the same."""
    body = of(page, view).locator(".cw-body").element_handle()
    before = None
    for _ in range(100):
        drawn(page)
        pixels = page.evaluate(SEEN, [body, np.asarray(where).tolist()])
        if pixels == before:
            return np.array(pixels)
        before = pixels
    raise AssertionError("the picture never came to rest")


def wait_for(page, view, engine):
    page.wait_for_function(READY, arg=[of(page, view).element_handle(), engine])


def hues(names):
    return np.array([[int(one[k : k + 2], 16) for k in (1, 3, 5)] for one in names])


def test_both_engines_draw_the_same_picture(browser):
    points = lattice(15, 8)
    kind = np.arange(120) % 3
    colors = ["#cc2200", "#00aa33", "#2244cc"]
    link = cw.Link(Index.count(120))
    views = [
        cw.Scatter(
            points, link=link, engine=engine, colors={"kind": cw.Categories(kind, "abc", colors)}
        )
        for engine in ("webgl", "pixels")
    ]
    page = open_views(browser, views)
    for view in views:
        wait_for(page, view, view.engine)
    where = places(page, views[0], points)
    # Between neighbours of the lattice is nothing.
    between = ((where[:-16] + where[16:]) / 2)[np.arange(104) % 15 < 14]
    for _ in range(2):
        one, two = (seen(page, view, where).astype(int) for view in views)
        assert np.abs(one - two).max() <= 6
        for view in views:
            assert np.abs(seen(page, view, between).astype(int) - 255).max() == 0
        drag(
            page, of(page, views[0]).locator("canvas.cw-over"), [(0, 0), (0.5, 0), (0.5, 1), (0, 1)]
        )
        assert 0 < len(selected(page, link)) < 120
    chosen = np.isin(np.arange(120), selected(page, link))
    assert np.abs(one[chosen] - (0.92 * hues(colors)[kind[chosen]] + 0.08 * 255)).max() <= 6
    assert np.abs(one[~chosen] - (0.15 * hues(colors)[kind[~chosen]] + 0.85 * 255)).max() <= 6
    snapshot(page, "engines")
    # What copies all sheets of a view must not find points beneath a density.
    of(page, views[0]).locator("canvas.cw-over").press("d")
    expect(of(page, views[0]).locator(".cw-legend")).to_contain_text("on 2 × 2 px")
    beneath = (
        of(page, views[0])
        .locator("canvas.cw-gl")
        .evaluate(
            """c => { const copy = new OffscreenCanvas(c.width, c.height).getContext("2d");
        copy.drawImage(c, 0, 0);
        return copy.getImageData(0, 0, c.width, c.height).data.every((one) => one === 0); }"""
        )
    )
    assert beneath
    assert page.strays == []
    page.context.close()


@pytest.mark.parametrize("engine", ["webgl", "pixels"])
def test_each_of_a_thousand_classes_keeps_its_colour(browser, engine):
    points = lattice(50, 20)
    rng = np.random.default_rng(0)
    colors = ["#" + "".join(f"{one:02x}" for one in row) for row in rng.integers(0, 256, (1000, 3))]
    view = cw.Scatter(
        points, engine=engine, height=420, equal=False,
        colors={"class": cw.Categories(np.arange(1000), [str(i) for i in range(1000)], colors)},
    )  # fmt: skip
    page = open_views(browser, [view], width=1100)
    wait_for(page, view, engine)
    got = seen(page, view, places(page, view, points))
    assert np.abs(got - (0.92 * hues(colors) + 0.08 * 255)).max() <= 8
    page.context.close()


def test_a_lost_context_is_survived_and_used_again(browser):
    points = lattice(10, 10)
    view = cw.Scatter(points, engine="webgl")
    page = open_views(browser, [view])
    wait_for(page, view, "webgl")
    where = places(page, view, points)
    before = seen(page, view, where)
    assert before.min() < 200
    page.evaluate(LOSE)
    wait_for(page, view, "pixels")
    assert np.abs(seen(page, view, where).astype(int) - before).max() <= 6
    page.evaluate("() => window.lost.restoreContext()")
    wait_for(page, view, "webgl")
    assert np.abs(seen(page, view, where).astype(int) - before).max() == 0
    assert page.strays == []
    page.context.close()


def test_more_scatters_than_a_page_has_contexts_are_all_drawn(browser):
    points = lattice(4, 4)
    link = cw.Link(Index.count(16))
    views = [cw.Scatter(points, link=link, engine="webgl", height=120) for _ in range(18)]
    page = open_views(browser, views, columns="1fr 1fr 1fr", height=2000)
    for view in views:
        page.wait_for_function(
            "el => el.querySelector('.cw-body').dataset.engine", arg=of(page, view).element_handle()
        )
    engines = [of(page, one).locator(".cw-body").get_attribute("data-engine") for one in views]
    assert engines == ["webgl"] * 12 + ["pixels"] * 6
    for view in (views[0], views[11], views[17]):
        assert (seen(page, view, places(page, view, points)).min(axis=1) < 100).all()
    page.context.close()


def test_density_counts_points_and_is_reached_by_key_and_button(page, scene):
    view = of(page, scene.scatter)
    canvas = view.locator("canvas").first
    before = canvas.evaluate("c => c.toDataURL()")
    view.locator("canvas.cw-over").press("d")
    repainted(page, canvas, before)
    button = view.get_by_role("button", name="Count the points on each place")
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(view.locator(".cw-legend")).to_contain_text("points on 2 × 2 px")
    colours = canvas.evaluate(
        """c => {
          const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
          const found = {};
          for (let i = 0; i < d.length; i += 4) {
            if (d[i + 3] !== 255) continue;
            const k = [d[i], d[i + 1], d[i + 2]].join();
            found[k] = (found[k] ?? 0) + 1;
          }
          return found;
        }"""
    )
    # Single points are viridis' first colour, four pixels each; the most frequent one its last.
    assert colours["68,1,84"] > 4 * 50
    assert "253,231,37" in colours
    drag(
        page,
        view.locator("canvas.cw-over"),
        [(0.05, 0.02), (0.55, 0.02), (0.55, 0.88), (0.05, 0.88)],
    )
    assert selected(page, scene.samples) == list(range(160))
    expect(view.locator(".cw-legend")).to_contain_text("grey: not selected")
    snapshot(page, "density")
    button.click()
    expect(view.locator(".cw-key")).to_have_count(2)


def test_close_by_pictures_stand_in_place_of_points_and_none_over_another(browser):
    points = lattice(20, 12)
    link = cw.Link(Index.count(N), thumbnails=planted_atlas(N))
    view = cw.Scatter(points, link=link)
    page = open_views(browser, [view])
    over = of(page, view).locator("canvas.cw-over")
    for _ in range(4):
        over.press("+")
    drawn(page)
    box = box_of(over)
    # The middle of the lattice stays in the middle; four steps of 1.5 make distances five times.
    step = 1.5**4 * (box["width"] - 70) / 19
    middle = 40 + (box["width"] - 50) / 2
    height = 8 + (view.height - 36) / 2
    rise = 1.5**4 * (view.height - 48) / 11
    rows = {(c, r): r * 20 + c for c in (9, 10) for r in (5, 6)}
    where = [(middle + (c - 9.5) * step, height - (r - 5.5) * rise) for c, r in rows]
    got = seen(page, view, where)
    assert got.tolist() == [[row, 255 - row, 40] for row in rows.values()]
    over.press("0")
    drawn(page)
    assert seen(page, view, places(page, view, points)[:1])[0].tolist() != [0, 255, 40]
    page.context.close()


def test_the_summary_says_what_is_selected(page, scene):
    drag(
        page,
        of(page, scene.scatter).locator("canvas.cw-over"),
        [(0.05, 0.02), (0.55, 0.02), (0.55, 0.88), (0.05, 0.88)],
    )
    words = "160 selected: cluster main: 160; class 0: 16, class 1: 16, class 2: 16, 7 more"
    of(page, scene.scatter).get_by_text(words).wait_for()
    of(page, scene.grid).get_by_text(words).wait_for()


def test_of_thinned_points_rows_are_selected_not_places_on_the_page(browser):
    rng = np.random.default_rng(3)
    points = rng.normal(size=(3000, 2))
    view = cw.Scatter(points, index=Index.count(3000), max_points=400, colors={"x": points[:, 0]})
    histogram = cw.Histogram(points[:, 0], link=view.link)
    page = open_views(browser, [view, histogram])
    of(page, view).get_by_text("every sparse place whole, dense ones thinned, seed 0").wait_for()
    canvas = of(page, view).locator("canvas.cw-over")
    drag(page, canvas, [(0.0, 0.0), (0.5, 0.0), (0.5, 0.999), (0.0, 0.999)])
    rows = selected(page, view.link)
    shown = view._shown.tolist()
    assert 50 < len(rows) < 400
    assert set(rows) < set(shown)
    assert points[rows, 0].max() < points[sorted(set(shown) - set(rows)), 0].min()
    drawn = page.evaluate("id => window.models[id].get('_drawn')", view.model_id)
    assert drawn["how"] == "replace"
    # The outline's own corners are told in the units of the points.
    left, right = min(drawn["outline"][::2]), max(drawn["outline"][::2])
    assert left < points[rows, 0].min()
    assert points[rows, 0].max() < right < points[sorted(set(shown) - set(rows)), 0].min()
    of(page, histogram).get_by_text(f"{len(rows)} selected").wait_for()
    page.mouse.move(0, 0)
    canvas.press("ArrowRight")
    tip = of(page, view).locator(".cw-tip strong")
    row = int(tip.inner_text().removeprefix("sample "))
    assert row in shown
    assert page.strays == []
    page.context.close()


def test_a_hundred_thousand_rows_are_linked_without_a_kernel(browser):
    n = 100_000
    rng = np.random.default_rng(0)
    points = rng.normal(size=(n, 2)).astype(np.float32)
    link = cw.Link(Index.count(n))
    kinds = (points[:, 0] > 0).astype(int)
    views = [
        cw.Scatter(points, link=link, colors={"side": cw.Categories(kinds, ["left", "right"])}),
        cw.Histogram(points[:, 0], link=link),
        cw.ImageGrid(link=link, mode="selected"),
    ]
    page = open_views(browser, views, width=1000, height=1300)
    scatter, histogram, grid = (of(page, one) for one in views)
    drag(
        page, scatter.locator("canvas.cw-over"), [(0.0, 0.0), (0.5, 0.0), (0.5, 0.99), (0.0, 0.99)]
    )
    rows = np.array(selected(page, link))
    count = f"{len(rows):,}"
    assert len(rows) > 1000
    assert points[rows, 0].max() <= np.delete(points[:, 0], rows).min()
    grid.get_by_text(f"{count} samples shown").wait_for()
    histogram.get_by_text(f"{count} selected").wait_for()
    scatter.get_by_text(f"{count} selected").wait_for()
    tiles = grid.get_by_role("option")
    assert tiles.count() < 200
    assert tiles.first.get_attribute("aria-label") == f"sample {rows[0]}"
    # The last selected row is reached by scrolling to the end.
    wheel(grid.get_by_role("listbox"), 1e7)
    grid.get_by_label(f"sample {rows[-1]}", exact=True).wait_for()
    assert page.strays == []
    page.context.close()


def test_pictures_kept_in_sight_stay_those_of_their_rows(page, scene):
    put = """([id, rows]) => {
      const m = window.models[id];
      const b = new Uint8Array(30);
      for (const i of rows) b[i >> 3] |= 1 << (i & 7);
      m.set("_of", m.get("digest"));
      m.set("_mask", new DataView(b.buffer));
    }"""
    tiles = of(page, scene.grid).get_by_role("option")
    for rows in ([3, 7, 202], [7, 90, 202], [1, 2, 3, 7], [202]):
        page.evaluate(put, [scene.samples.model_id, rows])
        expect(tiles).to_have_count(len(rows))
        for tile, row in zip(tiles.all(), rows, strict=True):
            expect(tile).to_have_attribute("aria-label", f"sample s{row:03d}, {row % 10}")
        colours = tiles.locator("canvas").evaluate_all(
            "all => all.map((c) => [...c.getContext('2d').getImageData(20, 20, 1, 1).data])"
        )
        assert colours == [[row, 255 - row, 40, 255] for row in rows]
