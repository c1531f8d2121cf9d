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
        "xu7HN7KH7y77wq7Pm7wn7xQ7gs7Gf7Ih7CA7IM7XS7uV7KO7sB7NU78U7ox7Vz7nc7wz7rq7FI7OQ7fc7LK7"
        "Bt7Ax7NO7uO7Vs7Px7Oo7KL7FC7GD7MK7NS7OQ7lT7pr7fm77O7wO7MG7jk7zP7vi77o7ns7An7wd7XC7qJ7"
        "UA7Ne7iR7FH79O7hM7DF7SE7DP7It7lP7cd7lp7UC7Dx7MC7zu7Wn7JG7N97LZ7vC7qx74Q7jN7mM7sL78d7"
        "zC7Mo7ts7us7yo7Nh7kM7vC7PN7Hv7oc7yH70P7II7RV7AH7jp7bK7rp7Mc7Fg7yH7Df7CO7ET7Wz7Pt7SM7"
        "Yo7oK7IF7IX7vk7ZE7GR7tB7rC7uF7wq7xF7AN7vn7Bx7ML7Zv7vl7AG7In77l7Jy7BB7GE7tQ7CA7Xw7Ir7"
        "HJ7LJ7ir7Fu7sI7bK7ip7Wr7sf5q55o45H05Gm5HC5855qw5m85JD5MW5sj5"
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


def picture(lens: str) -> str:
    """Address of a small picture of what a lens finds, without a ground; empty if there is none."""
    if lens in POINTS:
        drawn = "".join(_points(POINTS[lens]))
    elif lens == "attribute":
        drawn = "".join(_places(SHARES))
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
