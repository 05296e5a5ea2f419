"""The drivers connected to a worker, read on its main thread, or by whoever waits for an answer."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable

from farcell_runtime.transport import farcell_pb2 as pb
from farcell_runtime.transport.door import Door
from farcell_runtime.transport.link import Link
from farcell_runtime.transport.payload import Arrivals

Driver = Link[pb.ToWorker]


class Drivers:
    """Accepts drivers and hands over what they say.

    While a cell computes, nothing is read, and the drivers' messages wait in their sockets. A cell
    that waits for an answer reads by itself: see ``read``.
    """

    def __init__(
        self,
        door: Door,
        loop: asyncio.AbstractEventLoop,
        *,
        hello: Callable[[], pb.Hello],
        receive: Callable[[pb.ToWorker, Driver], None],
        gone: Callable[[Driver], None],
    ) -> None:
        """``receive`` and ``gone`` are called on the thread that reads."""
        self._door = door
        self._loop = loop
        self._hello = hello
        self._receive = receive
        self._gone = gone
        self._arrivals: dict[Driver, Arrivals] = {}
        self._known: set[Driver] = set()
        self._handed_over: weakref.WeakSet[Driver] = weakref.WeakSet()
        self._tenures: weakref.WeakKeyDictionary[Driver, int] = weakref.WeakKeyDictionary()
        self._reading = threading.Lock()
        loop.add_reader(door, self._accept)

    def arrivals(self, driver: Driver) -> Arrivals:
        """The segments that came from ``driver``."""
        return self._arrivals.setdefault(driver, Arrivals())

    def is_outlived(self, driver: Driver) -> bool:
        """Whether a driver of a later tenure has come since."""
        return self._tenures[driver] < self._door.tenure

    def read(self, driver: Driver) -> None:
        """Take what ``driver`` has sent, if anything."""
        with self._reading:
            for message in driver.read():
                if message.HasField("execute"):
                    self.arrivals(driver).note(message.execute.names, driver.descriptors)
                self._receive(message, driver)
        if not driver.open:
            self._part(driver)

    def hand_over(self, driver: Driver) -> None:
        """Another thread reads what ``driver`` says from now on, and closes it."""
        self._loop.remove_reader(driver)
        self._known.discard(driver)
        self._handed_over.add(driver)

    def _accept(self) -> None:
        before = self._door.tenure
        driver = self._door.accept()
        if driver is None:
            return
        if self._door.tenure > before:
            for outlived in list(self._known):
                self._part(outlived)
            for outlived in list(self._handed_over):
                outlived.hang_up()  # the thread that reads there closes it
        self._known.add(driver)
        self._tenures[driver] = self._door.tenure
        driver.send(pb.FromWorker(hello=self._hello()))
        self._loop.add_reader(driver, self.read, driver)

    def _part(self, driver: Driver) -> None:
        self._known.discard(driver)
        self._loop.remove_reader(driver)
        driver.close()
        if (arrivals := self._arrivals.pop(driver, None)) is not None:
            arrivals.close()
        self._gone(driver)
