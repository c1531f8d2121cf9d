"""The words of the observable explorer, without a page: fields, cards, tables."""

import numpy as np
import pytest

import cutaway as ct
from cutaway.core import Index, Origin, Selection
from cutaway.observables import Observable, TokenScores, coupling_table, feature_vector
from cutaway_widgets.explorers import _observable_score_words as scored
from cutaway_widgets.explorers import _observable_words as words
from cutaway_widgets.explorers.observable_explorer import pairs_of


@pytest.fixture(scope="module")
def model():
    return ct.load_model("gpt-occupations")


@pytest.fixture(scope="module")
def vector(model):
    she = Observable.from_tokens(model, ["she"], ["he"])
    return feature_vector(model, she, "L1H1@1")


class TestFields:
    @pytest.mark.parametrize(
        ("text", "found", "bare"),
        [
            ("she", ["she"], [True]),
            (" she ,her", ["she", "her"], [True, True]),
            ("' she', \" her\"", [" she", " her"], [False, False]),
            ("',', #81, well known", [",", 81, "well known"], [False, True, True]),
            ("'#81'", ["#81"], [False]),
            ("", [], []),
            ("  ", [], []),
            ("don't, \"it's\"", ["don't", "it's"], [True, False]),
        ],
    )
    def test_words_of_a_field(self, text, found, bare):
        assert words.read_words(text) == (found, bare)

    @pytest.mark.parametrize("text", [",she", "she,,he", "'she' he", "'she'he, x"])
    def test_a_hole_in_the_list_is_told(self, text):
        with pytest.raises(ValueError, match="words must stand between commas, got .*; write e.g."):
            words.read_words(text)

    @pytest.mark.parametrize("given", [["she"], [" she", "it's"], [81, ","], ["a b", "#3"], []])
    def test_what_is_written_is_read_again(self, given):
        assert words.read_words(words.write_words(given))[0] == given

    def test_a_blank_is_put_before_a_bare_word_only_where_that_is_another_token(self, model):
        class Blanks:
            unk_token_id, unk_token = 0, "?"

            def __call__(self, text, **_options):
                known = {" she": [7], "she": [8], "xyz": [8, 9], " xyz": [3, 4], "only": [5]}
                return {"input_ids": known.get(text, [0])}

        fake = type("Fake", (), {"tokenizer": Blanks()})()
        given = ["she", "she", "xyz", "only", 4]
        found = words.spelled(fake, given, [True, False, True, True, True])
        assert found == [" she", "she", "xyz", "only", 4]
        assert words.spelled(model, ["she"], [True]) == ["she"]  # the same token with a blank

    def test_prompts_between_bars(self):
        assert words.read_prompts(" a b |c||  ") == ["a b", "c"]
        assert words.read_prompts(None) == []
        assert words.read_prompts(words.write_prompts(["x y", "z"])) == ["x y", "z"]


class TestPairs:
    def test_one_pair_or_several(self):
        assert pairs_of(None) == ()
        assert pairs_of(("a", "b")) == (("a", "b"),)
        assert pairs_of([("a", "b"), ["c", "d"]]) == (("a", "b"), ("c", "d"))

    @pytest.mark.parametrize("wrong", ["a text", [("a", "b", "c")], ["a"], [("a", 3)]])
    def test_neither(self, wrong):
        with pytest.raises(ValueError, match=r"prompts must be a pair \(positive, negative\)"):
            pairs_of(wrong)


class TestSentences:
    def test_tokens_and_balance(self, model):
        even = Observable.from_tokens(model, ["she"], ["he"])
        text = words.token_text(model, ["she", "he"], even)
        assert "'she' is token 81, 'he' is token 54" in text
        assert "balanced: what moves all logits alike does not move it" in text
        assert "Note" not in text
        odd = Observable.from_tokens(model, [81, "her"], ["he"])
        text = words.token_text(model, [81, "her", "he"], odd)
        assert "token 81 is 'she'" in text
        assert "balance +1: what moves all logits alike moves it too" in text

    def test_card(self, model, vector):
        text = words.card_text(vector)
        assert f"length {np.linalg.norm(vector.vector):.4g}" in text
        assert "transformer.h.1.ln_1" in text
        assert "weights alone" in text
        assert len(words.points_frame(vector)) == 0

    def test_card_of_a_linearised_one_tells_its_errors(self, model):
        she = Observable.from_tokens(model, ["she"], ["he"])
        pair = ("The nurse said that", "The plumber said that")
        found = feature_vector(model, she, "M1", norm="exact", prompts=pair, mlp_point="pos")
        frame = words.points_frame(found)
        assert frame["node"].tolist() == ["final norm", "M1", "M1"]
        errors = [one["error_negative"] for one in found.points]
        assert frame["error −"].tolist() == errors
        assert "weights alone" not in words.card_text(found)

    @pytest.mark.filterwarnings("ignore:prompts must put")
    def test_card_says_when_no_boundary_lies_between_the_prompts(self, model):
        she = Observable.from_tokens(model, ["she"], ["he"])
        same = ("The nurse said that", "The nurse said that")
        found = feature_vector(model, she, "M1", prompts=same)
        text = words.card_text(found)
        assert "has one sign on both prompts" in text
        assert "Choose prompts that differ more" in text

    def test_heads_and_headlines(self, vector):
        assert words.one_head("L0H1@0 > L1H2@2") == "L1H2"
        assert words.one_head("L0H1 > M1") is None
        assert words.one_head("") is None
        assert words.headline("m", None) == "Observables of m"
        assert words.headline("m", vector) == "she - he through L1H1@1 in m"

    def test_names_of_kept_vectors_differ(self, vector):
        first = words.kept_name(vector, ())
        assert first == "L1H1@1 · she - he"
        second = words.kept_name(vector, (first,))
        assert second == f"{first} #2"
        assert words.kept_name(vector, (first, second)) == f"{first} #3"

    def test_couplings_as_a_square(self, model, vector):
        his = Observable.from_tokens(model, ["her"], ["his"])
        named = {"a": vector, "b": feature_vector(model, his, "L1H1@1")}
        named["c"] = feature_vector(model, his, "L0H1@1")
        table = coupling_table(named)
        found = words.square(table, "coupling", list(named))
        dot, long = named["a"].vector @ named["b"].vector, named["a"].vector @ named["a"].vector
        assert found[0, 1] == pytest.approx(dot / long, rel=1e-12)
        assert found[0, 0] == 1.0
        assert np.isnan(found[0, 2])
        assert "expected to read" in words.pair_text(table.iloc[0])
        assert "different sites" in words.pair_text(table.iloc[1])


@pytest.fixture
def scores():
    # Text 5: a sink and two words; text 9: a sink and one.
    return TokenScores(
        rows=Index(["0:0", "0:1", "0:2", "1:0", "1:1"], "token"), origin=Origin("planted", {}),
        score=np.array([90.0, 2.0, -3.0, 80.0, 4.0]), text=np.array([0, 0, 0, 1, 1]),
        position=np.array([0, 1, 2, 0, 1]), token=["The", " cat", " sat", "A", " dog"],
        sink=np.array([True, False, False, True, False]), text_ids=np.array([0, 1]),
        text_score=np.array([-0.5, 4.0]), site="norm", vector="a - b through L0H0",
    )  # fmt: skip


class TestScores:
    ids = Index([5, 9], "text")

    def test_tokens_are_named_by_the_ids_of_their_texts(self, scores):
        found = scored.token_index(scores, self.ids)
        assert found.ids.tolist() == ["5:0", "5:1", "5:2", "9:0", "9:1"]

    def test_sinks_have_no_colour_and_do_not_set_the_scale(self, scores):
        tokens, values = scored.by_text(scores, 2)
        assert tokens == [["The", " cat", " sat"], ["A", " dog"]]
        assert np.array_equal(values[0], [np.nan, 2, -3], equal_nan=True)
        assert np.array_equal(values[1], [np.nan, 4], equal_nan=True)
        assert scored.limits(scores) == (-4.0, 4.0)
        assert "2 sinks" in scored.scores_text(scores)

    def test_texts_by_their_mean(self, scores):
        assert scored.text_order(scores, self.ids) == [9, 5]
        assert scored.text_labels(scores, ["x", "y"]) == ["x · −0.5", "y · 4"]

    def test_both_ends_without_sinks(self, scores):
        found = scored.ends(scores, self.ids, 2)
        assert found["highest"]["score"].tolist() == [4.0, 2.0]
        assert found["highest"]["text"].tolist() == ["9", "5"]
        assert found["lowest"]["score"].tolist() == [-3.0, 2.0]
        assert found["lowest"]["window"][0] == "The cat⟦ sat⟧"

    def test_another_vector_s_scores_by_id(self, scores):
        columns = {name: getattr(scores, name) for name in ("text", "position", "sink")}
        other = TokenScores(
            rows=Index(["1:1", "0:1"], "token"), origin=Origin("planted", {}),
            score=np.array([7.0, 8.0]), **{name: one[[4, 1]] for name, one in columns.items()},
            token=[" dog", " cat"], text_ids=scores.text_ids, text_score=scores.text_score,
            site="norm", vector="another",
        )  # fmt: skip
        expected = [np.nan, 8, np.nan, np.nan, 7]
        assert np.array_equal(scored.matched(scores, other), expected, equal_nan=True)

    def test_selected_tokens_in_words(self, scores):
        index = scored.token_index(scores, self.ids)
        assert "No tokens selected" in scored.chosen_text(scores, index, None)
        chosen = Selection.where(index, np.array([False, True, False, False, True]), by="test")
        text = scored.chosen_text(scores, index, chosen)
        assert text.startswith("2 tokens selected, mean score 3:")
        assert "cat (1)" in text

    def test_texts_are_a_list_or_text_data(self):
        assert scored.texts_of(["a", "b"])[0] == ["a", "b"]
        with pytest.raises(TypeError, match=r"texts must be a list of texts.*write \['a b'\]"):
            scored.texts_of("a b")
        pictures = ct.load_data("digits", limit=3)
        with pytest.raises(TypeError, match="texts must be texts, got digits of kind 'image'"):
            scored.texts_of(pictures)
        texts, ids, labels = scored.texts_of(ct.load_data("occupations", limit=3))
        assert (len(texts), len(ids), set(labels) <= {"he", "she"}) == (3, 3, True)

    def test_empty_tables_have_the_columns_of_full_ones(self, scores):
        assert list(scored.no_ends()) == list(scored.ends(scores, self.ids, 1)["highest"])
