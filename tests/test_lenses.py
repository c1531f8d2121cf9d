"""The contract that every lens keeps, read from the list of lenses."""

import inspect

import numpy as np
import pytest

import cutaway as ct
from cutaway.core import Cancelled, Result
from cutaway.lenses import LENSES, lens


@pytest.fixture(scope="module")
def subject():
    maps = np.random.default_rng(1).normal(size=(120, 3, 4, 4)).astype(np.float32)
    maps[:4, 0] += 6.0
    ids = [f"s{i}" for i in range(120)]
    return {"activations": ct.Activations.from_arrays({"conv1": maps}, ids=ids)}


@pytest.mark.parametrize("one", LENSES, ids=lambda one: one.name)
class TestContract:
    def test_same_seed_same_digest(self, one, subject):
        results = [one.run()(subject[one.takes], seed=3) for _ in range(2)]
        assert results[0].digest == results[1].digest
        assert isinstance(results[0], one.result_type())
        assert issubclass(one.result_type(), Result)

    def test_keeps_the_rows(self, one, subject):
        result = one.run()(subject[one.takes])
        assert result.rows.digest == subject[one.takes].rows.digest
        assert result.origin.seed == 0
        assert result.origin.function == one.run().__name__

    def test_saves_and_loads_equal(self, one, subject, tmp_path):
        result = one.run()(subject[one.takes])
        result.save(tmp_path / "result.zip")
        assert one.result_type().load(tmp_path / "result.zip").digest == result.digest

    def test_ticks_reach_one(self, one, subject):
        fractions = []
        one.run()(subject[one.takes], tick=lambda fraction, _: fractions.append(fraction))
        assert fractions[-1] == 1.0
        assert fractions == sorted(fractions)
        assert all(0.0 <= fraction <= 1.0 for fraction in fractions)

    def test_cancel_comes_out_at_every_tick(self, one, subject):
        calls = []
        one.run()(subject[one.takes], tick=lambda *call: calls.append(call))

        def cancel_at(stop):
            count = [0]

            def tick(_fraction, _message):
                count[0] += 1
                if count[0] == stop:
                    raise Cancelled

            return tick

        for stop in {1, len(calls) // 2 + 1, len(calls)}:
            with pytest.raises(Cancelled):
                one.run()(subject[one.takes], tick=cancel_at(stop))

    def test_bad_input_is_a_named_error(self, one, subject):
        with pytest.raises((ValueError, TypeError)) as caught:
            one.run()(np.zeros(3))
        assert "\n" not in str(caught.value)

    def test_has_a_figure(self, one, subject):
        figure = one.run()(subject[one.takes]).plot()
        assert figure.layout.xaxis.title.text
        assert figure.layout.yaxis.title.text
        assert figure.data

    def test_signature(self, one):
        parameters = list(inspect.signature(one.run()).parameters.values())
        assert parameters[0].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in parameters[1:])
        assert [p.name for p in parameters[-2:]] == ["seed", "tick"]
        assert "tick" not in one.parameters()


def test_an_unknown_lens_lists_the_known_ones():
    with pytest.raises(ValueError, match="name must be one of 'screen', 'project'.*, got 'scren'"):
        lens("scren")
