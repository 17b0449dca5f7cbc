"""The page, in a browser where there is one."""

import re
import shutil

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SIZES = {"desktop": (1100, 800), "phone": (360, 740)}


def test_page_needs_no_other_host(serve, fitted):
    answer = serve(fitted, token="secret").get("/")
    assert answer.status_code == 200
    assert not re.findall(r"(?:https?:)?//[a-z]", answer.text)
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_inputs_have_labels(serve, fitted):
    content = serve(fitted).get("/").text
    inputs = re.findall(r'<input id="(\w+)"', content)
    assert len(inputs) == content.count("<input") > 1
    assert all(f'<label for="{name}">' in content for name in inputs)


@pytest.fixture
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    with api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.mark.parametrize("size", SIZES)
def test_items_are_chosen_by_typing(browser, address, fitted, size):
    expect = pytest.importorskip("playwright.sync_api").expect
    width, height = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height})
    problems = []
    page.on("pageerror", lambda error: problems.append(error))
    page.on("request", lambda request: None if request.url.startswith(address) else problems.append(request.url))
    page.goto(address)
    page.get_by_label("Token of the service").fill("secret")
    page.get_by_role("button", name="Use token").click()
    rows = page.get_by_role("list", name="Recommended items").get_by_role("listitem")
    expect(rows).to_have_count(10)
    for words, found in {"red mug": "red mug small", "BLUE pot": "blue pot small"}.items():
        page.get_by_label("Search items").press_sequentially(words)
        page.get_by_role("button", name=found).click()
    page.get_by_label("Length of the list").fill("3")
    page.get_by_label("Length of the list").press("Tab")
    expect(rows).to_have_count(3)
    page.get_by_role("button", name="Remove blue pot small").click()
    expected, scores = fitted.recommend(histories=[["sku 0"]], n_recommendations=3)
    expect(page.locator("#list .id")).to_have_text(expected[0].tolist())
    shown = [float(row.locator(".score").text_content()) for row in rows.all()]
    assert shown == pytest.approx(scores[0].tolist(), rel=0.006)
    assert page.evaluate("document.documentElement.scrollWidth") <= width  # nothing is cut off
    smallest = page.evaluate(
        "Math.min(...[...document.querySelectorAll('button, input')].map(e => e.offsetHeight || 99))"
    )
    assert smallest >= 40  # large enough for a finger
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_text("None yet")).to_be_visible()
    assert not problems
