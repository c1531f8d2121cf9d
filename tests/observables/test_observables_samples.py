"""The sample models: a bias that was planted is found by weights and two prompts."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

import cutaway as ct
from cutaway.observables import Observable, components_of, coupling_table, feature_vector
from cutaway_samples import occupations

PROMPTS = ("The nurse said that", "The doctor said that")
SUBJECT = 1  # where the occupation stands
TEXTS = [f"The {job} said that" for job in occupations.SHE]
PLANTED = np.array(list(occupations.SHE.values()))


@pytest.fixture(scope="module")
def model():
    return ct.load_model("gpt-occupations")


@pytest.fixture(scope="module")
def she(model):
    return Observable.from_tokens(model, ["she"], ["he"])


def normed(model, site, position):
    """Output of a norm for every occupation: (occupations, d)."""
    seen = []
    part = model.module.get_submodule(site)
    handle = part.register_forward_hook(lambda _module, _arguments, out: seen.append(out))
    with torch.no_grad():
        model.module(model.tokenizer(TEXTS, return_tensors="pt")["input_ids"])
    handle.remove()
    return seen[0][:, position].double().numpy()


def strongest(model, observable, n):
    """Heads with the longest vectors: no data is looked at."""
    every = [f"L{layer}H{head}" for layer in range(2) for head in range(4)]
    lengths = {
        path: np.linalg.norm(feature_vector(model, observable, path).vector) for path in every
    }
    return sorted(every, key=lengths.get, reverse=True)[:n]


def test_the_strongest_heads_order_the_occupations_as_planted(model, she):
    heads = strongest(model, she, 3)
    assert set(heads) == {"L0H0", "L1H1", "L1H2"}
    for head in heads:
        for norm in ("skip", "approx", "frozen", "exact"):
            found = feature_vector(model, she, f"{head}@{SUBJECT}", norm=norm, prompts=PROMPTS)
            reading = normed(model, found.site, SUBJECT) @ found.vector_post
            assert spearmanr(reading, PLANTED).statistic > 0.99
    assert np.corrcoef(reading, np.log(PLANTED / (1 - PLANTED)))[0, 1] > 0.95


def test_random_observables_read_less(model, she):
    """Their order tells nothing: here occupations differ along one direction before layer 0."""
    rng = np.random.default_rng(0)
    inputs = normed(model, components_of(model).layers[0].attention_norm.site, SUBJECT)
    n_tokens = components_of(model).n_tokens
    spreads = []
    for _ in range(20):
        plus, minus = (int(one) for one in rng.choice(n_tokens, 2, replace=False))
        found = feature_vector(model, Observable.from_tokens(model, [plus], [minus]), "L0H0")
        spreads.append(np.ptp(inputs @ found.vector_post))
    assert np.ptp(inputs @ feature_vector(model, she, "L0H0").vector_post) > 2 * max(spreads)


def test_subject_and_possessive_pronouns_share_their_direction(model, she):
    her = Observable.from_tokens(model, ["her"], ["his"])
    table = coupling_table(
        {
            name: feature_vector(model, observable, "L0H0")
            for name, observable in (("she", she), ("her", her))
        }
    )
    assert (table["cosine"] > 0.9).all()
    assert (table["cosine"] > table["observable_cosine"]).all()
    # the coupling predicts the slope of one reading on the other
    x, y = (feature_vector(model, one, "L0H0") for one in (she, her))
    inputs = normed(model, x.site, SUBJECT)
    slope = np.polyfit(inputs @ x.vector, inputs @ y.vector, 1)[0]
    assert slope == pytest.approx(table["coupling"][0], rel=0.15)


def test_gpt_python_is_taken_apart():
    model = ct.load_model("gpt-python")
    parts = components_of(model)
    assert (len(parts.layers), parts.width, parts.n_tokens) == (3, 128, 2048)
    observable = Observable.from_tokens(model, [" self"], [" None"])
    found = feature_vector(
        model, observable, "L0H1 > M1 > L2H3", norm="exact", mlp_point="mid",
        prompts=("def f(x):", "def g(x):"),
    )  # fmt: skip
    assert found.vector.shape == (128,)
    assert np.isfinite(found.vector).all()
    assert found.origin.model == "gpt-python"
