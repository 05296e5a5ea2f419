"""``input()`` and ``getpass()`` of a remote cell: asked in the notebook."""

from __future__ import annotations

import builtins
import getpass
import sys
from collections.abc import Callable
from queue import SimpleQueue

from IPython.core.error import StdinNotImplementedError


class Prompt:
    """Asks the person at the notebook, through whoever ``ask`` sends the question to."""

    def __init__(self, ask: Callable[[str, bool], bool], listen: Callable[[], None]) -> None:
        """Ask by way of ``ask``.

        Args:
            ask: ``ask(prompt, password)`` sends the question, and says whether anybody is there.
            listen: waits a moment for what the notebook says, and hands it to ``answer``.
        """
        self._ask = ask
        self._listen = listen
        self._answers: SimpleQueue[str | BaseException] = SimpleQueue()

    def install(self) -> None:
        builtins.input = self.input
        getpass.getpass = self.getpass

    def answer(self, text: str, *, refused: str = "", interrupted: bool = False) -> None:
        """Hand over what the notebook replied; from any thread."""
        if refused:
            self._answers.put(StdinNotImplementedError(refused))
        elif interrupted:
            self._answers.put(KeyboardInterrupt())
        else:
            self._answers.put(text)

    def lost(self) -> None:
        """The notebook that was asked is gone."""
        self._answers.put(
            StdinNotImplementedError("the notebook that was asked for input has gone away")
        )

    def input(self, prompt: object = "", /) -> str:
        """Read a line from the person at the notebook."""
        return self._question(str(prompt), password=False)

    def getpass(self, prompt: str = "Password: ", stream: object = None, **kwargs: object) -> str:
        """Read a line from the person at the notebook without showing it."""
        return self._question(prompt, password=True)

    def _question(self, prompt: str, *, password: bool) -> str:
        sys.stdout.flush()
        while not self._answers.empty():
            self._answers.get()  # an answer to a question that was interrupted
        if not self._ask(prompt, password):
            raise StdinNotImplementedError("nobody can be asked for input here")
        while self._answers.empty():
            self._listen()
        answer = self._answers.get()
        if isinstance(answer, BaseException):
            raise answer
        return answer
