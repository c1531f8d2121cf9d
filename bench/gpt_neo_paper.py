"""The paper's GPT-Neo-1.3B numbers, and the same from a model at hand.

    python bench/gpt_neo_paper.py              lists the paper's numbers
    python bench/gpt_neo_paper.py FOLDER       reruns them on the GPT-Neo in a local folder

Dunefsky and Cohan, arXiv 2312.16291; the numbers are those of its draft, with norms left out
(norm="skip"), where it gives them so. Any Hugging Face folder of a GPT-Neo with its tokenizer runs;
heads that a smaller model does not have are said to be missing.
"""

import sys
from typing import Any

import numpy as np
import observables_texts as given
import report

import cutaway as ct
from cutaway.observables import components_of, coupling, feature_vector

# Heads by the length of their vectors: subject, object.
LENGTHS = {
    "L18H11": (72.22, 69.21), "L17H14": (70.72, 68.93), "L13H11": (45.92, 51.82),
    "L15H13": (39.40, 44.05),
}  # fmt: skip
# Paths of the subject and the object observable, and their cosine.
COSINES = {
    ("", ""): 0.5685,
    ("L17H14", "L17H14"): 0.9882,
    ("L18H11", "L18H11"): 0.9831,
    ("L15H13", "L15H13"): 0.9816,
    ("L13H11", "L13H11"): 0.9352,
    ("L22H2", "L22H2"): 0.9102,
    ("L13H3", "L13H3"): 0.3712,
    ("L13H3 > L17H14", "L13H3 > L17H14"): 0.9965,
    ("L6H6 > L9H1 > L13H11", "L6H6 > L13H11"): 0.9521,
}
# Coupling of object on subject; slope and r² that the draft found on its prompts.
COUPLINGS = {
    "L17H14": (0.67086, 0.67774, 0.9981),
    "L15H13": (0.77306, 0.79353, 0.9815),
    "L13H11": (0.73552, 0.75580, 0.9274),
}
# Change of the subject observable under steps of -50 and +50 vectors.
STEPS = {"L17H14": (-100.8, 87.5), "L15H13": (-13.2, 26.1), "L13H11": (-4.1, 12.7)}
PROMPT = "My friend Mary went to the store because"
NOT_RERUN = """\
Listed only, because the paper's prompts are not given with it: path patching on 300 prompts
(subject: 17.14 5.004, 13.11 3.050, 15.13 1.199, 13.3 .584; object: 17.14 2.949, 13.11 1.885, 15.13
1.863, 22.2 .365), slopes on the Pile (17.14 .769, r² .957; 15.13 .800, .952; 13.11 .763, .819), the
paths of six nodes to 6.6 (cosine of bias and subject .966; r² .882 and .947), political parties
(r² .427 at 15.8, .763 through layer 23), C against Python (AUC .9974 at 16.9)."""
Row = tuple[str, str, str]


def rows(model: Any, subject: ct.Observable, obj: ct.Observable) -> list[Row]:
    """What, in the paper, here: a line a number.

    Parameters
    ----------
    model : Model
        A GPT-Neo.
    subject, obj : Observable
        For " she" - " he" and " her" - " him".
    """
    found: list[Row] = []
    for head, (first, second) in LENGTHS.items():
        a, b = vector(model, subject, head), vector(model, obj, head)
        here = "–" if a is None or b is None else f"{length(a):.2f}, {length(b):.2f}"
        found.append((f"length of {head}: subject, object", f"{first:.2f}, {second:.2f}", here))
    for (one, other), value in COSINES.items():
        a, b = vector(model, subject, one), vector(model, obj, other)
        here = "–" if a is None or b is None else f"{cosine(a, b):.4f}"
        name = (one or "unembedding") if one == other else f"{one} and {other}"
        found.append((f"cosine at {name}", f"{value:.4f}", here))
    for head, (value, slope, r2) in COUPLINGS.items():
        a, b = vector(model, subject, head), vector(model, obj, head)
        here = "–" if a is None or b is None else f"{coupling(a, b):.4f}"
        found.append((f"coupling at {head} (draft's slope {slope:.3f}, r² {r2:.3f})",
                      f"{value:.4f}", here))  # fmt: skip
    return found


def on_texts(model: Any, subject: ct.Observable, obj: ct.Observable, texts: Any) -> list[Row]:
    """Slopes on some texts, which the paper took on others, and steps of 50 vectors."""
    found: list[Row] = []
    for head, (_, slope, r2) in COUPLINGS.items():
        a, b = vector(model, subject, head), vector(model, obj, head)
        here = "–"
        if a is not None and b is not None:
            fit = ct.coupling_on_texts(model, a, b, texts)
            here = f"{fit.slope:.3f} [{fit.low:.3f}, {fit.high:.3f}], r² {fit.r2:.3f}"
        found.append((f"slope at {head}, other texts", f"{slope:.3f}, r² {r2:.3f}", here))
    for head, (down, up) in STEPS.items():
        one, here = vector(model, subject, head), "–"
        if one is not None:
            changes = [
                ct.steer(
                    model, texts[:1], one, by=by * length(one), observable=subject, controls=0
                ).change[0]
                for by in (-50, 50)
            ]
            here = f"{changes[0]:+.1f}, {changes[1]:+.1f}"
        found.append((f"steps of -50, +50 at {head}, last token", f"{down:+.1f}, {up:+.1f}", here))
    return found


def vector(model: Any, observable: ct.Observable, path: str) -> Any:
    """Feature vector with norms left out; None for a path that the model does not have."""
    layers = components_of(model).layers
    nodes = ct.Path(path).nodes
    if any(
        one.layer >= len(layers) or (one.head or 0) >= len(layers[one.layer].heads) for one in nodes
    ):
        return None
    return feature_vector(model, observable, path)


def length(one: Any) -> float:
    """Length of a vector."""
    return float(np.linalg.norm(one.vector))


def cosine(a: Any, b: Any) -> float:
    """Cosine of two vectors."""
    return float(a.vector @ b.vector) / (length(a) * length(b))


def listed() -> list[Row]:
    """The paper's numbers alone."""
    steps = {head: f"{down:+.1f}, {up:+.1f}" for head, (down, up) in STEPS.items()}
    return [
        *((f"length of {head}: subject, object", f"{a:.2f}, {b:.2f}", "–")
          for head, (a, b) in LENGTHS.items()),
        *((f"cosine at {one or 'unembedding'}" + ("" if one == other else f" and {other}"),
           f"{value:.4f}", "–") for (one, other), value in COSINES.items()),
        *((f"coupling at {head}; slope, r²", f"{c:.4f}; {slope:.3f}, {r2:.3f}", "–")
          for head, (c, slope, r2) in COUPLINGS.items()),
        *((f"steps of -50, +50 at {head}, last token", said, "–") for head, said in steps.items()),
    ]  # fmt: skip


def main() -> int:
    """List the numbers, or rerun them on the model of a folder."""
    lines, name = listed(), "not run"
    if len(sys.argv) > 1:
        model = ct.load_model(sys.argv[1])
        subject = ct.Observable.from_tokens(model, [" she"], [" he"])
        obj = ct.Observable.from_tokens(model, [" her"], [" him"])
        texts = [PROMPT, *given.prose(3000, model)]
        lines = rows(model, subject, obj) + on_texts(model, subject, obj, texts)
        name = model.name
    report.write(
        "gpt_neo_paper",
        "The paper's numbers on GPT-Neo-1.3B",
        "Subject: ` she` − ` he`; object: ` her` − ` him`. To rerun them on a local folder: "
        "`python bench/gpt_neo_paper.py FOLDER`. A – stands for what was not run, or a head that "
        "the model does not have.",
        report.table(("what", "paper", name), lines),
        NOT_RERUN,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
