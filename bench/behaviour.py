"""What every public function answers on the sample models and oracles: recorded, then compared.

    python bench/behaviour.py --record before.npz      # on the commit before a change
    python bench/behaviour.py --compare before.npz     # after it

Arrays and tables are compared, origins are not. Numbers may differ by rounding (`--tolerance`,
relative to the largest of their array), everything else must be equal. Exit status 1 if it is not.
The cases below are the only place that knows the functions' names.
"""

import argparse
import dataclasses
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import cutaway as ct

ORACLES = Path(__file__).parents[1] / "tests" / "oracles"
QUIET: dict[str, Any] = {"show": None}
TEXTS = ["The nurse said that", "The doctor said that", "The pilot said that she", "The cook said"]


def cases() -> dict[str, Callable[[], Any]]:
    """Each public function on something small, by name."""
    lenet = ct.load_model("lenet5-digits")
    alexnet = ct.load_model("alexnet-digits")
    digits = ct.load_data("digits", split="test", limit=300)
    digits32 = ct.load_data("digits32", split="test", limit=100)
    example = lenet.inputs(digits.batch([0, 1]))
    acts = ct.capture(lenet, digits, "conv*", **QUIET)
    gpt = ct.load_model("gpt-occupations")
    she = ct.Observable.from_tokens(gpt, ["she"], ["he"])
    her = ct.Observable.from_tokens(gpt, ["her"], ["his"])
    jobs = ct.load_data("occupations", limit=40)
    pair = ["The nurse said that", "The doctor said that"]
    vector = ct.feature_vector(gpt, she, "L0H0")
    other = ct.feature_vector(gpt, her, "L1H1")
    planted = ct.Activations.from_arrays(
        {"conv": np.load(ORACLES / "gmm" / "planted_easy.npz")["maps"]}
    )
    direction = np.linspace(-1, 1, acts["conv2"].shape[1])
    found: dict[str, Callable[[], Any]] = {
        "sites": lambda: pd.DataFrame(
            [(site.path, site.type, str(site.shape), site.layout, site.n_parameters)
             for site in ct.sites(lenet, digits)]
        ),
        "data": lambda: digits.batch(np.arange(40)).inputs,
        "capture": lambda: dict(acts.arrays),
        "capture pooled": lambda: dict(
            ct.capture(alexnet, digits32, "**.conv*", pool=4, **QUIET).arrays
        ),
        "capture texts": lambda: dict(ct.capture(gpt, jobs, "transformer.h.*", **QUIET).arrays),
        "predict": lambda: ct.predict(lenet, digits),
        "predict texts": lambda: ct.predict(gpt, jobs),
        "screen": lambda: ct.screen_filters(acts),
        "screen with labels": lambda: ct.screen_filters(acts, labels=digits.labels),
        "screen planted": lambda: ct.screen_filters(planted, n_dims=2),
        "project": lambda: ct.project(acts, site="conv2"),
        "project t-SNE": lambda: ct.project(acts, site="conv2", method="tsne"),
        "project UMAP": lambda: ct.project(acts, site="conv2", method="umap"),
        "feature_groups": lambda: ct.feature_groups(lenet, example),
        "merge": lambda: ct.merge_features(lenet, example, beta=0.2),
        "merge to a target": lambda: ct.merge_features(lenet, example, target=0.5),
        "merged weights": lambda: dict(
            ct.merge_features(lenet, example, target=0.5).model.state_dict()
        ),
        "complexity_curve": lambda: ct.complexity_curve(
            lenet, example, metric=(digits, "accuracy")
        ),
        "layer_measures": lambda: ct.layer_measures(acts),
        "logit_lens": lambda: ct.logit_lens(gpt, vector),
        "coupling": lambda: np.array(ct.coupling(vector, vector)),
        "coupling_table": lambda: ct.coupling_table({"she": vector, "other": other}),
        "coupling_on_texts": lambda: ct.coupling_on_texts(gpt, vector, vector, TEXTS),
        "score_texts": lambda: ct.score_texts(gpt, vector, TEXTS),
        "search_paths": lambda: ct.search_paths(gpt, she, pair, max_length=2, beam=6),
        "steer": lambda: ct.steer(
            gpt, pair, vector, by=2.0, observable=she, controls=5
        ),
        "compare_probes": lambda: ct.compare_probes(
            gpt, vector, [jobs.text(i) for i in jobs.index], jobs.labels
        ),
    }  # fmt: skip
    for rule in ("official", "official_bnfold", "exact"):
        found[f"merge {rule}"] = lambda rule=rule: ct.merge_features(
            lenet, example, beta=0.1, rule=rule
        )
    for norm in ("skip", "approx", "frozen", "exact"):
        found[f"feature_vector {norm}"] = lambda norm=norm: ct.feature_vector(
            *(gpt, she, "L0H1@1 > M0 > L1H1"), norm=norm, prompts=pair, mlp_point="mid"
        )
    for kind in ("norm", "attribution", "ov_patching", "patching"):
        prompts = {"norm": None, "attribution": pair}.get(kind, [tuple(pair)])
        found[f"head_map {kind}"] = lambda kind=kind, prompts=prompts: ct.head_map(
            gpt, she, kind=kind, prompts=prompts
        )
    edits = {
        "Zero": ct.Zero("conv2", [3]),
        "Mean": ct.Mean("conv2", [1, 2]),
        "Replace": ct.Replace("conv1", [0], [0.5]),
        "ProjectOut": ct.ProjectOut("conv2", direction),
        "Steer": ct.Steer("conv2", direction, by=2.0),
    }
    for name, edit in edits.items():
        found[f"ablate {name}"] = lambda edit=edit: ct.ablate(
            lenet, digits, edit, metric="margin", controls=4
        )
    found["ablate accuracy"] = lambda: ct.ablate(lenet, digits, edits["Zero"], controls=4)
    for method in ("input_x_gradient", "integrated_gradients", "occlusion"):
        found[f"attribute {method}"] = lambda method=method: ct.attribute(
            lenet, digits, digits.index.ids[:4], method=method
        )
    return found


def flattened(  # noqa: C901, PLR0912 - one branch for each kind of value
    value: Any, name: str = ""
) -> Iterator[tuple[str, np.ndarray]]:
    """Every array in a value, by a name that says where it was."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            if field.name == "rows":
                yield f"{name}.rows", value.rows.ids
            elif field.name not in {"origin", "seconds"} and not field.name.startswith("_"):
                yield from flattened(getattr(value, field.name), f"{name}.{field.name}")
    elif isinstance(value, pd.DataFrame):
        for column in value.columns:
            yield from flattened(value[column].to_numpy(), f"{name}[{column}]")
    elif isinstance(value, torch.Tensor):
        yield name, value.detach().cpu().numpy()
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from flattened(part, f"{name}[{key}]")
    elif isinstance(value, np.ndarray) and value.dtype.kind != "O":
        yield name, value
    elif isinstance(value, (list, tuple)) and any(
        isinstance(part, (dict, list, tuple, np.ndarray)) for part in value
    ):
        for place, part in enumerate(value):
            yield from flattened(part, f"{name}[{place}]")
    elif isinstance(value, (bool, int, float, str, list, tuple)) or value is None:
        plain = np.array(value)
        yield name, plain if plain.dtype.kind in "biufU" else np.array(str(value))
    elif isinstance(value, np.ndarray):
        yield name, np.array([str(part) for part in value.reshape(-1)])


def answers() -> dict[str, np.ndarray]:
    """What all cases answer today; a case that fails is told and left out."""
    values: dict[str, np.ndarray] = {}
    for name, case in cases().items():
        began = time.perf_counter()
        try:
            value = case()
        except Exception as error:  # noqa: BLE001 - it is reported, and then missing
            print(f"{name}: {type(error).__name__}: {error}")
            continue
        values |= dict(flattened(value, name))
        print(f"{name}: {time.perf_counter() - began:.1f} s", flush=True)
    return values


def difference(old: np.ndarray, new: np.ndarray, tolerance: float) -> str:
    """How an array differs; empty if it does not."""
    if old.shape != new.shape:
        return f"shape {new.shape} instead of {old.shape}"
    if old.dtype.kind != "f" or new.dtype.kind != "f":
        wrong = np.count_nonzero(old != new)
        return f"{wrong} of {old.size} values differ" if wrong else ""
    if not np.array_equal(np.isnan(old), np.isnan(new)):
        return "NaN elsewhere"
    finite = old[np.isfinite(old)]
    scale = float(np.abs(finite).max()) if finite.size else 1.0
    with np.errstate(invalid="ignore"):
        apart = np.abs(np.where(old == new, 0, old.astype(np.float64) - new))
    largest = float(np.nanmax(apart, initial=0.0))
    return f"off by {largest:.3g} (scale {scale:.3g})" if largest > tolerance * scale else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--record", type=Path)
    what.add_argument("--compare", type=Path)
    parser.add_argument("--tolerance", type=float, default=1e-5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    values = answers()
    if options.record is not None:
        np.savez_compressed(options.record, **values)
        print(f"{len(values)} arrays in {options.record}")
        return 0
    with np.load(options.compare) as stored:
        before = {name: stored[name] for name in stored.files}
    told = [f"missing: {name}" for name in before if name not in values]
    told += [
        f"changed: {name}: {said}"
        for name, old in before.items()
        if name in values and (said := difference(old, values[name], options.tolerance))
    ]
    new = [f"new: {name}" for name in values if name not in before]
    print("\n".join([*told, *new]))
    print(f"{len(before)} arrays compared, {len(told)} differ")
    return bool(told)


if __name__ == "__main__":
    sys.exit(main())
