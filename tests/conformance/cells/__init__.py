"""Cells as data: each is run at home and remotely, and must look the same in both places.

A cell that begins with ``#here`` is run in the notebook's kernel in both cases; all others stand
under ``%%remote`` in one of them.
"""

from __future__ import annotations

from tests.conformance.cells.awaits import AWAITS, WARNINGS
from tests.conformance.cells.case import Case
from tests.conformance.cells.displays import DISPLAYS
from tests.conformance.cells.errors import ERRORS
from tests.conformance.cells.magics import MAGICS
from tests.conformance.cells.names_of_code import NAMES_OF_CODE
from tests.conformance.cells.names_of_values import NAMES_OF_VALUES
from tests.conformance.cells.reads import READS
from tests.conformance.cells.results import RESULTS
from tests.conformance.cells.streams import STREAMS

GROUPS: dict[str, list[Case]] = {
    "results": RESULTS,
    "streams": STREAMS,
    "displays": DISPLAYS,
    "magics": MAGICS,
    "awaits": AWAITS,
    "warnings": WARNINGS,
    "errors": ERRORS,
    "names": [*NAMES_OF_CODE, *NAMES_OF_VALUES, *READS],
}
