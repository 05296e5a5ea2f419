"""In words: what a cell sends and why."""

from __future__ import annotations

from farcell.shipment import Shipment
from farcell_runtime.sizes import size_text


def dry_run(gang: str, shipment: Shipment) -> str:
    """What ``shipment`` would send to ``gang``, a line each."""
    lines = [f"to gang {gang}:"]
    for name, size in sorted(shipment.sizes.items(), key=lambda item: -item[1]):
        why = f"  ({shipment.why[name]})" if shipment.why.get(name) else ""
        lines.append(f"  → {name}  {size_text(size)}{why}")
    if shipment.unchanged:
        lines.append(f"  there already: {', '.join(shipment.unchanged)}")
    if len(lines) == 1:
        lines.append("  nothing")
    return "\n".join(lines)
