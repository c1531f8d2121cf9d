"""Figures of the observables lens hold the results' numbers, nothing else."""

import numpy as np
import pytest

import cutaway as ct

PROMPTS = [
    ("The nurse said that", "The doctor said that"),
    ("A nurse said that", "A doctor said that"),
]


@pytest.fixture(scope="module")
def opened():
    model = ct.load_model("gpt-occupations")
    return model, ct.Observable.from_tokens(model, ["she"], ["he"])


@pytest.mark.parametrize("kind", ["norm", "attribution", "ov_patching", "patching"])
def test_a_head_map_is_layers_by_heads(opened, kind):
    model, observable = opened
    found = ct.head_map(model, observable, kind=kind, prompts=None if kind == "norm" else PROMPTS)
    (trace,) = found.plot().data
    np.testing.assert_array_equal(trace.z, found.values)
    assert trace.zmin == (0 if kind == "norm" else -trace.zmax)
    assert trace.zmax == np.abs(found.values).max()
    text = trace.customdata[1][2]
    assert text == ("" if kind == "norm" else f" [{found.low[1, 2]:.3g}, {found.high[1, 2]:.3g}]")
    layout = found.plot().layout
    assert (layout.xaxis.title.text, layout.yaxis.title.text) == ("head", "layer")
    assert found.origin.caption() in layout.title.text
    assert "she - he" in layout.title.text


def test_paths_are_bars_with_intervals(opened):
    found = ct.search_paths(*opened, PROMPTS, max_length=2, beam=8, merge_cosine=0.9)
    figure = found.plot(n=12)
    bars = [trace for trace in figure.data if trace.type == "bar"]
    scores = {name: x for trace in bars for name, x in zip(trace.y, trace.x, strict=True)}
    assert scores == dict(zip(found.rows.ids[:12], found.score[:12], strict=True))
    grey = [name for trace in bars if "same vector" in trace.name for name in trace.y]
    merged = dict(zip(found.rows, found.merged_into, strict=True))
    assert grey == [name for name in scores if merged[name]]
    np.testing.assert_array_equal(figure.data[-1].x, found.patched[:12])
    high = np.concatenate([trace.x + trace.error_x.array for trace in bars])
    assert sorted(high) == pytest.approx(sorted(found.high[:12]))
    assert len(found.plot(n=10**6).data[-1].x) == len(found.rows)
    with pytest.raises(ValueError, match="n must be 1 or more, got 0"):
        found.plot(n=0)
