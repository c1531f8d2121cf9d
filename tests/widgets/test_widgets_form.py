"""Forms, choices, buttons, the guide and downloads without a browser."""

import ipywidgets
import pytest

import cutaway_widgets as cw

FIELDS = (
    cw.Field("k_max", "whole", 5, low=1, high=20, help="Most components tried."),
    cw.Field("tau", "number", 0.05, low=0, high=0.5),
    cw.Field("criterion", "choice", "bic", options=("bic", "ch")),
    cw.Field("deep", "check", default=False),
    cw.Field("sizes", "wholes", (8, 16), optional=True),
    cw.Field("site", "text", None, optional=True),
)


@pytest.fixture
def form():
    return cw.Form(FIELDS, submit="Run")


def typed(form, **texts):
    """What the browser does when a person types."""
    form.set_state({"_values": {**form.raw, **texts}})


class TestField:
    @pytest.mark.parametrize(
        ("field", "raw", "value"),
        [
            (FIELDS[0], " 7 ", 7),
            (FIELDS[1], ".5", 0.5),
            (FIELDS[1], "1e-3", 0.001),
            (FIELDS[2], "ch", "ch"),
            (FIELDS[3], True, True),
            (FIELDS[4], "1, 2,3", (1, 2, 3)),
            (FIELDS[4], "", None),
            (FIELDS[5], "conv1", "conv1"),
        ],
    )
    def test_reads(self, field, raw, value):
        assert field.parse(raw) == value

    @pytest.mark.parametrize(("field"), FIELDS)
    def test_what_it_shows_it_reads_back(self, field):
        assert field.parse(field.shown(field.default)) == field.default

    @pytest.mark.parametrize(
        ("field", "raw", "line"),
        [
            (FIELDS[0], "abc", "k_max must be a whole number from 1 to 20, got abc; e.g. 5"),
            (FIELDS[0], "2.5", "k_max must be a whole number from 1 to 20, got 2.5; e.g. 5"),
            (FIELDS[0], "21", "k_max must be a whole number from 1 to 20, got 21; e.g. 5"),
            (FIELDS[0], "", "k_max must be a whole number from 1 to 20, got nothing; fill it in"),
            (FIELDS[1], "nan", "tau must be a number from 0 to 0.5, got nan; e.g. 0.05"),
            (FIELDS[1], "-1", "tau must be a number from 0 to 0.5, got -1; e.g. 0.05"),
            (FIELDS[2], "aic", "criterion must be one of bic, ch, got aic; e.g. bic"),
            (FIELDS[4], "1;2", "sizes must be whole numbers with commas between them, got 1;2; "),
        ],
    )
    def test_refuses_with_name_expected_got_and_remedy(self, field, raw, line):
        with pytest.raises(ValueError) as caught:
            field.parse(raw)
        assert str(caught.value).startswith(line)

    def test_unknown_kind_and_titles_that_do_not_fit(self):
        with pytest.raises(ValueError, match="kind must be one of 'choice'"):
            cw.Field("a", "date")
        with pytest.raises(ValueError, match=r"titles must have as many entries as options \(2\)"):
            cw.Field("a", "choice", options=("x", "y"), titles=("X",))


class TestForm:
    def test_submits_values_of_the_right_types(self, form):
        heard = []
        stop = form.on_submit(heard.append)
        typed(form, k_max="3", sizes="4", deep=True)
        form.set_state({"_submits": 1})
        assert heard == [
            {"k_max": 3, "tau": 0.05, "criterion": "bic", "deep": True, "sizes": (4,), "site": None}
        ]
        stop()
        form.send()
        assert len(heard) == 1

    def test_a_bad_value_is_said_at_its_field_and_nothing_is_heard(self, form):
        heard = []
        form.on_submit(heard.append)
        typed(form, tau="9", k_max="x")
        form.send()
        assert heard == []
        assert list(form.errors) == ["k_max", "tau"]
        assert form.errors["tau"].startswith("tau must be a number from 0 to 0.5, got 9")
        form.set_values(tau=0.1)
        assert list(form.errors) == ["k_max"]

    def test_an_error_of_the_work_goes_to_the_field_it_names(self, form):
        assert form.blame("ValueError: k_max must be 2 or more, got 1; raise it")
        assert form.errors == {"k_max": "k_max must be 2 or more, got 1; raise it"}
        assert not form.blame("RuntimeError: out of memory")
        assert form.blame("OSError: no such file", otherwise="site")
        assert form.errors["site"] == "no such file"

    def test_other_fields_start_anew(self, form):
        form.blame("k_max must be smaller")
        form.set_fields([cw.Field("seed", "whole", 0), FIELDS[0]], {"k_max": 9})
        assert form.errors == {}
        assert form.read() == {"seed": 0, "k_max": 9}

    def test_a_failing_callback_is_shown_in_the_form(self, form):
        form.on_submit(lambda _values: (_ for _ in ()).throw(RuntimeError("planted")))
        form.send()
        assert form.error == "RuntimeError: planted"

    def test_unknown_field(self, form):
        with pytest.raises(ValueError, match="field must be one of 'k_max'"):
            form.set_values(kmax=3)


class TestChoice:
    def test_marks_the_panels_and_tells_of_a_change(self):
        panels = {"a": ipywidgets.VBox(), "b": ipywidgets.VBox()}
        choice = cw.Choice(["a", "b"], titles={"a": "First"}, panels=panels)
        assert choice.value == "a"
        assert [one["label"] for one in choice._options] == ["First", "b"]
        for name, box in panels.items():
            assert choice._panels[name] in box._dom_classes
        heard = []
        stop = choice.on_choice(heard.append)
        choice.choose("b")
        stop()
        choice.choose("a")
        assert heard == ["b"]

    def test_refuses_what_is_no_option(self):
        with pytest.raises(ValueError, match="value must be one of 'a', got 'z'"):
            cw.Choice(["a"], value="z")
        with pytest.raises(ValueError, match="options must hold at least one value, got none"):
            cw.Choice([])


class TestActions:
    def test_hears_a_click_once_and_not_on_a_disabled_button(self):
        row = cw.Actions([cw.Action("go", "Go"), cw.Action("stop", "Stop", enabled=False)])
        heard = []
        row.on_click("go", lambda: heard.append("go"))
        row.on_click("stop", lambda: heard.append("stop"))
        row.set_state({"_clicks": {"go": 1}})
        row.set_state({"_clicks": {"go": 1, "stop": 1}})
        assert heard == ["go"]
        row.change("stop", enabled=True)
        row.press("stop")
        assert heard == ["go", "stop"]

    def test_a_failing_callback_is_shown(self):
        row = cw.Actions([cw.Action("go", "Go")])
        row.on_click("go", lambda: (_ for _ in ()).throw(ValueError("planted")))
        row.press("go")
        assert row.error == "ValueError: planted"


def test_a_form_tells_what_the_views_beside_it_showed():
    tree = cw.SiteTree([])
    form = cw.Form([], beside={"picked": (tree, "_picked")})
    heard = []
    form.on_submit(lambda _values: heard.append(form.seen))
    assert form.get_state()["_beside"] == {"picked": [f"IPY_MODEL_{tree.model_id}", "_picked"]}
    form.set_state({"_seen": {"picked": ["conv1"]}, "_submits": 1})
    form.send()
    assert heard == [{"picked": ["conv1"]}, {}]


def test_guide_asks_for_the_example():
    guide = cw.Guide(
        [cw.Step("Open", "here", "done"), cw.Step("Run", "there", "now")], example="Go"
    )
    heard = []
    guide.on_example(lambda: heard.append(1))
    guide.set_state({"_asks": 1})
    assert heard == [1]
    assert repr(guide) == "Guide(1 of 2 steps done)"


def test_download_holds_bytes_until_cleared():
    file = cw.Download()
    file.offer("a,ü\n", "table.csv", mime="text/csv")
    assert (file.data, file.file) == ("a,ü\n".encode(), "table.csv")
    file.clear()
    assert (file.data, file.file) == (b"", "")
