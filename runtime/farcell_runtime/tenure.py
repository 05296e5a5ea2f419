"""Which driver has the session. Pure, like the state that it is a part of.

A driver keeps the directory of names, and two directories of one namespace would each be wrong: so
a session has one driver at a time.
"""

from __future__ import annotations

from farcell_runtime.errors import SessionHeld
from farcell_runtime.events import (
    Admit,
    Command,
    Driver,
    DriverDetached,
    NoteDriver,
    Oust,
    Reply,
)


class Tenure:
    """The driver that there is, and how many there were by now.

    Attributes:
        number: of the latest tenure; each driver has the next one.
        idle_since: when the last driver went, or the session began.
    """

    def __init__(self, now: float) -> None:
        self.driver: Driver | None = None
        self.number = 0
        self.idle_since = now

    def attach(self, driver: Driver, take: bool, request: str) -> list[Command]:
        """Let ``driver`` have the session.

        Raises:
            SessionHeld: if another has it, and is not to lose it.
        """
        before, commands = self.driver, list[Command]()
        if before is not None:
            if not take:
                raise SessionHeld(
                    f"the session is driven by process {before.pid}",
                    hint="%cluster attach NAME --take takes it over",
                )
            commands.append(Oust(before.key, driver))
        self.driver = driver
        self.number += 1
        # Written down before it is told: whoever looks then must find it.
        commands += [NoteDriver(driver), Admit(driver.key, self.number)]
        return [*commands, *([Reply(request)] if request else [])]

    def detach(self, gone: DriverDetached, now: float) -> list[Command]:
        """That driver is gone, if it had the session still."""
        answer: list[Command] = [Reply(gone.request)] if gone.request else []
        if self.driver is None or self.driver.key != gone.driver:
            return answer
        before, self.driver = self.driver, None
        self.idle_since = now
        return [NoteDriver(before, gone.left), *answer]
