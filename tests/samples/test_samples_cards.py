"""The page of models is what the cards say."""

import pytest

import cutaway_samples
from cutaway_samples import cards


@pytest.mark.skipif(not cards.README.is_file(), reason="the page is in a checkout only")
def test_the_page_is_up_to_date():
    assert cards.main(["--check"]) == 0


def test_the_page_names_every_model_and_its_scores():
    text = cards.table()
    for name in cutaway_samples.names() + cutaway_samples.pretrained_names():
        assert f"| `{name}` |" in text
    for name in cutaway_samples.names():
        assert f"{cutaway_samples.card(name)['test_accuracy']:.2%}" in text


def test_a_stale_page_is_named_and_rewritten(tmp_path, capsys):
    page = tmp_path / "README.md"
    assert cards.main(["--check", "--out", str(page)]) == 1
    assert "expected as the cards say, got another text; run python -m" in capsys.readouterr().err
    assert cards.main(["--out", str(page)]) == 0
    assert cards.main(["--check", "--out", str(page)]) == 0
