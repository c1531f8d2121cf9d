"""Pictures spoilt in four known ways: what a screen of a trained network should find."""

import numpy as np

KINDS = ("inverted", "noise patch", "turned", "low contrast")


def spoilt(images, seed, share=0.02):
    """Copies of uint8 pictures (n, h, w), a share of them spoilt, and the kind of each.

    Inverted; a patch of 10 x 10 pixels of uniform noise; turned by 90 degrees and moved by up to
    four pixels; contrast 0.3 with noise of sd 18. Kind -1 is left as it was.
    """
    rng = np.random.default_rng([seed, 31])
    n, height, width = images.shape
    made = images.astype(float)
    kind = np.full(n, -1)
    for place, i in enumerate(rng.choice(n, round(share * n), replace=False)):
        kind[i] = place % len(KINDS)
        if kind[i] == 0:
            made[i] = 255.0 - made[i]
        elif kind[i] == 1:
            top, left = rng.integers(2, height - 12), rng.integers(2, width - 12)
            made[i, top : top + 10, left : left + 10] = rng.uniform(0, 255, (10, 10))
        elif kind[i] == 2:
            made[i] = np.roll(np.rot90(made[i]), rng.integers(-4, 5, 2), axis=(0, 1))
        else:
            made[i] = 0.3 * made[i] + rng.normal(0, 18, (height, width))
    return np.clip(np.round(made), 0, 255).astype(np.uint8), kind
