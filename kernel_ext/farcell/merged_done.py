"""The last words of a gang's ranks about one cell, as one."""

from __future__ import annotations

from collections.abc import Sequence

from farcell_runtime.transport import farcell_pb2 as pb


def merged(dones: Sequence[pb.Done]) -> pb.Done | None:
    """The word of the first rank that has run the cell, with the names that any rank tells of.

    A name that only some have deleted has changed: others may have it still. None if no rank has
    run the cell.
    """
    ran = [done for done in dones if done.status != "refused"]
    if not ran:
        return None
    first = ran[0]
    if all(each.names == first.names and each.deleted == first.deleted for each in dones):
        return first
    reports: dict[str, pb.NameReport] = {}
    for done in ran:
        for report in done.names:
            known = reports.get(report.name)
            if known is None or (report.bound and not known.bound):
                reports[report.name] = report
    deleted = [frozenset(done.deleted) for done in dones]
    everywhere = frozenset.intersection(*deleted)
    for name in sorted(frozenset.union(*deleted) - everywhere):
        report = pb.NameReport(name=name)
        report.CopyFrom(reports.get(name, report))
        report.bound = True
        reports[name] = report
    whole = pb.Done()
    whole.CopyFrom(first)
    del whole.names[:], whole.deleted[:]
    whole.names.extend(reports.values())
    whole.deleted.extend(sorted(everywhere))
    return whole
