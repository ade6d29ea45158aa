"""The report's page in a browser: it opens without an error or a request, shows every figure, and sorts its tables."""

import shutil

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from ablation.analysis.page import contents, page

HOSTILE = "<script>document.title = 'hacked'</script><img src=x onerror=alert(1)>"
REPORT = f"""# A study

Of 2 claims: 1 **supported**, 1 **undecided**. {HOSTILE}

CONTENTS

## The answer

![A picture](figures/one.png)

<details>
<summary>Folded</summary>

|        | n |     accuracy | p       |
|:-------|--:|-------------:|--------:|
| Adam   | 3 | 88.00 ± 1.00 | –       |
| SGD †  | 3 | **9.50 ± 0.10** | < 0.001 |
| Wide   | 3 | 90.25        | 0.02    |

</details>

## The answer

A second heading of the same title, and {"a long word " * 3}{"x" * 300}.

| {" | ".join(f"column {index}" for index in range(20))} |
|{"---|" * 20}
| {" | ".join("a value of some length" for _ in range(20))} |
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    (folder / "figures").mkdir()
    with mpl.rc_context({"svg.fonttype": "path"}):
        figure = Figure(figsize=(4, 2))
        figure.subplots().plot([1, 2, 3])
        for ending in ("png", "svg"):
            figure.savefig(folder / f"figures/one.{ending}")
    (folder / "report.html").write_text(page(REPORT.replace("CONTENTS", contents(REPORT)), folder))
    shutil.rmtree(folder / "figures")
    return (folder / "report.html").as_uri()


@pytest.fixture
def opened(browser, url):
    browser.set_window_size(1100, 900)
    browser.get(url)
    return browser


def test_it_opens_without_an_error_and_asks_for_nothing(opened):
    assert opened.title == "A study"
    assert opened.get_log("browser") == []
    assert opened.execute_script("return performance.getEntriesByType('resource').map(each => each.name)") == []


def test_every_picture_is_seen(opened):
    sizes = opened.execute_script("return [...document.images].map(image => image.naturalWidth)")
    assert len(sizes) == 1
    assert all(size > 100 for size in sizes)


def test_every_link_has_its_target(opened):
    found = opened.execute_script(
        "return [...document.links].map(link => [link.hash, !!document.getElementById(link.hash.slice(1))])"
    )
    assert found == [["#the-answer", True], ["#the-answer-1", True]]


def test_a_text_of_the_study_is_no_markup(opened):
    assert "document.title = 'hacked'" in opened.find_element("tag name", "main").text
    assert len(opened.find_elements("css selector", "main script")) == 0


def test_verdicts_are_labels(opened):
    labels = opened.find_elements("css selector", "strong.verdict")
    assert [label.text for label in labels] == ["supported", "undecided"]


def test_a_click_on_a_header_sorts_by_number_and_a_second_one_the_other_way(opened):
    opened.find_element("css selector", "summary").click()
    header = opened.find_elements("css selector", "table th button")[2]
    rows = "return [...document.querySelector('table').tBodies[0].rows].map(row => row.cells[0].textContent)"
    assert opened.execute_script(rows) == ["Adam", "SGD †", "Wide"]
    header.click()
    assert opened.execute_script(rows) == ["SGD †", "Adam", "Wide"]
    header.click()
    assert opened.execute_script(rows) == ["Wide", "Adam", "SGD †"]


@pytest.mark.parametrize("width", [390, 1400])  # of a phone and of a desktop; no window is as narrow as a phone
def test_no_width_makes_the_page_wider_than_the_screen(opened, width):
    screen = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    page_width = opened.execute_script("return document.documentElement.scrollWidth")
    tables = [int(table.get_property("scrollWidth")) for table in opened.find_elements("css selector", ".table")]
    opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert page_width <= width < max(tables)


def test_it_is_dark_where_the_reader_wants_it_dark(opened):
    background = "return getComputedStyle(document.body).backgroundColor"
    light = opened.execute_script(background)
    opened.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    )
    dark = opened.execute_script(background)
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert (light, dark) == ("rgb(255, 255, 255)", "rgb(13, 17, 23)")
