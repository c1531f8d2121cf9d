"""A small data set and a filter explorer on it, for the tests that have none of their own."""

import pytest

import cutaway as ct
import cutaway_widgets as cw


@pytest.fixture(scope="module")
def data():
    return ct.load_data("digits", split="test", limit=150)


@pytest.fixture
def page(data):
    page = cw.FilterExplorer("lenet5-digits", data, sites="conv[12]", inline=True)
    yield page
    page.close()
