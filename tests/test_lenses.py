"""The contract that every lens keeps, read from the list of lenses."""

import inspect

import numpy as np
import pytest

import cutaway as ct
from cutaway.core import Cancelled, Index, Result
from cutaway.lenses import LENSES, lens


@pytest.fixture(scope="module")
def subject():
    maps = np.random.default_rng(1).normal(size=(120, 3, 4, 4)).astype(np.float32)
    maps[:4, 0] += 6.0
    ids = [f"s{i}" for i in range(120)]
    data = ct.load_data("digits", limit=6)
    texts = ct.load_data("occupations", limit=6)
    # What comes before the keywords, and something wrong in its place; by name or by kind.
    return {
        "activations": ((ct.Activations.from_arrays({"conv1": maps}, ids=ids),), (maps[0],)),
        "samples": (
            (ct.load_model("lenet5-digits"), data, data.index.ids[[4, 1]]),
            (maps[0], data),
        ),
        "observe": (
            (ct.load_model("gpt-occupations"), texts, texts.index.ids[[4, 1]]),
            (ct.load_model("lenet5-digits"), texts),
        ),
    }


# Keywords without which a lens has nothing to do.
NEEDS = {"observe": {"plus": "she", "minus": "he"}}


def run(one, subject, **options):
    given = subject.get(one.name, subject[one.takes])[0]
    return one.run()(*given, **NEEDS.get(one.name, {}), **options)


def rows_of(given, result):
    """Rows that a result about these arguments has."""
    if isinstance(result, ct.observables.TokenScores):
        _, data, ids = given
        assert result.text_ids.tolist() == list(ids)
        tokens = [(text, at) for text in ids for at in range(len(data.text(text).split()))]
        return Index([f"{text}:{at}" for text, at in tokens], "token")
    if len(given) == 1:
        return given[0].rows
    _, data, ids = given
    return data.index.take(data.index.positions(ids))


def seeded(one, seed):
    """The seed, where the lens draws by chance."""
    return {"seed": seed} if "seed" in one.parameters() else {}


@pytest.mark.parametrize("one", LENSES, ids=lambda one: one.name)
class TestContract:
    def test_same_seed_same_digest(self, one, subject):
        results = [run(one, subject, **seeded(one, 3)) for _ in range(2)]
        assert results[0].digest == results[1].digest
        assert isinstance(results[0], one.result_type())
        assert issubclass(one.result_type(), Result)

    def test_keeps_the_rows(self, one, subject):
        result = run(one, subject)
        given = subject.get(one.name, subject[one.takes])[0]
        if one.about == "groups":  # of a network, from an example of the samples
            assert result.rows.axis == "group"
            assert result.origin.rows == rows_of(given, result).digest
        else:
            assert f"{result.rows.axis}s" == one.about
            assert result.rows.digest == rows_of(given, result).digest
        assert result.origin.seed == (0 if "seed" in one.parameters() else None)
        assert result.origin.function == one.run().__name__

    def test_saves_and_loads_equal(self, one, subject, tmp_path):
        result = run(one, subject)
        result.save(tmp_path / "result.zip")
        assert one.result_type().load(tmp_path / "result.zip").digest == result.digest

    def test_ticks_reach_one(self, one, subject):
        fractions = []
        run(one, subject, tick=lambda fraction, _: fractions.append(fraction))
        assert fractions[-1] == 1.0
        assert fractions == sorted(fractions)
        assert all(0.0 <= fraction <= 1.0 for fraction in fractions)

    def test_cancel_comes_out_at_every_tick(self, one, subject):
        calls = []
        run(one, subject, tick=lambda *call: calls.append(call))

        def cancel_at(stop):
            count = [0]

            def tick(_fraction, _message):
                count[0] += 1
                if count[0] == stop:
                    raise Cancelled

            return tick

        for stop in {1, len(calls) // 2 + 1, len(calls)}:
            with pytest.raises(Cancelled):
                run(one, subject, tick=cancel_at(stop))

    def test_bad_input_is_a_named_error(self, one, subject):
        with pytest.raises((ValueError, TypeError)) as caught:
            one.run()(*subject.get(one.name, subject[one.takes])[1])
        assert "\n" not in str(caught.value)

    def test_has_a_figure(self, one, subject):
        figure = run(one, subject).plot()
        assert figure.layout.xaxis.title.text
        assert figure.layout.yaxis.title.text
        assert figure.data

    def test_signature(self, one, subject):
        parameters = list(inspect.signature(one.run()).parameters.values())
        assert parameters[0].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        n = len(subject[one.takes][0])
        assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in parameters[n:])
        assert parameters[-1].name == "tick"
        if "seed" in one.parameters():
            assert parameters[-2].name == "seed"
        assert "tick" not in one.parameters()


def test_an_unknown_lens_lists_the_known_ones():
    with pytest.raises(ValueError, match="name must be one of 'screen', 'project'.*, got 'scren'"):
        lens("scren")
