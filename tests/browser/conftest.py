"""One JupyterLab and one page for all tests in a browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.lab import WIDE, Lab, Server, chromium, jupyterlab
from tests.conftest import chromium_path, require_package


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium(chromium_path()) as browser:
        yield browser


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    require_package("jupyterlab")
    with jupyterlab(tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture(scope="package")
def page(browser: Browser, server: Server) -> Iterator[Lab]:
    """The page that all tests use: to load JupyterLab takes longer than to test it."""
    width, height = WIDE
    lab = Lab(server, browser.new_page(viewport={"width": width, "height": height}))
    yield lab
    lab.close()


@pytest.fixture
def lab(page: Lab) -> Iterator[Lab]:
    """JupyterLab with no notebook open, and no kernel running."""
    page.errors.clear()
    yield page
    page.clear()
    assert page.errors == []
