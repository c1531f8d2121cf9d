"""Where things are on a page, and gestures of the real mouse on them."""

import time

MIDDLE = ((0.3, 0.3), (0.75, 0.3), (0.75, 0.75), (0.3, 0.75), (0.3, 0.32))
PATIENCE = 30.0  # seconds


def box_of(locator):
    """Place of an element once it rests: on the page, and the same for two looks in turn.

    A view that draws its tiles anew takes an element off the page between finding and measuring it;
    `bounding_box` alone answers None then.
    """
    until, before = time.monotonic() + PATIENCE, None
    while True:
        box = locator.bounding_box()
        if box is not None and box == before:
            return box
        assert time.monotonic() < until, f"no place on the page for {locator}: {box}"
        before = box
        locator.page.wait_for_timeout(20)


def wheel(locator, down=0, right=0):
    """Turn the wheel over an element, as far as it scrolls or by these many pixels of the page."""
    locator.hover()
    locator.page.mouse.wheel(right, down)


def press(locator):
    """Click in the middle of an element, whether or not it says that it can act."""
    locator.scroll_into_view_if_needed()
    box = box_of(locator)
    locator.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def drag(page, canvas, outline=MIDDLE, steps=4):
    """Press, move along the outline (parts of the canvas), release."""
    canvas.scroll_into_view_if_needed()
    box = box_of(canvas)
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in outline]
    page.mouse.move(*at[0])
    page.mouse.down()
    for x, y in at[1:]:
        page.mouse.move(x, y, steps=steps)
    page.mouse.up()


# Playwright scrolls whatever hides the target of a click, also panels that clip what sticks out of
# them and that no wheel moves. A person cannot do that.
PUSHED = """() => [...document.querySelectorAll("body *")]
  .filter((e) => e.matches(".cw *") || e.querySelector(".cw"))
  .filter((e) => !e.matches("input, textarea, select"))
  .filter((e) => {
    const { overflowX, overflowY } = getComputedStyle(e);
    const fixed = (overflow) => overflow === "hidden" || overflow === "clip";
    return (fixed(overflowY) && e.scrollTop > 1) || (fixed(overflowX) && e.scrollLeft > 1);
  })
  .map((e) => `${e.tagName}.${e.className}: ${e.scrollLeft}, ${e.scrollTop}`)"""


def pushed(page):
    """Panels without scroll bars that a test has scrolled: what it pressed, no hand can reach."""
    return page.evaluate(PUSHED)
