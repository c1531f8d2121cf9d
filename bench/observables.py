"""Observables on SmolLM2-135M: maps of all heads, and paths, beside a loop over prompts and heads.

The loop does what the authors' notebooks do: one prompt a forward pass, one head at a time, W_OV
formed, all logits for every reading; it runs on the first pairs only and its time is scaled up.
``quick`` as argument takes 4 pairs instead of 32, and the loop one.
"""

import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import report
import torch
from numpy.typing import NDArray

import cutaway as ct
from cutaway.observables import completeness, components_of, feature_vector, feature_vectors
from cutaway.observables.runs import attending

N_PAIRS, N_LOOP = (4, 1) if "quick" in sys.argv else (32, 4)
SHE = ["Mary", "Jane", "Sarah", "Emma", "Anna", "Lisa", "Laura", "Julia"]
HE = ["John", "James", "David", "Paul", "Mark", "Peter", "Tom", "Jack"]
TEMPLATES = (
    "My friend {} went to the store because", "Yesterday {} was late, because",
    "I know that {} is tired, so", "The teacher told {} that the class was over, and",
)  # fmt: skip


def pairs() -> list[tuple[str, str]]:
    """Pairs of prompts (female, male)."""
    every = [
        (template.format(a), template.format(b))
        for a, b in zip(SHE, HE, strict=True)
        for template in TEMPLATES
    ]
    return every[:N_PAIRS]


@torch.no_grad()
def loop_of_norms(model: ct.model.Model, observable: ct.Observable) -> NDArray[np.float64]:
    """Length of each head's vector, W_OV and the unembedding formed for each."""
    parts = components_of(model)
    n = torch.tensor(observable.vector, dtype=torch.float32)
    rows = []
    for layer in parts.layers:
        for head in range(len(layer.heads)):
            u = parts.unembedding.T @ n
            group = layer.heads.group(head)
            w_ov = layer.heads.outputs[head] @ layer.heads.values[group]
            rows.append(float((w_ov.T @ u).norm()))
    return np.array(rows).reshape(len(parts.layers), -1)


@torch.no_grad()
def loop_of_patching(model: ct.model.Model, observable: ct.Observable) -> NDArray[np.float64]:
    """OV-only patching of each head on each pair, one at a time."""
    parts, net = components_of(model), model.module
    n = torch.tensor(observable.vector, dtype=torch.float32)
    total = np.zeros((len(parts.layers), len(parts.layers[0].heads)))
    for pair in pairs()[:N_LOOP]:
        runs = [_run(model, parts, text) for text in pair]
        norm = net.get_submodule(parts.final_norm.site)
        final = runs[0][2]
        clean = float((parts.unembedding @ norm(final)) @ n)
        for place, layer in enumerate(parts.layers):
            for head in range(len(layer.heads)):
                w_ov = layer.heads.outputs[head] @ layer.heads.values[layer.heads.group(head)]
                row = runs[0][1][place][0, head, -1]
                change = w_ov @ ((runs[1][0][place] - runs[0][0][place]).T @ row)
                moved = float((parts.unembedding @ norm(final + change)) @ n)
                total[place, head] += clean - moved
    return total / N_LOOP


def _run(model: ct.model.Model, parts: Any, text: str) -> tuple[list[Any], Any, Any]:
    """Normed inputs of all layers, patterns, and the final residual stream of one prompt."""
    net, normed, final = model.module, [], []
    handles = [
        net.get_submodule(layer.attention_norm.site).register_forward_hook(
            lambda _module, _given, out: normed.append(out[0])
        )
        for layer in parts.layers
    ]
    handles.append(
        net.get_submodule(parts.final_norm.site).register_forward_pre_hook(
            lambda _module, given: final.append(given[0][0, -1])
        )
    )
    with attending(net):
        ids = model.tokenizer(text, return_tensors="pt")["input_ids"]
        patterns = net(ids, output_attentions=True, use_cache=False).attentions
    for handle in handles:
        handle.remove()
    return normed, patterns, final[0]


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of the second call, and what it gave."""
    function()
    began = time.perf_counter()
    given = function()
    return time.perf_counter() - began, given


def main() -> int:
    """Time each, check that the loops give the same, write the table."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    model = ct.load_model("smollm2-135m")
    observable = ct.Observable.from_tokens(model, [" she"], [" he"])
    prompts, heads = pairs(), [f"L{i}H{h}" for i in range(30) for h in range(9)]
    norms, by_norm = timed(lambda: ct.head_map(model, observable, norm="skip"))
    patching, by_patching = timed(
        lambda: ct.head_map(model, observable, kind="ov_patching", prompts=prompts)
    )
    whole, _given = timed(lambda: ct.head_map(model, observable, kind="patching", prompts=prompts))
    one = prompts[::4]  # of one template
    search, _given = timed(lambda: ct.search_paths(model, observable, one, max_length=3, beam=20))
    batch, _given = timed(lambda: feature_vectors(model, [observable], heads))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    began = time.perf_counter()
    slow_norms = loop_of_norms(model, observable)
    loop_norms, began = time.perf_counter() - began, time.perf_counter()
    slow_patching = loop_of_patching(model, observable)
    loop_patching = (time.perf_counter() - began) * N_PAIRS / N_LOOP
    began = time.perf_counter()
    for head in heads[: 9 * N_LOOP]:
        feature_vector(model, observable, head)
    loop_vectors = (time.perf_counter() - began) * len(heads) / (9 * N_LOOP)
    np.testing.assert_allclose(by_norm.values, slow_norms, rtol=1e-4)
    first = by_patching.pairs[:N_LOOP].mean(0)
    np.testing.assert_allclose(first, slow_patching, atol=2e-3)
    exact = completeness(model, observable, prompts[0]).error
    lines = [
        ("norms of 270 heads", norms, loop_norms, 0.2),
        (f"OV patching, {N_PAIRS} pairs, with forward passes", patching, loop_patching, 3),
        (f"whole-head patching, {N_PAIRS} pairs", whole, None, None),
        ("feature vectors of 270 heads, against one by one", batch, loop_vectors, None),
        (
            f"search, length 3, beam 20, {len(one)} pairs",
            search,
            None,
            60,
        ),
    ]
    report.write(
        "observables",
        "Observables on SmolLM2-135M",
        "Seconds, second call; model loaded and checked before. The loop: one prompt, one head; "
        f"timed on {N_LOOP} of the {N_PAIRS} pairs.",
        report.table(
            ("what", "ours (s)", "loop (s)", "times", "bar (s)"),
            [
                (
                    what,
                    f"{ours:.3g}",
                    f"{loop:.3g}" if loop else "",
                    f"{loop / ours:.0f}" if loop else "",
                    bar or "",
                )
                for what, ours, loop, bar in lines
            ],
        ),
        f"Peak memory before the loops {peak:.2f} GB (bar 3). All paths against the gradient with "
        f"frozen attention, float32: {exact:.1e} of its largest entry.",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
