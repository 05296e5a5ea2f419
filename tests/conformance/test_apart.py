"""Two notebooks at once: they neither see each other's names nor interrupt each other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conformance.page import Page


@pytest.fixture(scope="module")
def other(opened: Callable[..., Page]) -> Page:
    return opened()


@pytest.mark.every_engine
def test_names_are_a_notebooks_own(page: Page, other: Page) -> None:
    page.good_remote("whose = 'page'")
    other.good_remote("whose = 'other'")
    assert page.good_remote("whose").result == "'page'"
    assert other.value("whose") == "'other'"
    page.good_remote("mine_only = 1")
    assert other.remote("mine_only").error == "NameError"
    assert other.run("mine_only").error == "NameError"


def test_a_stop_hits_its_own_notebook(page: Page, other: Page) -> None:
    there = other.begin_remote("import time\nprint('@go')\ntime.sleep(0.2)\nprint('whole')")
    here = page.begin_remote("import time\nprint('@go')\ntime.sleep(600)")
    other.until_text(there, "@go")
    page.stop_when(here)
    assert here.error == "KeyboardInterrupt"
    assert other.finish(there).stdout == "@go\nwhole\n"


def test_a_death_hits_its_own_notebook(page: Page, other: Page) -> None:
    other.good_remote("survives = 1")
    assert page.remote("import os\nos._exit(1)").error == "WorkerLost"
    assert other.good_remote("survives").result == "1"


def test_a_cluster_that_is_stopped_is_its_own(page: Page, other: Page) -> None:
    other.good_remote("survives_stop = 1")
    page.good("%cluster stop")
    assert other.good_remote("survives_stop").result == "1"
    assert page.good_remote("'started again'").result == "'started again'"


def test_environments_are_apart(page: Page, other: Page) -> None:
    page.good_remote("import os\nos.environ['APART'] = 'page'")
    assert other.good_remote("import os\nos.environ.get('APART')").result is None
