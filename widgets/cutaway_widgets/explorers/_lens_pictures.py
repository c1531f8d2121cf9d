"""Small pictures of what each lens finds, for the empty page; drawn from stored real results."""

import base64
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

LEVELS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
WIDE, HIGH = 150, 100
_INK = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#9A8F00", "#7F7F7F",
    "#8C6BB1", "#1B9E77",
)  # fmt: skip

# Three characters a point: place across, place up, colour.
POINTS = {
    "screen": (
        "yq7JH7MB7A67ym7Sj7xk7zJ7Hd7Jf7go7ZL7Dv7vO7ps7PN7NR7QK7tw7MI7oa7KG78N7GC7ga7NE7QJ7Uz7"
        "FA7Xo7Xv7Zx7Jp7sn7xu7Rt7Bk7Cp7Qk7Fs7Hx7Iy7LB7Lu7kh7Ko7Iz7wg7Kw7VD7rD7lM7OE7OA7wx7Mw7"
        "PH7vH7xb7Bt7op7db7HB7fj7PL7jK7ml7Mz7AI7JC77H7MF7Bq7EJ7Pc7Wx74J7mI7Ox7TN78l7qn7rt7Pu7"
        "yn7Zv7Ax7Ol79I7iG7kG7P87SG7kl7Gt7Ev7ux7pb7UG7Ir7wx7Pe7Ed7BC7GM7r47Yk7je7vo7Kw70I7Lv7"
        "xj7zB7Al7Xr7Ix7Wx7Jk7uJ7lG7Wt7Oa7xI7Ge7z87tF7jw7mF7Nn7GT7Ou7Ky7LB7xZ7vp7Wv7Ns7bE7sx7"
        "EH7Ff7ND79b7vA7Pu7Vn77j7td5r45p45J05Ij5Jx5945rs5n75tg5OO5Ly5"
    ),
    "project": (
        "Ty0Uv0WC0Vt0Xr0Oy0Ut0Vx0Qv0Ui0WC0Tw0Wz0Tz0Uj0Wy0s717w1bC17x18z12z16x17w10y14w12w13y1"
        "bB15v11y11A1KY2Hh2Od2Ll2If2JX2Ij2eG2Oa2Nc2Gl2JZ2Zz2yi2Ef2Jm2HO3MQ3bF3IN3KR3eG3IM3DP3"
        "KQ3IO3wI3LR3GQ3LI3JK3ES3si4un4pg4xo4vi4to4rm4vv4Ac4ts4ok4ok4xp4rh4pj4pg4vS5FE5xg5wR5"
        "zG5DG5rP5CJ5DH5tS5EJ5uR5NJ5EF5xg5vJ5B06z66x56z46G66F06D56D36C36B76y46x66I06D36B66E06"
        "ir7rp7fn7gn7iq7eo7hx7ny7gm7gB7lt7cs7jA7io7dq7in7Ft8Ey8Bl8yA8FC8uK8Jz8wC8wC8Es8Fs8pd8"
        "Ez8BD8Ht8Ct8ms9np9qs9fw9qn9nq9qq9kl9rx9sy9nw9rz9qm9lo9sw9rB9"
    ),
}
# One character a place of a picture of 14 by 14: 0 against the answer, 30 nothing, 61 for it.
SHARES = (
    "uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuCPMCuuuuuuuuuuEKNFtuuuuuuuuzxxwuqvuuuuuuxAtuuoqDuu"
    "uuuuvkpuuuENuuuuuzzruuuxTQuuuuvJOwuuuFUwuuuuuyCutmgmvuuuuuuuwtl908tuuuuuuvGNKsnuuuuu"
    "uuuuuuuuuuuuuuuuuuuuuuuuuuuu"
)
# Words of lines of text, two characters a word: its length, and its reading as in `SHARES`.
WORDS = (
    "5u6y3q4A6r4o1r 3u646y3r5A2p4v1r 2u6r5E2s1q5Y3I3R3o4r5s1q 3u5e6y3r6t6s4o1r "
    "2u6r4D2s1q6D3I3R3o5p6q4n1r 3u6r6y3z7x2p4v1r 3u7r6y3r4B9s1r 2u6r4C2s1q9J3I3R3o6p5p5p1r "
    "6u4x4n2H3n5p4r4h1q"
)

# One character a layer: the part of its features that is left.
LEFT = "ZZZZZZFTg"


def coded(points: NDArray[np.floating], colors: Iterable[int]) -> str:
    """Points as the text that `POINTS` keeps: scaled to fill the picture."""
    low, high = points.min(0), points.max(0)
    places = np.rint((points - low) / (high - low) * (len(LEVELS) - 1)).astype(int)
    triples = zip(places[:, 0], places[:, 1], colors, strict=True)
    return "".join(f"{LEVELS[x]}{LEVELS[y]}{LEVELS[color]}" for x, y, color in triples)


def coded_shares(values: NDArray[np.floating]) -> str:
    """Shares of the pixels of a picture of 28 by 28, four to a place, as `SHARES` keeps them."""
    coarse = values.reshape(14, 2, 14, 2).sum(axis=(1, 3))
    steps = np.rint(30 + 30 * coarse / np.abs(coarse).max()).astype(int)
    return "".join(LEVELS[one] for one in steps.ravel())


def coded_left(left: NDArray[np.integer], size: NDArray[np.integer]) -> str:
    """Parts left of each layer, as `LEFT` keeps them."""
    return "".join(LEVELS[one] for one in np.rint(left / size * (len(LEVELS) - 1)).astype(int))


def picture(lens: str) -> str:
    """Address of a small picture of what a lens finds, without a ground; empty if there is none."""
    if lens in POINTS:
        drawn = "".join(_points(POINTS[lens]))
    elif lens == "attribute":
        drawn = "".join(_places(SHARES))
    elif lens == "merge":
        drawn = "".join(_bars(LEFT))
    elif lens == "observe":
        drawn = "".join(_words(WORDS))
    else:
        return ""
    head = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDE} {HIGH}'>"
    data = base64.b64encode(f"{head}{drawn}</svg>".encode()).decode()
    return f"data:image/svg+xml;base64,{data}"


def _points(text: str) -> Iterable[str]:
    for at in range(0, len(text), 3):
        x, y, color = (LEVELS.index(one) for one in text[at : at + 3])
        left = 4 + x / (len(LEVELS) - 1) * (WIDE - 8)
        top = HIGH - 4 - y / (len(LEVELS) - 1) * (HIGH - 8)
        ink = _INK[color % len(_INK)]
        yield f"<circle cx='{left:.1f}' cy='{top:.1f}' r='2' fill='{ink}' fill-opacity='.75'/>"


def _places(text: str) -> Iterable[str]:
    side = HIGH / 14
    for at, one in enumerate(text):
        share = (LEVELS.index(one) - 30) / 30
        if abs(share) > 0.05:
            y, x = divmod(at, 14)
            left = (WIDE - HIGH) / 2 + x * side
            ink = _INK[5] if share > 0 else _INK[0]
            yield (
                f"<rect x='{left:.1f}' y='{y * side:.1f}' width='{side:.1f}' height='{side:.1f}' "
                f"fill='{ink}' fill-opacity='{min(1, 0.25 + abs(share)):.2f}'/>"
            )


def _bars(text: str) -> Iterable[str]:
    high = HIGH / len(text)
    for row, one in enumerate(text):
        whole = WIDE - 8
        for width, opacity in ((whole, 0.15), (whole * LEVELS.index(one) / (len(LEVELS) - 1), 1)):
            yield (
                f"<rect x='4' y='{row * high + 1.5:.1f}' width='{width:.1f}' "
                f"height='{high - 3:.1f}' rx='1.5' fill='{_INK[0]}' fill-opacity='{opacity}'/>"
            )


def _words(text: str) -> Iterable[str]:
    high = HIGH / 9
    for row, line in enumerate(text.split()):
        left = 4.0
        for at in range(0, len(line), 2):
            width = 2.3 * LEVELS.index(line[at])
            share = (LEVELS.index(line[at + 1]) - 30) / 30
            ink = _INK[5] if share > 0 else _INK[0]
            yield (
                f"<rect x='{left:.1f}' y='{row * high + 1.5:.1f}' width='{width:.1f}' "
                f"height='{high - 3:.1f}' rx='1.5' fill='{ink}' "
                f"fill-opacity='{min(1, 0.08 + abs(share)):.2f}'/>"
            )
            left += width + 2.5
