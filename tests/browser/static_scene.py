"""A planted scene of linked views on a page without a kernel."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from gallery import planted_atlas
from static_page import open_views

import cutaway_widgets as cw
from cutaway.core import Index

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright").expect


N = 240


@pytest.fixture
def scene():
    """Two clusters of samples: 0..159 around (-2, 0), 160..239 around (2, 1); five units."""
    rng = np.random.default_rng(0)
    points = rng.uniform(-0.8, 0.8, (N, 2))
    points[:160] += (-2, 0)
    points[160:] += (2, 1)
    cluster = (np.arange(N) >= 160).astype(int)
    loss = rng.gamma(1.0, 0.4, N) + 1.5 * cluster
    samples = cw.Link(Index([f"s{i:03d}" for i in range(N)]), thumbnails=planted_atlas(N))
    units = cw.Link(Index([f"conv1:{i}" for i in range(5)], "unit"))
    frame = pd.DataFrame(
        {
            "site": ["conv1"] * 3 + ["conv2"] * 2,
            "unit": range(5),
            "score": [0.2, 0.9, 0.5, np.nan, 0.7],
            "p": [0.5, 1e-7, 0.031, np.nan, 0.2],
            "flag": ["", "certain", "", "", "likely"],
        }
    )
    sites = [
        SimpleNamespace(path=p, type=t, shape=s, layout=k, n_parameters=m, n_units=s[0])
        for p, t, s, k, m in [
            ("features", "Sequential", (16, 5, 5), "n c h w", 2572),
            ("features.conv1", "Conv2d", (6, 28, 28), "n c h w", 156),
            ("features.pool1", "AvgPool2d", (6, 14, 14), "n c h w", 0),
            ("features.conv2", "Conv2d", (16, 10, 10), "n c h w", 2416),
            ("fc1", "Linear", (120,), "n d", 48120),
        ]
    ]
    job = cw.Job(inline=True)
    job.start(lambda tick: tick(1.0, "EM 12 of 12"), name="Screen filters")
    return SimpleNamespace(
        samples=samples,
        units=units,
        scatter=cw.Scatter(
            points,
            link=samples,
            colors={
                "cluster": cw.Categories(cluster, ["main", "small"]),
                "class": [str(i % 10) for i in range(N)],
                "loss": cw.Values(loss, "nats"),
            },
            ellipses=cw.Ellipses([(-2, 0), (2, 1)], [np.eye(2) / 4, np.eye(2) / 4]),
            x_label="component 1",
            y_label="component 2",
            title="Samples of one filter",
            caption="screen_filters · lenet5 · conv1 · digits · seed 0",
        ),
        grid=cw.ImageGrid(link=samples, labels=[f"{i % 10}" for i in range(N)], mode="selected"),
        histogram=cw.Histogram(loss, link=samples, name="loss", unit="nats"),
        table=cw.Table(frame, link=units, units={"score": "rank"}, sort="score", title="Filters"),
        tree=cw.SiteTree(sites, picked=["features.conv1"], title="Sites"),
        progress=cw.Progress(job),
    )


def everything(scene):
    return [
        scene.tree,
        scene.table,
        scene.scatter,
        scene.grid,
        scene.histogram,
        scene.progress,
    ]


def selected(page, link):
    return page.evaluate("id => window.bits(id)", link.model_id)


PAINTED = """c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data
.reduce((n, v, i) => n + (i % 4 === 3 && v > 0), 0) > 3000"""


def look(page, canvas):
    return canvas.evaluate("c => c.toDataURL()")


def repainted(page, canvas, before):
    """Wait until a canvas looks other than before."""
    page.wait_for_function(
        "([c, old]) => c.toDataURL() !== old", arg=[canvas.element_handle(), before]
    )


@pytest.fixture
def page(browser, scene):
    page = open_views(browser, everything(scene))
    yield page
    assert page.strays == []
    page.context.close()
