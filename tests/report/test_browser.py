"""The page in a real browser, at the width of a desk and of a telephone."""

import base64
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

from spinodal.records import RecordWriter
from spinodal.report import make_report
from spinodal.report.argument import make_argument

Rows = Callable[..., list[dict[str, Any]]]

WIDTHS = (1280, 400)

OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def program(variable: str, *names: str) -> str:
    """A browser that is not there is no reason to look away."""
    named = os.environ.get(variable)
    found = shutil.which(named) if named else next(filter(None, map(shutil.which, names)), None)
    assert found, f"no {' or '.join(names)}: ./launch/browser.sh installs it, or set {variable}"
    return found


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    options = ChromeOptions()
    options.binary_location = program("CHROMIUM", "chromium", "chromium-browser", "google-chrome")
    for option in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with Chrome(options, ChromeService(program("CHROMEDRIVER", "chromedriver"))) as driver:
        yield driver


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, rows: Rows, measured: Rows) -> Path:
    """Of a campaign that has something for every section, and is not finished; alone in a folder."""
    records = tmp_path_factory.mktemp("page") / "made" / "records"
    descending = np.geomspace(0.4, 0.005, 30)
    unfinished = rows(0, activation="tanh", job="c", width=123456, strengths=[1.0, 0.6])[:20]
    for row in unfinished[8:11]:
        row["stationary"] = False
    trajectories = (
        [*measured(0, strengths=[1.0], job="a"), *measured(1, strengths=[1.0], job="a")],
        rows(0, strengths=[1.0, 0.6], job="b"),
        rows(0, strengths=[1.0, 0.6], branch="down", l2=descending, shift=0.3, job="b"),
        unfinished,
    )
    for name, trajectory in zip("abbc", trajectories, strict=True):
        RecordWriter(records / f"{name}.parquet").append(trajectory)
        (records / f"{name}.yaml").write_text("data: {}\n")
    (records / "silent.yaml").write_text("data: {}\n")
    launch = records.parent / "jobs" / "2026-11-25_03-02-32.326319" / ".hydra"
    launch.mkdir(parents=True)
    (launch / "overrides.yaml").write_text("- experiment=complexity\n- seed=[0,1]\n")
    made = make_report(records.parent).page
    return Path(shutil.copy(made, tmp_path_factory.mktemp("alone")))


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory, rows: Rows, measured: Rows) -> Path:
    """The page on two campaigns."""
    folder = tmp_path_factory.mktemp("verdicts")
    campaigns = {"order": [rows(0, depth=2), rows(1, depth=3, shift=0.8)], "curvature": [measured(0)]}
    for name, trajectories in campaigns.items():
        for number, trajectory in enumerate(trajectories):
            RecordWriter(folder / name / "records" / f"{number}.parquet").append(trajectory)
    argument = make_argument(folder)
    return argument.page


def show(chrome: Chrome, page: Path, width: int) -> Chrome:
    chrome.get_log("browser")
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 800}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    chrome.get(page.as_uri())
    return chrome


@pytest.fixture(scope="module", params=WIDTHS, ids="{} px".format)
def opened(request: pytest.FixtureRequest, chrome: Chrome, page: Path) -> Chrome:
    return show(chrome, page, request.param)


def test_nothing_goes_wrong_and_nothing_is_fetched(opened: Chrome) -> None:
    assert opened.get_log("browser") == []
    fetched = opened.execute_script(
        "return performance.getEntriesByType('resource').map(each => each.name)"
        ".filter(name => !name.startsWith('data:'))"
    )
    assert fetched == []


def test_every_figure_is_seen(opened: Chrome) -> None:
    figures = opened.execute_script(
        "return [...document.images].map(image => {"
        "  const box = image.getBoundingClientRect();"
        "  return [image.complete && image.naturalWidth, box.width, box.height, image.checkVisibility(), image.alt]"
        "})"
    )
    # Branches of three networks, the loop of one, R of one, what foresees its jump, and one phase diagram.
    assert len(figures) == 7
    for natural, width, height, visible, alt in figures:
        assert natural >= 2 * width or natural >= 1000
        assert width >= 300
        assert height >= 250
        assert visible
        assert len(alt) > 40


def test_only_what_is_wide_scrolls_and_only_by_itself(opened: Chrome) -> None:
    width = opened.execute_script("return innerWidth")
    assert width in WIDTHS
    assert opened.execute_script("return document.documentElement.scrollWidth") <= width
    beyond = opened.execute_script(
        "return [...document.querySelectorAll('body *')]"
        ".filter(each => each.getBoundingClientRect().right > innerWidth + 0.5)"
        ".filter(each => !each.closest('.scroll') && !each.closest('pre')).map(each => each.outerHTML.slice(0, 99))"
    )
    assert beyond == []
    tables = opened.execute_script(
        "return [...document.querySelectorAll('.scroll')]"
        ".map(each => [getComputedStyle(each).overflowX, each.tabIndex, each.clientWidth])"
    )
    assert len(tables) >= 6
    for overflow, focusable, space in tables:
        assert overflow == "auto"
        assert focusable == 0
        assert 300 < space <= width


def test_links_lead_somewhere(opened: Chrome) -> None:
    links = opened.execute_script("return [...document.links].map(link => link.getAttribute('href'))")
    sections = [
        "run",
        "phases",
        "branches",
        "hysteresis",
        "curvature",
        "foresight",
        "comparison",
        "open",
        "commands",
    ]
    assert links == [f"#{section}" for section in sections]
    for section in sections:
        opened.execute_script(f"document.querySelector('nav a[href=\"#{section}\"]').click()")
        hidden = opened.execute_script(
            "const nav = document.querySelector('nav');"
            "const below = getComputedStyle(nav).position === 'sticky' ? nav.getBoundingClientRect().bottom : 0;"
            f"const top = document.querySelector('#{section} h2').getBoundingClientRect().top;"
            "return top < below - 1 || top > innerHeight"
        )
        assert not hidden


def test_it_can_be_read(opened: Chrome) -> None:
    """Letters of a size to read, dark on light, and no two things on top of each other."""
    sizes = opened.execute_script(
        "return [...document.querySelectorAll('p, td, th, figcaption, code, dd, a')]"
        ".filter(each => each.checkVisibility()).map(each => parseFloat(getComputedStyle(each).fontSize))"
    )
    assert min(sizes) >= 11.5
    lines = opened.execute_script(
        "return [...document.querySelectorAll('main p')].map(each => each.getBoundingClientRect().width)"
    )
    assert max(lines) <= 46 * 16
    overlaps = opened.execute_script(
        "const boxes = [...document.querySelectorAll('main figure, main .scroll')]"
        ".filter(each => !each.parentElement.closest('figure'))"
        ".map(each => each.getBoundingClientRect());"
        "return boxes.flatMap((a, i) => boxes.slice(i + 1).filter(b => a.left < b.right - 1 && b.left < a.right - 1"
        "  && a.top < b.bottom - 1 && b.top < a.bottom - 1)).length"
    )
    assert overlaps == 0


def test_it_prints(opened: Chrome) -> None:
    printed = base64.b64decode(opened.execute_cdp_cmd("Page.printToPDF", {})["data"])
    assert printed.startswith(b"%PDF")
    assert len(printed) > 100_000


@pytest.mark.parametrize("width", WIDTHS)
def test_verdicts_are_read_without_scrolling_and_lead_to_their_figures(
    chrome: Chrome, verdicts: Path, width: int
) -> None:
    opened = show(chrome, verdicts, width)
    assert opened.get_log("browser") == []
    assert opened.execute_script("return document.documentElement.scrollWidth") <= width
    table = "document.querySelector('#verdicts table')"
    assert opened.execute_script(
        f"const box = {table}.parentElement; return box.scrollWidth <= box.clientWidth + 1"
    )
    links = opened.execute_script(f"return [...{table}.querySelectorAll('td a')].map(each => each.hash)")
    assert len(links) >= 5
    for link in links:
        assert opened.execute_script(f"return document.getElementById('{link[1:]}').tagName") == "FIGURE"
    seen = opened.execute_script(
        f"return [...{table}.querySelectorAll('td:nth-child(4)')].map(each => each.textContent)"
    )
    assert {"confirmed", "not confirmed", "not decided"} == set(seen)
    colours = opened.execute_script(
        f"return [...{table}.querySelectorAll('td:nth-child(4)')].map(each => getComputedStyle(each).color)"
    )
    assert len(set(colours)) == 3
