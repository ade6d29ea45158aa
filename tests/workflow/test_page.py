"""The report as a page, in a browser without a screen: it opens, shows all its figures, asks for nothing, and sorts."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
REQUIRED = os.environ.get("ABLATION_REQUIRE_CHROMIUM") == "1"
# What the tiny study does not have, and no training needs.
CLAIMS = {
    "adam-wins": {"says": "Adam <b>wins</b>.", "kind": "greater", "table": "optimizers", "rows": ["adam", "sgd"]},
    "size": {"says": "It is small.", "kind": "fact", "variant": "adam", "parameters": 167_421, "tolerance": 0},
}
DESKTOP, PHONE = (1280, 900), (390, 844)

pytestmark = pytest.mark.skipif(
    not REQUIRED and None in (CHROMIUM, DRIVER), reason="chromium and chromedriver are not installed"
)


@pytest.fixture(scope="module")
def project(finished, tmp_path_factory):
    """The tiny study with claims, and the page that Snakemake makes of its results."""
    project = finished.copy(tmp_path_factory.mktemp("claims") / "copy")
    claims = f"claims={json.dumps(CLAIMS)}"
    result = project.snakemake("report", "--config", claims)
    assert result.returncode == 0, result.stdout
    assert "Training" not in result.stdout
    result = project.snakemake("--report", "snakemake.html", "--config", claims)
    assert result.returncode == 0, result.stdout
    return project


@pytest.fixture(scope="module")
def page(project, tmp_path_factory):
    """The report's page, alone in a folder: nothing beside it can be loaded."""
    return Path(shutil.copy(project.folder / "results/report.html", tmp_path_factory.mktemp("page")))


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def opened(browser, page):
    """The browser with the page, on a light desktop."""
    show(browser, DESKTOP, "light")
    browser.get(page.as_uri())
    return browser


def show(browser, size, colours):
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    wishes = {"prefers-color-scheme": colours, "prefers-reduced-motion": "reduce"}
    features = [{"name": name, "value": value} for name, value in wishes.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def test_it_opens_without_a_word_in_the_console_and_asks_for_nothing(opened):
    assert opened.title == "A tiny study"
    assert opened.get_log("browser") == []
    loaded = opened.execute_script("return performance.getEntriesByType('resource').map(each => each.name)")
    assert [name for name in loaded if not name.startswith("data:")] == []


def test_every_figure_is_seen(opened):
    images = opened.find_elements(By.TAG_NAME, "img")
    assert len(images) == 7  # the claims, two for each of two tables, two of the best run
    for image in images:
        assert int(image.get_property("naturalWidth")) > 0, image.get_attribute("alt")
        assert image.get_attribute("alt")


def test_every_link_leads_to_a_place_of_the_page(opened):
    links = [link.get_attribute("href") for link in opened.find_elements(By.TAG_NAME, "a")]
    assert len(links) > 8
    for link in links:
        address, _, place = link.partition("#")
        assert address == opened.current_url.partition("#")[0]
        assert opened.find_element(By.ID, place).tag_name in ("h2", "h3")


def test_a_click_on_a_header_sorts(opened):
    heading = opened.find_element(By.ID, "optimizers")
    table = heading.find_element(By.XPATH, "following::table[1]")
    assert len(rows(table, 0)) == 3
    names = [header.text for header in table.find_elements(By.TAG_NAME, "th")]
    column = next(place for place, name in enumerate(names) if name.startswith("accuracy"))
    header = table.find_elements(By.TAG_NAME, "th")[column]
    for order, sign in (("ascending", 1), ("descending", -1)):
        header.find_element(By.TAG_NAME, "button").click()
        assert header.get_attribute("aria-sort") == order
        cells = rows(table, column)
        assert cells[-1] == "–"  # all its runs diverged
        means = [sign * float(cell.split()[0]) for cell in cells[:-1]]
        assert means == sorted(means)
        assert len(set(means)) == 2


def rows(table, column):
    return [row.find_elements(By.TAG_NAME, "td")[column].text for row in table.find_elements(By.XPATH, ".//tbody/tr")]


def test_verdicts_are_labels_and_texts_of_the_study_no_markup(opened):
    labels = opened.find_elements(By.CSS_SELECTOR, "strong.verdict.supported")
    assert labels
    assert {label.text or label.get_attribute("textContent") for label in labels} == {"supported"}
    assert opened.find_elements(By.TAG_NAME, "b") == []
    assert "Adam <b>wins</b>." in opened.find_element(By.TAG_NAME, "main").text


def test_folded_parts_unfold(opened):
    fold = next(each for each in opened.find_elements(By.TAG_NAME, "details") if "By variant" in each.text)
    table = fold.find_element(By.TAG_NAME, "table")
    assert not table.is_displayed()
    fold.find_element(By.TAG_NAME, "summary").click()
    assert table.is_displayed()


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_only_tables_move_sideways(opened, size):
    show(opened, size, "light")
    for fold in opened.find_elements(By.TAG_NAME, "details"):
        opened.execute_script("arguments[0].open = true", fold)
    assert opened.execute_script("return document.documentElement.scrollWidth") <= size[0]
    boxes = opened.find_elements(By.CSS_SELECTOR, ".table")
    moving = [box for box in boxes if int(box.get_property("scrollWidth")) > int(box.get_property("clientWidth"))]
    assert size == DESKTOP or moving


def test_in_the_dark_it_is_dark_and_figures_stay_on_white(opened):
    light = colours(opened)
    show(opened, DESKTOP, "dark")
    dark = colours(opened)
    assert light["page"] > 240
    assert light["text"] < 60
    assert dark["page"] < 60
    assert dark["text"] > 200
    assert light["figure"] == dark["figure"] == 255


def colours(browser):
    """How bright page, text and figures' ground are, of 255."""
    style = "const of = (name, what) => getComputedStyle(document.querySelector(name))[what];"
    shown = browser.execute_script(
        f"{style} return {{page: of('body', 'backgroundColor'), text: of('body', 'color'),"
        " figure: of('img', 'backgroundColor')}"
    )
    return {what: sum(map(int, colour[4:-1].split(","))) / 3 for what, colour in shown.items()}


def test_without_its_script_the_page_still_reads(page):
    """Tables and texts are HTML; a policy keeps every script but ours from running."""
    text = page.read_text()
    assert "script-src 'sha256-" in text
    assert text.count("<script") == 1
    assert "<td" in text


def test_snakemake_s_page_has_the_title_and_the_tables_as_tables(browser, project):
    show(browser, DESKTOP, "light")
    browser.get((project.folder / "snakemake.html").as_uri())
    wait = WebDriverWait(browser, 20)
    wait.until(lambda shown: shown.find_elements(By.LINK_TEXT, "Report"))
    assert "A tiny study" in [heading.text for heading in browser.find_elements(By.TAG_NAME, "h1")]
    browser.find_element(By.LINK_TEXT, "Report").click()
    item = "//tr[td[contains(., 'the report, without its figures')]]"
    wait.until(lambda shown: shown.find_elements(By.XPATH, item))[0].find_element(By.TAG_NAME, "a").click()
    wait.until(lambda shown: shown.find_elements(By.TAG_NAME, "iframe"))
    browser.switch_to.frame(browser.find_element(By.TAG_NAME, "iframe"))
    wait.until(lambda shown: shown.find_elements(By.TAG_NAME, "table"))
    assert browser.find_element(By.TAG_NAME, "h1").text == "A tiny study"
    assert browser.find_element(By.ID, "optimizers").find_element(By.XPATH, "following::table[1]").is_displayed()
    browser.switch_to.default_content()


def test_everything_in_snakemake_s_page_can_be_looked_at_and_has_labels(project):
    """Snakemake shows images and HTML; of other files, such as CSV, it has downloads only."""
    page = project.read("snakemake.html")
    names = set(re.findall(r'"name": "([^"]+\.(?:svg|png|csv|md|html|tex|json))"', page))
    assert names == {
        *(f"{table}{what}.svg" for table in ("optimizers", "again") for what in ("", "-curves")),
        *("claims.svg", "confusion.svg", "filters.svg", "report-without-figures.html"),
    }
    assert page.count('"labels": {') == len(names)
    assert '"labels": {}' not in page
