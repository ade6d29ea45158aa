"""The pages of a finished study in a browser: its report, and what Snakemake makes of its results."""

import json
import re

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

CLAIM = {"says": "Small <b>it</b> is.", "kind": "fact", "variant": "adam", "parameters": 167_421, "tolerance": 0}
FIGURES = {
    *(f"{table}{what}.svg" for table in ("optimizers", "again") for what in ("", "-curves")),
    *("claims.svg", "confusion.svg", "filters.svg"),
}


@pytest.fixture(scope="module")
def project(finished, tmp_path_factory):
    """The tiny study with a claim."""
    project = finished.copy(tmp_path_factory.mktemp("claims") / "copy")
    claims = f"claims={json.dumps({'size': CLAIM})}"
    for arguments in (["report"], ["--report", "snakemake.html"]):
        result = project.snakemake(*arguments, "--config", claims)
        assert result.returncode == 0, result.stdout
        assert "to train" not in result.stdout
    return project


def test_the_report_s_page_shows_every_figure_and_every_link_leads_somewhere(browser, project):
    browser.get((project.folder / "results/report.html").as_uri())
    assert browser.title == "A tiny study"
    assert browser.get_log("browser") == []
    images = browser.find_elements(By.TAG_NAME, "img")
    assert len(images) == len(FIGURES)
    assert all(int(image.get_property("naturalWidth")) > 100 for image in images)
    links = browser.execute_script("return [...document.links].map(link => [link.hash, link.pathname])")
    assert len(links) > 8
    for place, page in links:
        assert page.endswith("/report.html")
        assert browser.execute_script("return !!document.getElementById(arguments[0].slice(1))", place), place
    assert CLAIM["says"] in browser.find_element(By.TAG_NAME, "main").text


def test_snakemake_s_page_has_the_title_and_the_tables_as_tables(browser, project):
    browser.get((project.folder / "snakemake.html").as_uri())
    wait = WebDriverWait(browser, 20)
    wait.until(lambda shown: shown.find_elements(By.LINK_TEXT, "Report"))[0].click()
    assert "A tiny study" in [heading.text for heading in browser.find_elements(By.TAG_NAME, "h1")]
    item = "//tr[td[contains(., 'the report, without its figures')]]//a"
    wait.until(lambda shown: shown.find_elements(By.XPATH, item))[0].click()
    wait.until(lambda shown: shown.find_elements(By.TAG_NAME, "iframe"))
    browser.switch_to.frame(0)
    wait.until(lambda shown: shown.find_elements(By.TAG_NAME, "table"))
    assert browser.find_element(By.TAG_NAME, "h1").text == "A tiny study"
    assert browser.find_element(By.ID, "optimizers").find_element(By.XPATH, "following::table[1]").is_displayed()


def test_everything_in_snakemake_s_page_can_be_looked_at_and_has_labels(project):
    """Snakemake shows images and HTML; of other files, such as CSV, it has downloads only."""
    page = project.read("snakemake.html")
    names = re.findall(r'"name": "([^"]+\.\w+)", "filename": "[^"]+", "labels": \{"', page)
    assert len(names) == page.count('"labels": {')
    assert {*names} == FIGURES | {"report-without-figures.html"}
    assert (project.folder / "results/report-without-figures.html").stat().st_size < 100_000
