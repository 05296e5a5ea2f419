"""In words: what a cell sends and why."""

from __future__ import annotations

from farcell.shipment import Shipment

_UNITS = ("B", "kB", "MB", "GB", "TB")


def size_text(count_bytes: float) -> str:
    """``28 B``, ``2.0 kB``, ``1.2 GB``."""
    for unit in _UNITS[:-1]:
        if count_bytes < 1000:
            return f"{count_bytes:.0f} B" if unit == "B" else f"{count_bytes:.1f} {unit}"
        count_bytes /= 1000
    return f"{count_bytes:.1f} {_UNITS[-1]}"


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
