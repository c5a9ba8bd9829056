"""The site builds without a warning, needs no network, and its generated pages are complete."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from command_reference import command_page
from config_reference import config_page, leaf_keys
from enas.cli import app
from enas.config import Config, ImageConfig

ROOT = Path(__file__).resolve().parents[1]
LOADING = {"audio", "embed", "iframe", "img", "script", "source", "track", "video"}
"""Elements that load what their ``src`` names."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as ``make docs`` does."""
    folder = tmp_path_factory.mktemp("site")
    environment = os.environ | {
        "PYTHONPATH": str(ROOT / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NO_MKDOCS_2_WARNING": "1",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr, done.stderr
    return folder


class Resources(HTMLParser):
    """What a page loads by itself."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag in LOADING:
            self.found += [told.get("src") or "", *(told.get("srcset") or "").split()]
        if tag == "link" and told.get("rel") not in {"canonical", "next", "prev"}:
            self.found.append(told.get("href") or "")


def pages(site: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(site.rglob("*.html")):
        yield path, path.read_text(encoding="utf-8")


def test_every_page_is_there(site: Path) -> None:
    wanted = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    found = {path.relative_to(site) for path, _ in pages(site)}
    generated = {Path("reference/configuration.html"), Path("reference/commands.html"), Path("sample/report.html")}
    assert found == wanted | generated | {Path("404.html")}


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    loaded = {(path.name, one) for path, text in pages(site) for one in Resources(text).found}
    assert any(one.endswith(".css") for _, one in loaded)
    assert {(name, one) for name, one in loaded if re.match(r"(\w+:)?//", one)} == set()
    styles = [path.read_text(encoding="utf-8") for path in site.rglob("*.css")]
    assert not any(re.search(r"(@import|url\()\s*['\"]?(https?:)?//", text) for text in styles)


def test_what_pages_load_is_there(site: Path) -> None:
    for path, text in pages(site):
        if path.name == "404.html":  # served from any depth, so its addresses start at the root
            continue
        local = [one.split("?")[0] for one in Resources(text).found if one and not one.startswith("data:")]
        assert [one for one in local if not (path.parent / one).resolve().is_file()] == []


def test_search_works_in_pages_opened_from_the_disk(site: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("needs Chromium on the path (Debian: apt install chromium)")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page, requests = browser.new_page(), list[str]()
        page.on("request", lambda request: requests.append(request.url))
        page.goto((site / "start" / "biologist.html").as_uri())
        page.keyboard.press("/")
        page.keyboard.type("checkpoint", delay=20)
        page.locator(".md-search-result__item").first.wait_for()
        assert "Configuration" in page.locator(".md-search-result__list").inner_text()
        assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
        browser.close()


def test_paths_of_the_machine_that_built_it_are_not_told(site: Path) -> None:
    assert [path.name for path, text in pages(site) if "/tmp/" in text or str(ROOT) in text] == []


def keys_told(page: str) -> set[str]:
    """The dotted paths of the keys in the tables of a page."""
    section, told = "", set()
    for line in page.splitlines():
        if line.startswith("#"):
            section = f"{line.split('`')[1]}." if "`" in line else ""
        elif line.startswith("| `"):
            told.add(section + line.split("`")[1])
    return told


def test_the_reference_has_every_key() -> None:
    tables, _, images = config_page().partition("## Images")
    for page, model in ((tables, Config), (images, ImageConfig)):
        assert keys_told(page) == {path for path, _, _ in leaf_keys(model, set())}


def test_the_reference_has_every_command() -> None:
    headings = re.findall(r"^## enas (.*)$", command_page(), re.MULTILINE)
    commands = [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]
    groups = [group.name for group in app.registered_groups]
    assert {heading.split()[0] for heading in headings} == {*commands, *groups}


def test_the_navigation_names_a_page_once() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    navigation = [item for part in yaml.safe_load(text)["nav"] for items in part.values() for item in items]
    names = [item if isinstance(item, str) else next(iter(item.values())) for item in navigation]
    assert len(names) == len(set(names))
