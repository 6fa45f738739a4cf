"""experiment.html in a real headless browser: it asks for nothing, fits a phone, and its charts are whole."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "search"))
from made_experiment import made

from ontogeny.report.experiment_page import write_page
from ontogeny.search.experiment import make_experiment

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
SECTIONS = ("headline", "registered", "primary", "forest", "tables", "equality", "lives", "reading", "again")
WIDTHS = (390, 1280)
ARMS = ("shuffle", "reverse", "without=a-book-with-a-long-name")

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="Debian's chromium is not installed: apt-get install chromium")


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("experiments")
    written = {}
    for kind, pairs in (("whole", 6), ("bare", 1)):
        asked, members = made(folder / kind, arms=ARMS, pairs=pairs)
        found = make_experiment(asked, members, {})
        written[kind] = write_page(folder / kind, found | {"command": "ontogeny experiment " + "long-word-" * 30})
    return written


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def visit(browser, pages):
    opened = []

    def go(kind, width):
        page = browser.new_page(viewport={"width": width, "height": 900})
        opened.append(page)
        page.requests, page.complaints = [], []
        page.on("request", lambda request: page.requests.append(request.url))
        page.on("console", lambda message: page.complaints.append(message.text))
        page.goto(pages[kind].as_uri())
        return page

    yield go
    for page in opened:
        page.close()


@pytest.mark.parametrize("kind", ["whole", "bare"])
@pytest.mark.parametrize("width", WIDTHS)
def test_it_is_whole_quiet_and_no_wider_than_the_screen(visit, kind, width):
    page = visit(kind, width)
    assert [url for url in page.requests if not url.startswith(("file:", "data:,"))] == []
    assert page.complaints == []
    for section in SECTIONS:
        box = page.locator(f"section#{section}").bounding_box()
        assert box and box["height"] > 20 and box["width"] > 300, section
    for link in page.locator("nav a").all():
        assert page.locator(link.get_attribute("href")).count() == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_every_chart_fits_and_no_text_leaves_it(visit, width):
    page = visit("whole", width)
    drawings = page.locator("[role=img] >> visible=true")
    assert drawings.count() == 4
    for drawing in drawings.all():
        box = drawing.locator("svg").bounding_box()
        assert box["width"] > 250 and box["x"] + box["width"] <= width
        assert len(drawing.get_attribute("aria-label")) > 60
    outside = page.evaluate("""() => [...document.querySelectorAll('.drawing svg')].flatMap(svg => {
        const frame = svg.getBoundingClientRect();
        return [...svg.querySelectorAll('text')].filter(text => {
            const box = text.getBoundingClientRect();
            return box.width && (box.left < frame.left - 1 || box.right > frame.right + 1
                || box.top < frame.top - 2 || box.bottom > frame.bottom + 2);
        }).map(text => text.textContent);
    })""")
    assert outside == []
    smallest = page.evaluate("""() => Math.min(...[...document.querySelectorAll('.drawing svg text')]
        .map(text => text.getBoundingClientRect()).filter(box => box.width).map(box => box.height))""")
    assert smallest > 8
