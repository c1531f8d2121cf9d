"""What knowing the content of data costs: a capture with digests against the same one without.

One process; with and without take turns, and the ratio is the median of the ratios of each round.
"Without" replaces the hash by a constant, so that everything else stays. Reuse is the cost of
opening a finished store again: samples are read and hashed, all stored values are compared with
their checksums, one batch goes through the network.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import report
import torch
from PIL import Image
from torch import nn

from cutaway.data import content, load_data
from cutaway.data.dataset import Dataset
from cutaway.model import Model, capture, load_model

HASH = content.digest_of_bytes


def constant(*_: object) -> bytes:
    """A hash that costs nothing."""
    return bytes(16)


def seconds_of(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def photographs(n: int, side: int = 224) -> np.ndarray:
    """Crops of real photographs, uint8 (n, 3, side, side)."""
    from skimage import data

    rng = np.random.default_rng(0)
    sources = [data.chelsea(), data.astronaut(), data.coffee(), data.rocket()]
    crops = []
    for number in range(n):
        picture = sources[number % len(sources)]
        top = rng.integers(0, picture.shape[0] - side + 1)
        left = rng.integers(0, picture.shape[1] - side + 1)
        crops.append(picture[top : top + side, left : left + side].transpose(2, 0, 1))
    return np.stack(crops)


def folder_of(pictures: np.ndarray, folder: Path) -> Path:
    """The same pictures as JPEG files."""
    folder.mkdir()
    for number, picture in enumerate(pictures):
        Image.fromarray(picture.transpose(1, 2, 0)).save(folder / f"{number:05}.jpg", quality=90)
    return folder


def small_network() -> nn.Module:
    """A light network for 224-pixel pictures: the lighter it is, the more a digest weighs."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for before, after in ((3, 16), (16, 32), (32, 64), (64, 64)):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def measure(title: str, model: Model, data: Dataset, sites: list[str], rounds: int) -> list[str]:
    options = {"show": None, "max_bytes": "8GB"}
    shares, with_digests = [], []
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"

        def run(digest: Callable[..., bytes]) -> float:
            content.digest_of_bytes = digest
            shutil.rmtree(store, ignore_errors=True)
            try:
                return seconds_of(lambda: capture(model, data, sites, store=store, **options))
            finally:
                content.digest_of_bytes = HASH

        run(HASH)  # warm caches and thread pools
        for number in range(rounds):
            first, second = (HASH, constant) if number % 2 else (constant, HASH)
            times = {first: run(first), second: run(second)}
            shares.append(times[HASH] / times[constant] - 1)
            with_digests.append(times[HASH])
        run(HASH)
        reuses = [
            seconds_of(lambda: capture(model, data, sites, store=store, **options))
            for _ in range(3)
        ]
    alone = min(seconds_of(lambda: content.read_content(data)) for _ in range(3))
    whole = float(np.median(with_digests))
    return [
        title,
        f"{len(data):,}",
        f"{whole:.2f} s",
        f"**{100 * float(np.median(shares)):+.1f} %**",
        f"{100 * alone / whole:.2f} %",
        f"{100 * float(np.median(reuses)) / whole:.0f} %",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--pictures", type=int, default=400)
    options = parser.parse_args()
    pictures = photographs(options.pictures)
    floats = pictures.astype(np.float32) / 255
    light = Model(small_network(), "light 224-pixel network")
    digits = load_data("digits32", limit=5000)
    with tempfile.TemporaryDirectory() as place:
        files = load_data(folder_of(pictures, Path(place) / "pictures"))
        alexnet = load_model("alexnet-digits")
        cases = [
            ("alexnet-digits, digits (uint8 array)", alexnet, digits, ["**.conv*"]),
            ("light network, 224 pixels, uint8 array", light, load_data(pictures), ["7"]),
            ("light network, 224 pixels, float array", light, load_data(floats), ["7"]),
            ("light network, 224 pixels, JPEG files", light, files, ["7"]),
        ]
        rows = [measure(*case, rounds=options.rounds) for case in cases]
    heads = ["capture to a store", "samples", "seconds", "with / without digest"]
    heads += ["digests alone / capture", "verified reuse / capture"]
    report.write(
        "content",
        "Knowing the content of data",
        f"{torch.get_num_threads()} thread(s); medians of {options.rounds} rounds, ratios paired "
        "within a round, with the order of the two changing. 'Digests alone' reads and hashes all "
        "samples, files included. The light network does 41 million multiply-accumulates a "
        "picture; MobileNetV2 does 7 times as many, ResNet-50 100 times.",
        "Goals: at most 5 % of a capture of 5,000 digits through alexnet-digits, at most 2 % for "
        "224-pixel pictures.",
        report.table(heads, rows),
    )


if __name__ == "__main__":
    main()
