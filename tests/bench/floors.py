"""What the machine itself can do: nobody's round trip can be below these."""

from __future__ import annotations

import mmap
import os
import queue
import socket
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy

from .plan import Plan
from .samples import emit, reported, times_ms

WHO = "floor"


def _echo_forever(end: socket.socket) -> None:
    while data := end.recv(64):
        end.sendall(data)


def _forked_echoes(ranks: int) -> tuple[list[socket.socket], list[int]]:
    """Fork ``ranks`` processes that send back whatever comes through their socket."""
    ends: list[socket.socket] = []
    pids: list[int] = []
    for _ in range(ranks):
        near, far = socket.socketpair()
        pid = os.fork()
        if not pid:
            try:
                near.close()
                for other in ends:
                    other.close()
                _echo_forever(far)
            finally:
                os._exit(0)
        far.close()
        ends.append(near)
        pids.append(pid)
    return ends, pids


def _call_all(ends: list[socket.socket]) -> None:
    for end in ends:
        end.sendall(b"x")
    for end in ends:
        end.recv(64)


def measure_forks(ranks: int, plan: Plan) -> None:
    """Bare forked processes behind socket pairs: to start them all, and to call them all."""
    start = time.perf_counter()
    ends, pids = _forked_echoes(ranks)
    try:
        _call_all(ends)
        emit(f"gang.{ranks}", WHO, [time.perf_counter() - start])
        emit(f"trip.{ranks}", WHO, times_ms(lambda: _call_all(ends), plan.trips))
    finally:
        for end in ends:
            end.close()
        for pid in pids:
            os.waitpid(pid, 0)


def measure_pipe(plan: Plan) -> None:
    """One byte to another process and back, through two pipes."""
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.close(to_write)
            while byte := os.read(to_read, 1):
                os.write(from_write, byte)
        finally:
            os._exit(0)
    os.close(to_read)

    def ping() -> None:
        os.write(to_write, b"x")
        os.read(from_read, 1)

    emit("floor.pipe", WHO, times_ms(ping, plan.trips * 4))
    os.close(to_write)
    os.waitpid(pid, 0)


def _serve_echo(address: str, ready: int) -> None:
    """Serve one bidirectional stream that sends back what comes."""
    echo = grpc.stream_stream_rpc_method_handler(lambda requests, context: requests)
    handler = grpc.method_handlers_generic_handler("bench.Echo", {"echo": echo})
    server = grpc.server(ThreadPoolExecutor(2), handlers=[handler])
    server.add_insecure_port(address)
    server.start()
    os.write(ready, b"x")
    server.wait_for_termination()


def measure_grpc(plan: Plan) -> None:
    """One message to another process and back, on an open gRPC stream over a unix socket."""
    with tempfile.TemporaryDirectory() as folder:
        address = f"unix:{folder}/echo"
        read, write = os.pipe()
        pid = os.fork()  # before gRPC has made any thread here
        if not pid:
            try:
                _serve_echo(address, write)
            finally:
                os._exit(0)
        os.read(read, 1)
        try:
            with grpc.insecure_channel(address) as channel:
                requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

                def outgoing() -> Iterator[bytes]:
                    while (item := requests.get()) is not None:
                        yield item

                method = channel.stream_stream("/bench.Echo/echo", bytes, bytes)
                replies = iter(method(outgoing()))

                def echo() -> None:
                    requests.put(b"x")
                    next(replies)

                emit("floor.grpc", WHO, times_ms(echo, plan.trips * 2))
                requests.put(None)
        finally:
            os.kill(pid, 9)
            os.waitpid(pid, 0)


def measure_memcpy() -> None:
    """100 MB copied inside one process, between pages that have been touched before."""
    source = numpy.ones(100_000_000, dtype=numpy.uint8)
    target = numpy.zeros_like(source)
    emit("floor.memcpy", WHO, times_ms(lambda: numpy.copyto(target, source), 10, warm=2))


def measure_touch() -> None:
    """100 MB of small pages touched for the first time."""

    def touch() -> None:
        memory = mmap.mmap(-1, 100_000_000, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        memory.madvise(mmap.MADV_NOHUGEPAGE)
        numpy.frombuffer(memory, dtype=numpy.uint8)[:: mmap.PAGESIZE] = 1

    emit("floor.touch", WHO, times_ms(touch, 5, warm=1))


def main() -> None:
    plan = Plan.from_arguments()
    for ranks in (1, 2, *plan.ranks):
        if plan.wants("trip") or plan.wants("start"):
            with reported(f"trip.{ranks}", WHO):
                measure_forks(ranks, plan)
    if plan.wants("floor"):
        with reported("floor.pipe", WHO):
            measure_pipe(plan)
        with reported("floor.grpc", WHO):
            measure_grpc(plan)
        with reported("floor.memcpy", WHO):
            measure_memcpy()
        with reported("floor.touch", WHO):
            measure_touch()


if __name__ == "__main__":
    main()
