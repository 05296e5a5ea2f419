"""The line under a cell that says what moved, in the page."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.lab import WIDE, Lab

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LOAD = "%load_ext farcell\n%farcell receipts on"
MAKE = "\n".join(f"a_name_of_{word} = 'x' * 9000" for word in ("one", "two", "three", "four"))
READ = (
    "%%remote\nprint('said')\nlen(a_name_of_one + a_name_of_two + a_name_of_three + a_name_of_four)"
)


def test_it_is_a_dim_line_that_fits(lab: Lab) -> None:
    notebook = lab.open(lab.server.write("receipt.ipynb", [LOAD, MAKE, READ]))
    for index in range(3):
        notebook.run(index)
    line = notebook.cell(2).locator(".jp-OutputArea-output [title*='receipts off']")
    expect(line).to_contain_text("a_name_of_one 9.0 kB")
    assert line.bounding_box()["height"] < 30, "one line"  # type: ignore[index]
    dim = "line => [line, document.body].map(each => getComputedStyle(each).color)"
    assert len(set(line.evaluate(dim))) == 2, "not the colour of the page's text"
    width, height = WIDE
    lab.page.set_viewport_size({"width": width // 2, "height": height})
    try:
        assert line.evaluate("line => line.scrollWidth <= line.clientWidth"), "it fits"
        assert line.bounding_box()["height"] > 30, "several lines"  # type: ignore[index]
        assert "a_name_of_one\xa09.0\xa0kB" in line.inner_text(), "broken between names"
    finally:
        lab.page.set_viewport_size({"width": width, "height": height})
