"""The workbench's pure functions: fields of a lens, differences of screens, cost, steps."""

import inspect
from types import SimpleNamespace
from typing import Literal

import numpy as np
import pandas as pd
import pytest

import cutaway as ct
from cutaway.core import Index, Origin
from cutaway.lenses import LENSES
from cutaway_widgets.explorers import _run as run
from cutaway_widgets.explorers import _work as work
from cutaway_widgets.explorers._differences import differences_text, filter_differences
from cutaway_widgets.explorers._lens_fields import (
    arguments,
    described,
    lens_fields,
    signature_text,
)
from cutaway_widgets.explorers._lens_panel import cost_text
from cutaway_widgets.explorers._steps import steps


def planted(
    acts,
    *,
    mode: Literal["a", "b"] = "a",
    shape: str = "full",
    depth: int = 3,
    rate: float | None = None,
    whole: bool = True,
    sizes: tuple[int, ...] = (2, 4),
    site: str | None = None,
    weights: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    tick=None,
):
    """Do nothing.

    Parameters
    ----------
    acts : Activations
        Maps.
    mode : {"x"}
        The annotation wins.
    shape : {"full", "diag"}
        Of the
        `components`.
    depth, rate : int, float
        Two at once.
    whole : bool
        Or not.
    sizes : tuple of int
        Several.
    labels : array_like of shape (n,)
        Classes.

    Returns
    -------
    None
        mode : not a parameter
    """


LENS = SimpleNamespace(
    run=lambda: planted,
    parameters=lambda: {
        name: one
        for name, one in inspect.signature(planted).parameters.items()
        if one.kind is inspect.Parameter.KEYWORD_ONLY and name != "tick"
    },
)


class TestLensFields:
    def test_kinds_come_from_annotations_and_the_docstring(self):
        fields = {one.name: one for one in lens_fields(LENS)}
        assert {name: one.kind for name, one in fields.items()} == {
            "mode": "choice", "shape": "choice", "depth": "whole", "rate": "number",
            "whole": "check", "sizes": "wholes", "site": "text", "labels": "check",
        }  # fmt: skip
        assert fields["mode"].options == ("a", "b")
        assert fields["shape"].options == ("full", "diag")
        assert fields["shape"].help == "Of the components."
        assert (fields["rate"].optional, fields["depth"].optional) == (True, False)
        assert fields["sizes"].default == (2, 4)

    def test_docstrings_end_where_the_next_section_begins(self):
        said = described(inspect.getdoc(planted))
        assert said["depth"] == said["rate"] == ("int, float", "Two at once.")
        assert said["mode"] == ('{"x"}', "The annotation wins.")
        assert described("One line.") == {}

    @pytest.mark.parametrize("lens", LENSES, ids=lambda one: one.name)
    def test_every_lens_has_a_field_with_help_for_each_setting(self, lens):
        fields = {one.name: one for one in lens_fields(lens)}
        assert ("seed" in fields) == (lens.takes == "activations")
        assert set(fields) == set(lens.parameters())
        for name, parameter in lens.parameters().items():
            assert fields[name].help
            if name != "labels":
                assert fields[name].parse(fields[name].shown(parameter.default)) == (
                    parameter.default
                )

    def test_labels_are_the_datas_own(self):
        classes = np.array([0, 1])
        assert arguments({"labels": True, "k": 1}, classes)["labels"] is classes
        assert arguments({"labels": False}, None) == {"labels": None}
        with pytest.raises(ValueError, match="labels must be off for data without classes, got on"):
            arguments({"labels": True}, None)

    def test_titles_name_what_differs_from_the_defaults(self):
        text = signature_text({"mode": "b", "depth": 3, "labels": True, "other": 1}, planted)
        assert text == "mode b, by class"


def screen(scores, flags, *, site="conv1", rows=3):
    n = len(scores)
    filters = pd.DataFrame(
        {"site": [site] * n, "unit": np.arange(n), "score": scores, "flag": flags}
    )
    nothing = np.zeros((n, rows))
    return ct.filters.FilterScreen(
        Index.count(rows), Origin("screen_filters", data=f"data{rows}"), filters, filters, filters,
        nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing,
    )  # fmt: skip


class TestDifferences:
    def test_against_a_slow_version(self):
        rng = np.random.default_rng(0)
        a, b = (screen(rng.uniform(0, 9, 12), rng.choice(["", "likely"], 12)) for _ in range(2))
        # Another order: filters are matched by name, not by place.
        mixed = b.filters.sample(frac=1, random_state=1).reset_index(drop=True)
        object.__setattr__(b, "filters", mixed)
        found = filter_differences(a, b)
        assert len(found) == 12
        for _, line in found.iterrows():
            score = {}
            for side, one in (("a", a), ("b", b)):
                same = (one.filters["site"] == line["site"]) & (one.filters["unit"] == line["unit"])
                score[side] = one.filters.loc[same, "score"].item()
                higher = int((one.filters["score"] > score[side]).sum())
                assert line[f"rank_{side}"] == higher + 1
                assert line[f"score_{side}"] == score[side]
            assert line["change"] == score["b"] - score["a"]
            assert line["rank_change"] == line["rank_a"] - line["rank_b"]

    def test_the_same_screen_differs_in_nothing(self):
        one = screen([1.0, np.nan, 3.0], ["", "", "certain"])
        found = filter_differences(one, one)
        assert found["change"].fillna(0).eq(0).all()
        assert found["rank_change"].fillna(0).eq(0).all()

    def test_only_shared_filters_are_matched(self):
        assert len(filter_differences(screen([1.0, 2.0], ["", ""]), screen([5.0], [""]))) == 1

    def test_text_counts_flags_and_names_the_largest_change(self):
        a = screen([1.0, 2.0, 3.0], ["", "likely", "likely"])
        b = screen([1.5, 9.0, 2.0], ["likely", "likely", ""])
        text = differences_text(filter_differences(a, b), "A", "B")
        assert text == (
            "3 filters matched. Flagged in A: 2, in B: 2 (1 only there, 1 no longer). "
            "Largest change of score: conv1 unit 1, 2.00 → 9.00."
        )

    def test_other_samples_or_other_layers_are_refused(self):
        with pytest.raises(ValueError, match="screens must be about the same samples, got data3"):
            filter_differences(screen([1.0], [""]), screen([1.0], [""], rows=4))
        with pytest.raises(ValueError, match="screens must share filters, got sites conv1 and c2"):
            filter_differences(screen([1.0], [""]), screen([1.0], [""], site="c2"))


class TestCost:
    def test_planned_bytes_are_what_a_capture_keeps(self):
        model, data = ct.load_model("lenet5-digits"), ct.load_data("digits", limit=30)
        tree = ct.sites(model, data)
        picked = ("conv1", "conv2", "fc1")
        acts = ct.capture(model, data, list(picked), pool=run.POOL)
        kept = sum(acts[site].nbytes for site in picked)
        assert run.planned_bytes(tree, picked, len(data)) == kept

    def test_too_much_is_said_with_a_remedy(self):
        model, data = ct.load_model("lenet5-digits"), ct.load_data("digits", limit=30)
        tree = ct.sites(model, data)
        assert cost_text(tree, ("conv1",), 30, "1GB") == "1 layer, 6 units, 46.1 kB for 30 samples."
        assert cost_text(tree, ("conv1",), 30, "10KB").endswith(
            "more than the 10.0 kB allowed. Pick fewer layers or samples."
        )


@pytest.mark.parametrize(
    ("done", "states"),
    [
        ((0, 0, 0, 0), ["now", "later", "later", "later"]),
        ((1, 0, 0, 0), ["done", "now", "later", "later"]),
        ((1, 1, 0, 0), ["done", "done", "now", "later"]),
        ((1, 1, 1, 0), ["done", "done", "done", "now"]),
        ((1, 1, 1, 1), ["done", "done", "done", "done"]),
        ((1, 0, 1, 0), ["done", "done", "done", "now"]),
    ],
)
def test_the_next_step_is_the_first_not_done(done, states):
    names = ("opened", "picked", "ran", "brushed")
    found = steps(**{name: bool(one) for name, one in zip(names, done, strict=True)})
    assert [one.state for one in found] == states


@pytest.mark.parametrize(
    ("taken", "free"),
    [
        ((), "screen"),
        (("predictions", "screening", "screen-x"), "screen"),
        (("screen",), "screen-2"),
        (("screen-2",), "screen-3"),
        (("screen", "screen-9"), "screen-10"),
    ],
)
def test_free_names_count_on_and_fill_no_gap(taken, free):
    assert work.free_name(SimpleNamespace(results=dict.fromkeys(taken)), "screen") == free
