"""Memory of other processes, from Linux's own accounts.

Only the standard library is imported here: this runs under the peers' interpreter too.
"""

from __future__ import annotations

from pathlib import Path


def unshared_mb(pid: int) -> float:
    """Memory that only process ``pid`` holds (its USS), in MB: what its end would give back."""
    kilobytes = 0
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in ("Private_Clean", "Private_Dirty", "Private_Hugetlb"):
            kilobytes += int(rest.split()[0])
    return kilobytes * 1024 / 1e6


def proportional_mb(pid: int) -> float:
    """Memory of process ``pid``, what it shares divided by how many share it (its PSS), in MB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise LookupError(f"the system does not tell of the memory of {pid}")


def parent(pid: int) -> int:
    """The id of the process that ``pid`` was forked from, or of who adopted it."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])


def descendants(pid: int) -> list[int]:
    """The ids of all processes below ``pid``, in no order."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parents[int(folder.name)] = parent(int(folder.name))
            except OSError:
                continue
    found: list[int] = []
    layer = [pid]
    while layer:
        layer = [child for child, above in parents.items() if above in layer]
        found += layer
    return found
