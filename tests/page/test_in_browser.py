"""The page in a real browser: Debian's Chromium, or another that is on the path, driven by Playwright."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from page.conftest import NASTY, SaveRun

from enas.page import write_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PHONE = {"width": 390, "height": 844}
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("needs Chromium on the path (Debian: apt install chromium)")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def file(save_run: SaveRun) -> Path:
    run = save_run(honesty={"kendall_tau": {"value": 0.3, "n": 10}})
    return write_page(run)


class Visit:
    """A page that was opened, and what was heard of it meanwhile."""

    def __init__(self, browser: "Browser", file: Path, **context: Any) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page: Page = browser.new_context(**context).new_page()
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(file.as_uri())

    def column(self, n: int) -> list[str]:
        """Texts of a column of the ranking."""
        return [cell.strip() for cell in self.page.locator(f"#ranking tbody tr > :nth-child({n})").all_inner_texts()]

    def close(self) -> None:
        self.page.context.close()


@pytest.fixture
def visit(browser: "Browser", file: Path) -> Iterator[Visit]:
    visit = Visit(browser, file)
    yield visit
    visit.close()


def test_it_loads_nothing_and_complains_of_nothing(visit: Visit, file: Path) -> None:
    visit.page.get_by_role("searchbox").fill("gene 7")
    assert [url for url in visit.requests if not url.startswith("data:")] == [file.as_uri()]
    assert visit.complaints == []


def test_a_script_in_a_name_stays_text(visit: Visit) -> None:
    assert visit.page.title() == f"{NASTY} – enas report"
    assert visit.page.locator("h1").inner_text() == NASTY
    visit.page.get_by_role("searchbox").fill("SCRIPT")
    assert visit.column(2) == [NASTY]
    assert visit.page.title() == f"{NASTY} – enas report"
    assert visit.page.locator("script").count() == 2


def test_searching(visit: Visit) -> None:
    assert visit.column(1) == [str(k) for k in range(1, 21)]
    visit.page.get_by_role("searchbox").fill("gene 29")
    assert visit.column(2) == ["gene 29", *(f"gene {k}" for k in range(290, 300))]
    assert visit.page.locator("#matches").inner_text() == "11 found"
    assert not visit.page.get_by_role("button", name="Show more").is_visible()
    visit.page.get_by_role("searchbox").fill("nothing like it")
    assert visit.column(2) == []
    visit.page.get_by_role("searchbox").fill("")
    assert len(visit.column(1)) == 20
    visit.page.get_by_role("button", name="Show more").click()
    assert len(visit.column(1)) == 120


def test_sorting_with_the_mouse(visit: Visit) -> None:
    button = visit.page.locator("#ranking").get_by_role("button", name="feature")
    button.click()
    assert visit.column(2) == sorted(visit.column(2), key=str.lower)[:20] or visit.column(2)[0] in (
        "</td>{{ 1 }}",
        NASTY,
    )
    assert visit.page.locator("#ranking th[aria-sort]").get_attribute("aria-sort") == "ascending"
    button.click()
    assert visit.column(2)[:2] == ["gene 299", "gene 298"]
    visit.page.locator("#ranking").get_by_role("button", name="importance").click()
    assert visit.column(1)[:3] == ["1", "2", "3"]
    assert visit.page.locator("#ranking th[aria-sort]").get_attribute("aria-sort") == "descending"


def test_sorting_with_the_keyboard(visit: Visit) -> None:
    """From the search field, which Tab leaves for the table and then its first button."""
    visit.page.get_by_role("searchbox").focus()
    for _ in range(10):
        visit.page.keyboard.press("Tab")
        if visit.page.evaluate("document.activeElement.textContent") == "rank":
            break
    assert visit.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    visit.page.keyboard.press("Enter")
    assert visit.column(1)[:2] == ["300", "299"]
    visit.page.keyboard.press("Space")
    assert visit.column(1)[:2] == ["1", "2"]


def test_the_leaderboard_is_sorted_by_number_and_empty_cells_stay_behind(visit: Visit) -> None:
    table = visit.page.locator("table.sortable").first
    table.get_by_role("button", name="shared weights").click()
    scores = table.locator("tbody tr > :nth-child(4)").all_inner_texts()
    assert scores == sorted(scores, key=float, reverse=True)
    for _ in range(2):
        table.get_by_role("button", name="retrained").click()
        assert table.locator("tbody tr:first-child > :nth-child(5)").inner_text() == "0.950"


@pytest.mark.parametrize("viewport", [PHONE, {"width": 320, "height": 600}, {"width": 1280, "height": 900}])
def test_nothing_is_wider_than_the_screen(browser: "Browser", file: Path, viewport: dict[str, int]) -> None:
    visit = Visit(browser, file, viewport=viewport)
    visit.page.get_by_role("button", name="Show more").click()
    assert visit.page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
    visit.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(browser: "Browser", file: Path, scheme: str) -> None:
    """The contrast of every text to what is behind it is 4.5 or more."""
    visit = Visit(browser, file, color_scheme=scheme)
    background = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (luminance(background) < 0.2) == (scheme == "dark")
    assert {text: ratio for text, ratio in contrasts(visit.page) if ratio < 4.5} == {}
    visit.close()


PAIRS = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const flat = (colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)];
  };
  const pairs = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement, text = walker.currentNode.textContent.trim();
    if (!text || ["script", "title"].includes(element.tagName.toLowerCase())) continue;
    const behind = [];
    for (let one = element; one; one = one.parentElement) behind.unshift(getComputedStyle(one).backgroundColor);
    const style = getComputedStyle(element);
    const colour = element instanceof SVGElement ? style.fill : style.color;
    pairs.push([text.slice(0, 40), flat(behind), flat([...behind, colour])]);
  }
  return pairs;
}"""


def contrasts(page: "Page") -> list[tuple[str, float]]:
    """Each text with its contrast, by the definition of the Web Content Accessibility Guidelines."""
    found = []
    for text, behind, front in page.evaluate(PAIRS):
        low, high = sorted([relative(behind), relative(front)])
        found.append((text, (high + 0.05) / (low + 0.05)))
    assert len(found) > 100
    return found


def luminance(colour: str) -> float:
    return relative([float(part) for part in re.findall(r"[\d.]+", colour)[:3]])


def relative(colour: list[float]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (part / 255 for part in colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_motion_is_reduced_where_that_is_asked_for(browser: "Browser", file: Path) -> None:
    visit = Visit(browser, file, reduced_motion="reduce")
    assert visit.page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    visit.close()


def test_it_can_be_printed(visit: Visit) -> None:
    content = visit.page.pdf(format="A4")
    assert content.startswith(b"%PDF")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", content)) <= 12
    visit.page.emulate_media(media="print")
    assert not visit.page.get_by_role("searchbox").is_visible()
    assert visit.page.locator("details pre").is_visible()


def test_without_scripts_the_first_features_are_there(browser: "Browser", file: Path) -> None:
    visit = Visit(browser, file, java_script_enabled=False)
    assert visit.page.locator("#ranking tbody tr").count() == 20
    assert not visit.page.locator("#search").is_visible()
    visit.close()
