"""A background run on its way to the notebook's names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from farcell.background import BackgroundRun
from farcell.provenance import PastRun
from farcell.run import Run
from farcell.shipment import Shipment


@dataclass(frozen=True, slots=True)
class Started:
    """A background run whose changes the notebook's names don't know yet.

    Attributes:
        versions: those of all names when it began.
        past: it, as the provenance has it.
    """

    background: BackgroundRun
    run: Run
    code: str
    shipment: Shipment
    versions: Mapping[str, int]
    past: PastRun
