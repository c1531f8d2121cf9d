"""The planted-bias model, where the right answer is known: does the first vector find it?"""

from typing import Any

import numpy as np
import report
from numpy.typing import NDArray

import cutaway as ct
from cutaway.observables import components_of, feature_vector
from cutaway.observables.probe_measures import measured
from cutaway.observables.texts import read_directions, rows_of
from cutaway_samples import occupations

PROMPTS = ("The nurse said that", "The doctor said that")
SUBJECT = 1  # where the occupation stands
HEADS = [f"L{layer}H{head}" for layer in range(2) for head in range(4)]


def streams(model: Any, texts: list[str], site: str) -> NDArray[np.float64]:
    """Residual stream at the occupation: (texts, d)."""
    components = components_of(model)
    rows = rows_of(model, texts, components.n_tokens)
    units = {str(unit): (site, one) for unit, one in enumerate(np.eye(components.width))}
    read = read_directions(model, components, rows, units, tick=lambda *_: None, title="")
    return read.reading[:, read.position == SUBJECT].T


def planted_direction(model: Any, site: str) -> NDArray[np.float64]:
    """Direction along which the streams of the 16 occupations vary with the planted log-odds."""
    p = np.array(list(occupations.SHE.values()))
    odds = np.log(p / (1 - p))
    x = streams(model, [f"The {job} said that" for job in occupations.SHE], site)
    return np.asarray((odds - odds.mean()) @ (x - x.mean(0)))


def cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Cosine of two vectors."""
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def random_observables(model: Any, n: int) -> list[ct.Observable]:
    """Differences of two random tokens."""
    rng, n_tokens = np.random.default_rng(0), components_of(model).n_tokens
    pairs = [rng.choice(n_tokens, 2, replace=False).tolist() for _ in range(n)]
    return [ct.Observable.from_tokens(model, [a], [b]) for a, b in pairs]


def longest(model: Any, observable: ct.Observable) -> str:
    """Head with the longest vector."""
    lengths = {
        head: np.linalg.norm(feature_vector(model, observable, head).vector) for head in HEADS
    }
    return max(lengths, key=lengths.__getitem__)


def directions(model: Any, she: ct.Observable, head: str) -> str:
    """Cosines with the planted direction: ours, random observables', random directions'."""
    ours = feature_vector(model, she, head, norm="frozen", prompts=PROMPTS)
    planted = planted_direction(model, ours.site)
    others = [
        feature_vector(model, one, head, norm="frozen", prompts=PROMPTS)
        for one in random_observables(model, 40)
    ]
    through = np.array([abs(cosine(one.vector, planted)) for one in others])
    rng = np.random.default_rng(0)
    plain = [abs(cosine(one, planted)) for one in rng.standard_normal((100, len(planted)))]
    x = streams(model, [f"The {job} said that" for job in occupations.SHE], ours.site)
    spread = np.ptp(x @ ours.vector) / max(np.ptp(x @ one.vector) for one in others)
    rows = (
        ("she − he", f"{abs(cosine(ours.vector, planted)):.3f}"),
        ("40 random observables, same head", f"{np.median(through):.3f}, {through.max():.3f}"),
        ("100 random directions", f"{np.median(plain):.3f}, {max(plain):.3f}"),
    )
    note = (
        f"The head's value map favours this direction whatever is asked of it, so the cosine "
        f"alone proves little; the length does: over the occupations our vector's reading spreads "
        f"{spread:.1f} times as far as that of the strongest of the random observables."
    )
    return f"{report.table(('through ' + head, 'median, largest |cosine|'), rows)}\n\n{note}"


def curve(model: Any, she: ct.Observable, head: str) -> str:
    """AUC on held-out occupations beside probes that are trained on sentences of the corpus."""
    texts, women, jobs = sentences(40)
    vector = feature_vector(model, she, head, norm="frozen", prompts=PROMPTS)
    found = ct.compare_probes(
        model, vector, texts, women, groups=jobs, position=SUBJECT,
        sizes=(2, 4, 10, 20, 50), draws=20,
    )  # fmt: skip
    rows = [
        (
            found.method[at],
            found.size[at] or "none",
            f"{found.auc[at]:.3f} [{found.auc_low[at]:.3f}, {found.auc_high[at]:.3f}]",
        )
        for at in range(len(found.rows))
    ]
    methods = dict.fromkeys(found.method[found.size > 0].tolist())
    wins = {name: found.wins_from(name) for name in methods}
    said = "; ".join(
        f"{name} {'never up to ' + str(found.size.max()) if n is None else 'from N = ' + str(n)}"
        for name, n in wins.items()
    )
    read = [
        read_subject(model, texts, feature_vector(model, other, head))
        for other in random_observables(model, 20)
    ]
    controls = [measured(one, women, women * 1.0, seed=0)["auc"][0] for one in read]
    sided = np.array([max(one, 1 - one) for one in controls])
    best = measured(
        np.array([[occupations.SHE[job] for job in jobs]]), women, women * 1.0, seed=0
    )["auc"]  # fmt: skip
    return (
        f"{len(texts)} sentences of the corpus up to the pronoun; the label is the pronoun that "
        f"follows, so the planted probabilities themselves reach an AUC of {best[0]:.3f} on all. "
        "Half the occupations held out; read at the occupation.\n\n"
        f"{report.table(('direction', 'trained on', 'AUC'), rows)}\n\n"
        f"Better than the vector: {said}. Random observables through the same head reach an AUC "
        f"(the better side, all sentences) of {np.median(sided):.3f} in the median and "
        f"{sided.max():.3f} at most."
    )


def sentences(each: int) -> tuple[list[str], NDArray[np.int64], list[str]]:
    """Beginnings of test sentences about occupations, 1 where "she" or "her" follows, and jobs."""
    texts, women, jobs = [], [], []
    for text, split, woman in occupations.sentences():
        words = text.split()
        if split != "test" or words[0] != "The" or jobs.count(words[1]) == each:
            continue
        cut = next(at for at, word in enumerate(words) if word in {"she", "he", "her", "his"})
        texts.append(" ".join(words[:cut]))
        women.append(woman)
        jobs.append(words[1])
    return texts, np.array(women), jobs


def read_subject(model: Any, texts: list[str], vector: Any) -> NDArray[np.float64]:
    """Reading at the occupation of each text, (1, texts)."""
    found = ct.score_texts(model, vector, texts)
    return found.score[found.position == SUBJECT][None]


def planted() -> str:
    """The whole section."""
    model = ct.load_model("gpt-occupations")
    she = ct.Observable.from_tokens(model, ["she"], ["he"])
    head = longest(model, she)
    intro = (
        "Planted direction: the one along which the streams of the 16 occupations vary with their "
        "planted log-odds. Our vector is made from the weights and two prompts."
    )
    title = "## Planted bias (sample model gpt-occupations)"
    return "\n\n".join((title, intro, directions(model, she, head), curve(model, she, head)))
