"""The command that reruns the paper's numbers, on the oracle's tiny GPT-Neo."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
from obsprop_oracle import PROMPTS, model, observable, oracle

import cutaway as ct


@pytest.fixture
def paper(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "bench"))
    yield importlib.import_module("gpt_neo_paper")
    for name in ("gpt_neo_paper", "observables_texts", "report"):
        sys.modules.pop(name, None)


def test_a_small_model_says_what_it_does_not_have(paper):
    net = ct.load_model(model("gpt_neo"))
    found = paper.rows(net, observable("gpt_neo", "O1"), observable("gpt_neo", "O2"))
    assert [line[:2] for line in found if line[2] != "–"] == [("cosine at unembedding", "0.5685")]
    expected = oracle("gpt_neo")["coupling"]["O1->O2"]["cos_unembed"]
    assert float(found[4][2]) == pytest.approx(expected, abs=1e-4)
    assert {line[0] for line in found[:9]} <= {line[0] for line in paper.listed()}


def test_heads_that_it_has_give_the_oracles_numbers(paper, monkeypatch):
    monkeypatch.setattr(paper, "LENGTHS", {"L2H1": (1.0, 1.0)})
    monkeypatch.setattr(paper, "COSINES", {("L2H1", "L2H1"): 1.0})
    monkeypatch.setattr(paper, "COUPLINGS", {"L2H1": (1.0, 1.0, 1.0)})
    monkeypatch.setattr(paper, "STEPS", {"L2H1": (0.0, 0.0)})
    net = ct.load_model(model("gpt_neo"))
    one, other = observable("gpt_neo", "O1"), observable("gpt_neo", "O2")
    length, cosine, coupled = (line[2] for line in paper.rows(net, one, other))
    assert length.startswith("3.00, ")  # 2.9989205
    assert (cosine, coupled) == ("0.2683", "0.1876")
    slope, steps = (line[2] for line in paper.on_texts(net, one, other, PROMPTS))
    fit = ct.coupling_on_texts(net, *(paper.vector(net, o, "L2H1") for o in (one, other)), PROMPTS)
    assert slope.startswith(f"{fit.slope:.3f} ")
    a = paper.vector(net, one, "L2H1")
    by = 50 * np.linalg.norm(a.vector)
    moved = ct.steer(net, PROMPTS[:1], a, by=by, observable=one, controls=0)
    assert float(steps.split(", ")[1]) == pytest.approx(moved.change[0], abs=0.06)
