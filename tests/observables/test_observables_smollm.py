"""SmolLM2-135M, pronouns: lengths from weights alone name the heads that patching finds."""

import numpy as np
import pytest

import cutaway as ct

SHE, HE = ("Mary", "Sarah", "Emma"), ("John", "James", "David")
TEMPLATES = {
    "subject": ("My friend {} went to the store because", "Yesterday {} was late, because",
                "I know that {} is tired, so"),
    "object": ("I talked to {} because I wanted to help", "When I saw {} at the park I waved at",
               "We like {} a lot, so we invited"),
}  # fmt: skip
WORDS = {"subject": (" she", " he"), "object": (" her", " him")}
# From a separate calculation on this model: gains of both norms multiplied in.
LENGTHS = {
    "subject": {"L26H2": 185.7, "L27H5": 85.2, "L25H2": 84.8, "L26H0": 69.8, "L23H3": 58.7},
    "object": {"L26H2": 185.3, "L27H5": 87.8, "L26H0": 81.8, "L25H2": 80.5, "L23H3": 63.2},
}


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model():
    try:
        return ct.load_model("smollm2-135m")
    except ImportError:
        pytest.skip("needs the package with the weights of SmolLM2-135M")


@pytest.mark.parametrize("kind", TEMPLATES)
def test_the_longest_vectors_are_the_heads_that_patching_finds(model, kind):
    plus, minus = WORDS[kind]
    observable = ct.Observable.from_tokens(model, [plus], [minus])
    pairs = [
        (template.format(a), template.format(b))
        for template in TEMPLATES[kind]
        for a, b in zip(SHE, HE, strict=True)
    ]
    lengths = ct.head_map(model, observable)
    top = lengths.top(5)["value"]
    assert top.to_dict() == pytest.approx(LENGTHS[kind], abs=0.06)
    effects = ct.head_map(model, observable, kind="ov_patching", prompts=pairs)
    assert len(set(effects.top(4).index) & set(top.index[:4])) >= 3
    assert effects.gap > 5
    assert effects.values[26, 0] < 0 < effects.values[26, 2]  # a length has no sign
    whole = ct.head_map(model, observable, kind="patching", prompts=pairs)
    assert np.corrcoef(whole.values.ravel(), effects.values.ravel())[0, 1] > 0.98
