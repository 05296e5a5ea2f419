"""The head's values as the wire's messages, and back."""

from __future__ import annotations

from collections.abc import Mapping

from farcell_runtime.events import Driver, Gang, Member, RunRecord, WorkerGone
from farcell_runtime.messages import Shape
from farcell_runtime.metrics import Usage
from farcell_runtime.transport import farcell_pb2 as pb


def shape_of(request: pb.GangRequest) -> Shape:
    return Shape(ranks=request.ranks or 1, gpus=request.gpus, cpus=request.cpus, name=request.name)


def request_of(shape: Shape) -> pb.GangRequest:
    return pb.GangRequest(name=shape.name, ranks=shape.ranks, gpus=shape.gpus, cpus=shape.cpus)


def driver_message(driver: Driver | None) -> pb.Driver | None:
    if driver is None:
        return None
    return pb.Driver(
        name=driver.name,
        pid=driver.pid,
        started=driver.started,
        notebook=driver.notebook,
        since_s=driver.since_s,
    )


def driver_of(key: str, message: pb.Driver, since_s: float) -> Driver:
    return Driver(key, message.name, message.pid, message.started, message.notebook, since_s)


def gang_message(gang: Gang, usages: Mapping[int, Usage] | None = None) -> pb.Gang:
    """The gang with its ranks, or, while those before them end, with these."""
    members = gang.members or gang.leaving
    return pb.Gang(
        name=gang.name,
        epoch=gang.epoch,
        state=gang.state,
        shape=request_of(gang.shape),
        members=[_member_message(each, (usages or {}).get(each.pid)) for each in members],
    )


def _member_message(member: Member, usage: Usage | None) -> pb.Member:
    return pb.Member(
        rank=member.spec.rank,
        worker=member.worker,
        address=member.spec.address,
        pid=member.pid,
        host=member.seat.host,
        state=member.state,
        log_folder=member.spec.log_folder,
        gpu_uuids=member.spec.gpu_uuids,
        cpu_percent=usage.cpu_percent if usage else 0.0,
        memory_bytes=usage.memory_bytes if usage else 0,
    )


def exit_message(gone: WorkerGone) -> pb.WorkerExit:
    return pb.WorkerExit(
        gang=gone.member.spec.gang,
        rank=gone.member.spec.rank,
        worker=gone.member.worker,
        epoch=gone.member.spec.epoch,
        exit_code=gone.exited.exit_code,
        signal=gone.exited.signal,
        out_of_memory=gone.exited.out_of_memory,
        expected=gone.expected,
        last_run=gone.last_run,
        peak_memory_bytes=gone.exited.peak_memory_bytes,
    )


def record_of(report: pb.RunReport) -> RunRecord:
    return RunRecord(
        run=report.run,
        gang=report.gang,
        state=report.state,
        label=report.label,
        started_at_s=report.started_at_s,
        ended_at_s=report.ended_at_s,
        cell_id=report.cell_id,
        number=report.number,
        name=report.name,
        logs=tuple(report.logs),
        workers=tuple(report.workers),
    )


def report_message(record: RunRecord) -> pb.RunReport:
    return pb.RunReport(
        run=record.run,
        gang=record.gang,
        state=record.state,
        label=record.label,
        started_at_s=record.started_at_s,
        ended_at_s=record.ended_at_s,
        cell_id=record.cell_id,
        number=record.number,
        name=record.name,
        logs=record.logs,
        workers=record.workers,
    )
