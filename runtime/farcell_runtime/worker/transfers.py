"""The worker's end of copying files and folders: it takes parts, or gives them."""

from __future__ import annotations

from farcell_runtime.errors import FarcellError
from farcell_runtime.transport import farcell_pb2 as pb
from farcell_runtime.transport.files import Sink, Source, told
from farcell_runtime.worker.drivers import Driver


class Transfers:
    """What is being copied to or from this worker."""

    def __init__(self) -> None:
        self._open: dict[tuple[Driver, str], Source | Sink] = {}

    def handle(self, request: pb.Transfer, driver: Driver) -> None:
        """Take a step, and answer."""
        answer = pb.Transferred(request=request.request)
        try:
            with told(request.path):
                self._step(request, driver, answer)
        except FarcellError as error:
            answer.error, answer.hint = error.message, error.hint
            self._end(driver, request.id)
        driver.send(pb.FromWorker(transferred=answer))

    def driver_gone(self, driver: Driver) -> None:
        """Leave nothing behind of what ``driver`` was copying."""
        for other, name in list(self._open):
            if other is driver:
                self._end(driver, name)

    def _step(self, request: pb.Transfer, driver: Driver, answer: pb.Transferred) -> None:
        key = driver, request.id
        match request.kind, self._open.get(key):
            case "put", None:
                self._open[key] = sink = Sink(request.path, request.name, folder=request.folder)
                answer.path = sink.path
            case "get", None:
                self._open[key] = source = Source(request.path)
                answer.path, answer.folder = source.path, source.folder
                answer.size_bytes = source.size_bytes
            case "part", Sink() as sink:
                sink.take(request.part)
            case "commit", Sink() as sink:
                sink.commit()
                answer.path = sink.path
                del self._open[key]
            case "next", Source() as source:
                answer.part.CopyFrom(source.next())
                if answer.part.kind == "end":
                    self._end(*key)
            case _:
                self._end(*key)

    def _end(self, driver: Driver, name: str) -> None:
        match self._open.pop((driver, name), None):
            case Sink() as sink:
                sink.abort()
            case Source() as source:
                source.close()
