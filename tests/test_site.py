"""The built documentation in a real browser: `make site-test`."""

import functools
import http.server
import os
import re
import shutil
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[1]
SITE = Path(os.environ.get("SKGNNREC_SITE", ROOT / "no-site"))
pytestmark = pytest.mark.skipif(not SITE.exists(), reason="SKGNNREC_SITE names no built site: make site-test")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PAGES = sorted(
    str(path.relative_to(SITE)) for path in SITE.rglob("*.html") if path.relative_to(SITE).parts[0] != "_static"
)
NAMES = re.findall(r"^   ([\w.]+\w)$", (ROOT / "docs" / "api.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
PHONE, DESKTOP = {"width": 360, "height": 740}, {"width": 1300, "height": 900}
# A page of each kind; the others of its kind have the same elements.
KINDS = [
    "index.html",
    "get_started.html",
    "user_guide/serving.html",
    "user_guide/evaluating.html",
    "api.html",
    "api/generated/skgnnrec.GraphFilterRecommender.html",
    "gallery/index.html",
    "gallery/scenarios/shop.html",
    "how_it_works.html",
    "benchmarks.html",
    "coming_from.html",
    "contributing.html",
    "search.html",
]


class Links(HTMLParser):
    """The links, the sources and the anchors of a page."""

    def __init__(self, text):
        super().__init__()
        self.links, self.sources, self.anchors = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.anchors.update(values[key] for key in ("id", "name") if values.get(key))
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        loaded = values.get("src") or (values.get("href") if tag == "link" else None)
        if loaded:
            self.sources.append(loaded)


@functools.cache
def links_of(page):
    return Links((SITE / page).read_text(encoding="utf-8"))


def test_every_link_leads_to_a_page_and_an_anchor():
    broken = []
    for page in PAGES:
        for link in links_of(page).links + links_of(page).sources:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (SITE / page).parent / unquote(parts.path) if parts.path else SITE / page
            target = target / "index.html" if target.is_dir() else target
            if not target.exists():
                broken.append((page, link))
            elif parts.fragment and target.suffix == ".html":
                anchors = links_of(str(target.resolve().relative_to(SITE.resolve()))).anchors
                if unquote(parts.fragment) not in anchors:
                    broken.append((page, link))
    assert not broken


def test_pages_load_nothing_from_other_hosts():
    loaded = {(page, source) for page in PAGES for source in links_of(page).sources}
    assert not [(page, source) for page, source in loaded if re.match(r"(?:https?:)?//", source)]
    styles = "".join(path.read_text(encoding="utf-8") for path in SITE.rglob("*.css"))
    assert not re.findall(r"url\(['\"]?(?:https?:)?//|@import ['\"]?(?:https?:)?//", styles)


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_has_a_page_with_its_short_title(name):
    page = SITE / "api" / "generated" / f"skgnnrec.{name}.html"
    text = page.read_text(encoding="utf-8")
    assert re.search(rf"<h1>{name.rpartition('.')[2]}<a", text)
    assert "__init__" not in re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert f"skgnnrec.{name}.html" in (SITE / "api.html").read_text(encoding="utf-8")


def test_classes_show_their_gallery():
    text = (SITE / "api" / "generated" / "skgnnrec.RidgeRecommender.html").read_text(encoding="utf-8")
    assert "../../gallery/scenarios/shop.html" in text


def test_formulas_are_drawn_by_the_browser():
    text = (SITE / "how_it_works.html").read_text(encoding="utf-8")
    assert text.count("<math") > 20
    assert not [page for page in PAGES if re.search(r"\\\(|\\\[|class=\"math[ \"]", (SITE / page).read_text("utf-8"))]


def test_picture_of_the_layers_has_every_module():
    described = re.findall(r"^\| \d+ \| (`.*`) \|$", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), flags=re.MULTILINE)
    modules = [module for row in described for module in re.findall(r"`(\w+)`", row)]
    (picture,) = SITE.glob("_images/layers*.svg")
    assert sorted(re.findall(r"<text[^>]*>(\w+)</text>", picture.read_text("utf-8"))) == sorted(modules)


@pytest.fixture(scope="module")
def address():
    """Yield the address of the site, served from this process."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=SITE)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    with api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, address):
    """Return a function that opens an empty page, and a list of its errors and of its requests to other hosts."""
    pages = []

    def open_page(size):
        page, problems = browser.new_page(viewport=size), []
        page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "request", lambda asked: None if asked.url.startswith((address, "data:")) else problems.append(asked.url)
        )
        pages.append(page)
        return page, problems

    yield open_page
    for page in pages:
        page.close()


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_pages_open_without_errors_and_fit_the_width(opened, address, size):
    page, problems = opened(size)
    too_wide = []
    for name in PAGES:
        page.goto(f"{address}/{name}")
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > size["width"]:
            too_wide.append((name, width))
    assert not problems
    assert not too_wide


def test_search_finds_each_public_name(opened, address):
    page, problems = opened(DESKTOP)
    missing = []
    for name in NAMES:
        page.goto(f"{address}/search.html?q={name.rpartition('.')[2]}")
        try:
            page.wait_for_selector(f'#search-results a[href*="skgnnrec.{name}.html"]', timeout=10_000)
        except Exception as error:
            missing.append((name, type(error).__name__))
    assert not missing
    assert not problems


def test_navigation_of_a_phone_opens_at_the_top(opened, address):
    page, _ = opened(PHONE)
    page.goto(f"{address}/user_guide/tuning.html")
    menu = page.get_by_role("link", name="Saving, updating and compressing").first
    assert not menu.is_visible()
    page.locator("button.primary-toggle").click()
    menu.wait_for(state="visible", timeout=5_000)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible(opened, address, name, scheme):
    axe = pytest.importorskip("axe_core_python.sync_playwright", reason="axe-core-python is not installed")
    page, _ = opened(DESKTOP)
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{address}/{name}")
    found = axe.Axe().run(page)["violations"]
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    assert not [(each["id"], [node["html"][:200] for node in each["nodes"][:3]]) for each in serious]
