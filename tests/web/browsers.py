"""A real browser, and what can be measured in it."""

import contextlib
import math
import shutil
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from playwright.sync_api import Browser, Locator, Page, sync_playwright

SIZE = {"width": 1920, "height": 1080}
PATIENCE_MS = 30_000

Rgb = tuple[int, int, int]


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """Debian's Chromium; nothing is downloaded."""
    program = shutil.which("chromium")
    assert program, "chromium is not installed: `sh tools/setup.sh test`"
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=program)
        with contextlib.closing(found):
            yield found


@contextlib.contextmanager
def shown(chromium: Browser, url: str, *, scheme: str = "light") -> Iterator[Page]:
    """The page in a window of its own, that has heard of the station; a fault in it is an error."""
    faults: list[str] = []
    context = chromium.new_context(viewport=SIZE, color_scheme=scheme)  # type: ignore[arg-type]
    with contextlib.closing(context):
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        page.goto(url)
        page.locator("body[data-link=ok]").wait_for()
        yield page
    # What the browser says of an answer that is a refusal, or away, is no fault of the page.
    assert [one for one in faults if not one.startswith("Failed to load resource")] == []


def colour_at(page: Page, place: Locator) -> Rgb:
    """The colour of the pixel in the upper left of an element, as it was painted."""
    box = place.bounding_box()
    assert box is not None
    clip = {"x": box["x"] + 12, "y": box["y"] + box["height"] / 2, "width": 1, "height": 1}
    return _pixel(page.screenshot(clip=clip))  # type: ignore[arg-type]


def _pixel(png: bytes) -> Rgb:
    """The only pixel of a PNG, which no filter changes."""
    at, data, channels = 8, b"", 0
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        body = png[at + 8 : at + 8 + size]
        if kind == b"IHDR":
            assert body[:9] == struct.pack(">IIB", 1, 1, 8)
            channels = {2: 3, 6: 4}[body[9]]
        elif kind == b"IDAT":
            data += body
        at += 12 + size
    line = zlib.decompress(data)
    assert len(line) == 1 + channels
    return line[1], line[2], line[3]


def contrast(one: Rgb, other: Rgb) -> float:
    """The contrast ratio of WCAG 2, from 1 to 21."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _linear(part: int) -> float:
    value = part / 255
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


def _luminance(colour: Rgb) -> float:
    red, green, blue = map(_linear, colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


class Lab(NamedTuple):
    """A colour in CIELAB, D65."""

    l: float  # noqa: E741  # that is its name
    a: float
    b: float


def lab(colour: Rgb) -> Lab:
    """From sRGB."""
    red, green, blue = map(_linear, colour)
    xyz = (
        (0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047,
        0.2126729 * red + 0.7151522 * green + 0.0721750 * blue,
        (0.0193339 * red + 0.1191920 * green + 0.9503041 * blue) / 1.08883,
    )
    x, y, z = (v ** (1 / 3) if v > 216 / 24389 else (24389 / 27 * v + 16) / 116 for v in xyz)
    return Lab(116 * y - 16, 500 * (x - y), 200 * (y - z))


def ciede2000(one: Lab, other: Lab) -> float:
    """The difference of two colours (ISO/CIE 11664-6)."""
    mean_c = (math.hypot(one.a, one.b) + math.hypot(other.a, other.b)) / 2
    g = 0.5 * (1 - math.sqrt(mean_c**7 / (mean_c**7 + 25**7)))
    (c1, h1), (c2, h2) = (
        (math.hypot((1 + g) * c.a, c.b), math.degrees(math.atan2(c.b, (1 + g) * c.a)) % 360)
        for c in (one, other)
    )
    dl, dc = other.l - one.l, c2 - c1
    turn = 0.0 if c1 * c2 == 0 else (h2 - h1 + 180) % 360 - 180
    dh = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn / 2))
    ml, mc = (one.l + other.l) / 2, (c1 + c2) / 2
    mh = h1 + h2 if c1 * c2 == 0 else (h1 + turn / 2) % 360
    t = (
        1
        - 0.17 * math.cos(math.radians(mh - 30))
        + 0.24 * math.cos(math.radians(2 * mh))
        + 0.32 * math.cos(math.radians(3 * mh + 6))
        - 0.20 * math.cos(math.radians(4 * mh - 63))
    )
    sl = 1 + 0.015 * (ml - 50) ** 2 / math.sqrt(20 + (ml - 50) ** 2)
    sc, sh = 1 + 0.045 * mc, 1 + 0.015 * mc * t
    rc = 2 * math.sqrt(mc**7 / (mc**7 + 25**7))
    rt = -math.sin(math.radians(60 * math.exp(-(((mh - 275) / 25) ** 2)))) * rc
    parts = (dl / sl, dc / sc, dh / sh)
    return math.sqrt(sum(part**2 for part in parts) + rt * parts[1] * parts[2])
