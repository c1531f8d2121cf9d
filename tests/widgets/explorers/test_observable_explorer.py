"""The observable explorer without a browser: what its views hold after each step."""

import re

import ipywidgets
import numpy as np
import pytest
import torch

import cutaway as ct
import cutaway_widgets as cw
from cutaway.model import UnsupportedModel
from cutaway.observables import Observable, feature_vector, score_texts
from cutaway.observables.head_map import head_map
from cutaway_widgets._base import View

PAIR = ("The nurse said that", "The plumber said that")


@pytest.fixture(scope="module")
def model():
    return ct.load_model("gpt-occupations")


@pytest.fixture
def page(model):
    found = cw.ObservableExplorer(model, inline=True)
    yield found
    found.close()


def text_of(html):
    return re.sub("<[^>]*>", "", html.value)


def column(table, name):
    """A column of a table as the browser gets it."""
    one = next(one for one in table._columns if one["name"] == name)
    if one["kind"] == "number":
        return np.frombuffer(one["data"]["data"], np.float64)
    codes = np.frombuffer(one["data"]["data"], np.uint32)
    return [one["names"][code] for code in codes]


def click(link, place):
    """Select one row as the browser does."""
    mask = np.packbits(np.arange(link.n) == place, bitorder="little").tobytes()
    link.set_state({"_of": link.digest, "_mask": memoryview(mask)})


def edit(form, **values):
    """Leave fields with these texts in them, as in the browser."""
    form.set_state({"_values": {**form.raw, **values}, "_errors": {}})


def quiet(page):
    """No view shows an error, and the job did not fail."""
    sections = [page.question, page.heads, page.vector, page.texts, page.search, page.coupling]
    held = [one for part in [*sections, page.steer] for one in vars(part).values()]
    views = [one for one in held if isinstance(one, View)]
    assert len(views) >= 15
    assert [one.error for one in views if one.error] == []
    assert page.desk.job.status.error == ""


class TestStart:
    def test_the_known_question_fills_the_page(self, page, model):
        results = page.workspace.results
        she = Observable.from_tokens(model, ["she"], ["he"])
        patched = results["heads by ov_patching"]
        assert len(patched.pairs) == 4
        strongest = patched.top(1).index[0]
        assert page.vector.form.raw["path"] == f"{strongest}@1"  # where the occupation stands
        expected = feature_vector(model, she, f"{strongest}@1")
        assert np.array_equal(results["vector"].vector, expected.vector)
        assert page.desk.heads.selection.ids == (strongest,)
        scores = results["token_scores"]
        texts = [page.workspace.data.text(one) for one in page.workspace.data.index]
        assert np.array_equal(scores.score, score_texts(model, expected, texts).score)
        assert f"{strongest}@1 in gpt-occupations" in page._head_line.value
        quiet(page)

    def test_all_four_kinds_are_there_and_beside_each_other(self, page, model):
        she = Observable.from_tokens(model, ["she"], ["he"])
        heads = page.heads
        for kind, name in (("norm", "norm"), ("patching", "full")):
            prompts = None if kind == "norm" else page.desk.question.prompts
            expected = head_map(model, she, kind=kind, prompts=prompts)
            assert column(heads.table, name).tolist() == expected.values.ravel().tolist()
            sent = np.frombuffer(heads.maps[kind]._values["data"], np.float32)
            assert np.allclose(sent, expected.values.ravel(), rtol=1e-6)
        assert not heads.maps["norm"].diverging
        assert heads.maps["patching"].diverging
        assert "prompts differ by" in text_of(heads.texts["patching"])

    def test_intervals_of_the_chosen_kind(self, page):
        page.heads.choice.choose("ov_patching")
        found = page.workspace.results["heads by ov_patching"]
        assert column(page.heads.table, "low").tolist() == found.low.ravel().tolist()
        page.heads.choice.choose("norm")
        assert "low" not in [one["name"] for one in page.heads.table._columns]

    def test_without_a_question_every_part_says_what_to_do(self, model):
        page = cw.ObservableExplorer(model, plus=(), minus=(), texts=(), inline=True)
        assert "Name one token or more" in text_of(page.question.text)
        assert "Ask for an observable first" in text_of(page.vector.text)
        assert "No vectors are kept" in text_of(page.coupling.text)
        page.steer.form.send()
        assert "no vector to steer along" in text_of(page.steer.text)
        page.search.form.send()
        assert "needs a pair of prompts" in text_of(page.search.text)
        page.vector.take("L0H0")
        assert "Ask for an observable first" in text_of(page.vector.text)
        page.question.ask()
        assert page.question.form.errors == {
            "plus": "plus must hold a token, got nothing; e.g. she"
        }
        quiet(page)
        page.close()

    def test_without_prompts_and_texts(self, model):
        page = cw.ObservableExplorer(model, plus=["she"], minus=["he"], texts=(), inline=True)
        assert page.workspace.results["heads by norm"] is not None
        assert "heads by patching" not in page.workspace.results
        assert "needs prompts" in text_of(page.heads.texts["patching"])
        assert "@" not in page.vector.form.raw["path"]
        assert "There are no texts yet" in text_of(page.texts.text)
        quiet(page)
        page.close()

    def test_what_is_no_decoder_is_refused(self):
        with pytest.raises(UnsupportedModel, match="model must be a causal language model"):
            cw.ObservableExplorer("lenet5-digits")

    def test_misspelt_keywords_are_refused(self):
        with pytest.raises(TypeError, match="did you mean 'prompts'"):
            cw.ObservableExplorer(prompt=PAIR)

    def test_closing_leaves_nothing(self, model):
        from ipywidgets.widgets import widget

        cw.ObservableExplorer(model, inline=True).close()
        before = set(widget._instances)
        page = cw.ObservableExplorer(model, inline=True)
        assert len(set(widget._instances)) > len(before) + 50
        page.close()
        assert set(widget._instances) == before
        assert isinstance(page, ipywidgets.VBox)


class TestQuestion:
    @pytest.mark.parametrize(
        ("field", "text", "line"),
        [
            ("plus", "she said", r"plus word 'she said' must be one token, got 2"),
            ("minus", "sheep", r"minus word 'sheep' must be a token of the model.*nearest: 'she'"),
            ("minus", "she", r"minus must hold tokens not named before, got 'she' again"),
            ("plus", "she,,her", r"plus words must stand between commas"),
            ("plus", "#4000", r"plus token must be .*got 4000"),
            ("negative", "a | b", r"negative must hold as many prompts .*\(1\), got 2"),
            ("positive", "The nurse", r"positive prompts must have the same number of tokens"),
        ],
    )
    def test_what_is_wrong_is_told_at_its_field_at_once(self, page, field, text, line):
        form = page.question.form
        edit(form, positive=PAIR[0], negative=PAIR[1])
        assert form.errors == {}
        vector = page.workspace.results["vector"]
        edit(form, **{field: text})
        assert list(form.errors) == [field]
        assert re.match(line, form.errors[field])
        page.question.ask()
        assert list(form.errors) == [field]
        assert page.workspace.results["vector"] is vector
        quiet(page)

    def test_the_check_tells_tokens_and_balance(self, page):
        edit(page.question.form, plus="she, her", minus="he")
        text = text_of(page.question.text)
        assert "is token 81" in text
        assert "balance +1" in text

    def test_another_question_begins_anew(self, page, model):
        page.search.form.set_values(max_length=1)
        page.search.form.send()
        assert page.search.table.layout.display is None
        page.question.put(["her"], ["his"], [("The nurse forgot", "The plumber forgot")])
        page.run()
        her = Observable.from_tokens(model, ["her"], ["his"])
        vector = page.workspace.results["vector"]
        assert vector.observable == her.name
        assert page.search.table.layout.display == "none"
        assert page.workspace.results["heads by patching"].observable == her.name
        quiet(page)


class TestHeads:
    def test_a_click_on_the_map_makes_the_path_through_that_head(self, page, model):
        click(page.desk.layers, 1)
        click(page.desk.in_layer, 1)
        assert page.vector.form.raw["path"] == "L1H1@1"
        assert page.workspace.results["vector"].path == "L1H1@1"
        assert page.desk.heads.selection.ids == ("L1H1",)
        # The map has its colours back for the next click.
        assert page.desk.layers.selection is page.desk.in_layer.selection is None
        click(page.desk.in_layer, 2)
        assert page.workspace.results["vector"].path == "L1H1@1"
        click(page.desk.layers, 0)
        assert page.workspace.results["vector"].path.startswith("L0H2@")
        quiet(page)

    def test_so_does_a_row_of_the_table(self, page):
        click(page.desk.heads, 5)
        assert page.workspace.results["vector"].path == "L1H1@1"

    def test_where_a_head_reads_is_where_the_prompts_differ_for_it(self, page, model):
        # The definition, slowly: attention of the last token times the reading of what it sees
        # there, by the model's own patterns and norm, on both prompts of the first pair.
        question = page.desk.question
        post = feature_vector(model, question.observable, "L1H1").vector_post
        module = ct.load_model("gpt-occupations").module
        module.set_attn_implementation("eager")
        taken = []
        for prompt in question.pair:
            ids = torch.tensor([model.tokenizer(prompt)["input_ids"]])
            with torch.no_grad():
                found = module(ids, output_attentions=True, output_hidden_states=True)
                normed = module.transformer.h[1].ln_1(found.hidden_states[1])[0]
            taken.append(found.attentions[1][0, 1, -1].numpy() * (normed.numpy() @ post))
        place = np.abs(taken[0] - taken[1]).argmax()
        page.desk.heads.select(["L1H1"])
        assert page.vector.form.raw["path"] == f"L1H1@{place}"


class TestPath:
    @pytest.mark.parametrize(
        ("path", "line"),
        [
            ("L1H0 > L0H0", "path must go from earlier to later parts"),
            ("nonsense", "path must hold nodes like 'L1H0@4'"),
            ("L0H0@3 > L1H0@1", "position of L0H0@3 must be at most 1"),
        ],
    )
    def test_a_wrong_path_is_told_at_the_field_at_once(self, page, path, line):
        edit(page.vector.form, path=path)
        assert page.vector.form.errors["path"].startswith(line)

    @pytest.mark.parametrize(
        ("path", "line"),
        [
            ("L7H0", "layer of L7H0 must"),
            ("L0H9", "head of L0H9 must"),
            ("L0H0@9", "position of L0H0@9 must lie in 0..3"),
        ],
    )
    def test_one_that_the_model_does_not_have_when_asked_for(self, page, path, line):
        before = page.workspace.results["vector"]
        page.vector.take(path)
        assert page.vector.form.errors["path"].startswith(line)
        assert page.workspace.results["vector"] is before
        quiet(page)

    def test_a_written_path_with_an_mlp(self, page, model):
        edit(page.vector.form, norm="exact", mlp_point="pos")
        page.vector.take("L0H0@1>M0@1 >L1H1@1")
        found = page.workspace.results["vector"]
        expected = feature_vector(
            model, page.desk.question.observable, "L0H0@1 > M0@1 > L1H1@1", norm="exact",
            mlp_point="pos", prompts=page.desk.question.pair,
        )  # fmt: skip
        assert np.array_equal(found.vector, expected.vector)
        assert page.vector.form.raw["path"] == "L0H0@1 > M0@1 > L1H1@1"  # the one notation
        table = page.vector.points
        assert table.layout.display is None
        errors = [one["error_negative"] for one in expected.points]
        assert column(table, "error −").tolist() == errors
        assert page.desk.heads.selection.ids == ("L1H1",)
        quiet(page)

    def test_the_tokens_at_both_ends(self, page):
        for name, through in (("vector_tokens", "unembedding"), ("vector_words", "embedding")):
            ranks, table = page.workspace.results[name], page.vector.tokens[through]
            assert ranks.through == through
            assert column(table, "score").tolist() == ranks.score[:10].tolist()
            assert column(table, "lowest score").tolist() == ranks.score[:9:-1].tolist()
            assert column(table, "lowest")[0] == ranks.token[-1]
        # The planted bias: the head reads what people do from their embeddings.
        assert {"nanny", "nurse"} <= set(column(table, "highest"))
        assert {"plumber", "doctor"} <= set(column(table, "lowest"))
