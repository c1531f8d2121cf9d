"""CSV of frames: no text is a formula, no number is changed."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cutaway.core._csv import csv_cell, csv_text, frame_csv

# The page's own code is tested on the same cells.
CELLS = json.loads((Path(__file__).parents[1] / "csv_cells.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("text", "runs"), CELLS)
def test_a_text_that_starts_a_formula_gets_an_apostrophe(text, runs):
    assert csv_text(text) == ("'" + text if runs else text)
    assert csv_text(csv_text(text)) == csv_text(text)


@pytest.mark.parametrize(
    "value", [-0.5, -1, np.float32(-2), np.int8(-3), True, None, float("nan"), -1 - 2j, pd.NA]
)
def test_numbers_stay_numbers(value):
    assert csv_cell(value) is value


def test_all_parts_of_a_frame_are_inert():
    bad = [text for text, runs in CELLS if runs]
    frame = pd.DataFrame(
        {
            "=head": bad,
            "number": -np.arange(len(bad)) - 0.5,
            "kind": pd.Categorical(bad),
            "mixed": [-0.5, *bad[1:]],
            "time": pd.to_timedelta([-1] * len(bad), unit="D"),
            "plain": ["a"] * len(bad),
            "missing": [None, *bad[1:]],
        },
        index=pd.Index(bad, name="@id"),
    )
    before = frame.copy(deep=True)
    rows = list(csv.reader(io.StringIO(frame_csv(frame), newline="")))
    pd.testing.assert_frame_equal(frame, before)
    assert rows[0] == ["'@id", "'=head", "number", "kind", "mixed", "time", "plain", "missing"]
    for text, number, row in zip(bad, frame["number"], rows[1:], strict=True):
        # Universal newlines are off: what stands in a cell is what was written.
        assert row[:2] == ["'" + text] * 2
        assert (float(row[2]), row[6]) == (number, "a")
        assert row[3] == "'" + text
        assert row[5].startswith("'-1 days")
    assert (rows[1][4], rows[1][7]) == ("-0.5", "")
    assert rows[2][4] == rows[2][7] == "'" + bad[1]


def test_what_is_no_formula_is_written_as_pandas_does():
    frame = pd.DataFrame({"a": [-1.5, 2], "b": ["x", "y, z"], 3: [1, -2]})
    assert frame_csv(frame) == frame.to_csv(lineterminator="\r\n")
    assert frame_csv(frame, index=False) == frame.to_csv(index=False, lineterminator="\r\n")
    empty = frame.iloc[:0]
    assert frame_csv(empty) == empty.to_csv(lineterminator="\r\n")
    many = frame.set_index(["b", "a"])
    assert frame_csv(many) == many.to_csv(lineterminator="\r\n")
    twice = pd.concat([frame, frame], axis=1)
    assert frame_csv(twice) == twice.to_csv(lineterminator="\r\n")
