"""The report in a real headless browser: it asks for nothing, breaks nowhere, and fits a phone."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "report"))
from made_run import make_run

from ontogeny.report.page import write_report

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SECTIONS = (
    "headline",
    "loss",
    "forgetting",
    "probes",
    "emergence",
    "gates",
    "roles",
    "samples",
    "plan",
    "fingerprints",
    "timing",
    "events",
    "again",
)
CHARTS = ("loss", "rate", "roles", "forgetting", "resolution")
WIDTHS = (390, 1280)

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="Debian's chromium is not installed: apt-get install chromium")


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lives")
    kinds = {"done": 3, "six": 6, "interrupted": 3, "gate_ended": 3, "unprobed": 1}
    made = {
        kind: write_report(make_run(folder / kind, kind="done" if kind == "six" else kind, stages=stages))
        for kind, stages in kinds.items()
    }
    (folder / "empty").mkdir()
    return {**made, "empty": write_report(folder / "empty")}


@pytest.fixture
def visit(browser, reports):
    opened = []

    def go(kind, width=1280, scheme="light", script=False):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        opened.append(page)
        page.requests, page.complaints = [], []
        page.on("request", lambda request: page.requests.append(request.url))
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(reports[kind].as_uri())
        return page

    yield go
    for page in opened:
        page.close()


@pytest.mark.parametrize("kind", ["done", "six", "interrupted", "gate_ended", "unprobed", "empty"])
@pytest.mark.parametrize("width", WIDTHS)
def test_it_is_whole_quiet_and_no_wider_than_the_screen(visit, kind, width):
    page = visit(kind, width)
    assert [url for url in page.requests if not url.startswith(("file:", "data:,"))] == []
    assert page.complaints == []
    for section in SECTIONS:
        box = page.locator(f"section#{section}").bounding_box()
        assert box and box["height"] > 20 and box["width"] > 300, section
        assert page.locator(f"section#{section} > :is(h1, h2)").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_every_chart_is_drawn_once_fits_and_is_told_in_words(visit, width):
    page = visit("six", width)
    for chart in CHARTS:
        drawings = page.locator(f"#chart-{chart} [role=img] >> visible=true")
        assert drawings.count() == 1
        box = drawings.locator("svg").bounding_box()
        assert box["width"] > 250 and box["height"] > 120 and box["x"] + box["width"] <= width
        assert len(drawings.get_attribute("aria-label")) > 30
        smallest = page.evaluate(
            """chart => Math.min(...[...document.querySelectorAll(`#chart-${chart} svg text`)]
            .filter(text => text.getBoundingClientRect().width && text.textContent.trim())
            .map(text => text.getBoundingClientRect().height))""",
            chart,
        )
        assert smallest > 8, f"{chart} has text of {smallest} px"


def test_no_text_of_a_chart_leaves_its_drawing(visit):
    for width in WIDTHS:
        page = visit("six", width)
        outside = page.evaluate("""() => [...document.querySelectorAll('.drawing svg')].flatMap(svg => {
            const frame = svg.getBoundingClientRect();
            return [...svg.querySelectorAll('text')].filter(text => {
                const box = text.getBoundingClientRect();
                return box.width && (box.left < frame.left - 1 || box.right > frame.right + 1
                    || box.top < frame.top - 2 || box.bottom > frame.bottom + 2);
            }).map(text => text.textContent);
        })""")
        assert outside == [], width


def test_samples_are_text_and_run_nothing(visit):
    page = visit("done")
    assert page.evaluate("window.broken") is None and page.title() == "seedling: report of a life"
    assert page.locator("pre.sample script").count() == 0
    assert "<script>window.broken" in page.locator("pre.sample").nth(1).inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_ink_stands_out_from_the_page(visit, scheme):
    page = visit("done", scheme=scheme)
    for words in ("body", ".note", "figcaption", "nav a", "th"):
        ink = page.evaluate("words => getComputedStyle(document.querySelector(words)).color", words)
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert contrast(ink, paper) >= 4.5, words


def test_every_entry_of_the_contents_leads_somewhere(visit):
    page = visit("done")
    for link in page.locator("nav a").all():
        assert page.locator(link.get_attribute("href")).count() == 1


def test_in_print_everything_stands_open_on_paper(visit):
    page = visit("done", scheme="dark")
    page.emulate_media(media="print")
    hidden = page.evaluate("""() => [...document.querySelectorAll('details:not(.raw) table')]
        .filter(table => !table.getBoundingClientRect().height).length""")
    assert hidden == 0
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def contrast(first: str, second: str) -> float:
    """WCAG's contrast ratio of two CSS colours."""

    def light(colour: str) -> float:
        parts = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    high, low = sorted((light(first), light(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)
