"""The options of the magics: one declaration serves parsing, help, completion and the README."""

from __future__ import annotations

import difflib
import functools
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from farcell_runtime.errors import UsageError
from farcell_runtime.messages import Shape

_OPTION = re.compile(r"--?[^\W\d]")  # a dash before a digit is a minus sign


@dataclass(frozen=True, slots=True)
class Option:
    """One option.

    Attributes:
        flag: as typed, such as ``--ranks``.
        value: what its value is called in help; empty for a switch.
        parse: turns the value's text into the value; raises ``ValueError`` saying what it wants.
    """

    flag: str
    help: str
    value: str = ""
    parse: Callable[[str], Any] = str
    default: Any = None

    @property
    def key(self) -> str:
        return self.flag.lstrip("-").replace("-", "_")


@dataclass(frozen=True, slots=True)
class Command:
    """A command with its options, and the words that may stand behind them.

    Attributes:
        words: what they are called, in the order in which they stand; in brackets what may be
            left out, and with dots behind it what may stand more than once.
    """

    name: str
    help: str
    options: tuple[Option, ...] = ()
    words: str = ""

    @property
    def choices(self) -> list[str]:
        """The words that may stand behind it, where only some may: ``[on|off]``."""
        return self.words.strip("[]").split("|") if "|" in self.words else []

    def parse(self, arguments: Sequence[str]) -> dict[str, Any]:
        """The options' values by key, and under ``words`` the words that are no options.

        Raises:
            UsageError: naming what is wrong, and the nearest valid option.
        """
        values: dict[str, Any] = {option.key: option.default for option in self.options}
        values["words"] = words = []
        by_flag = {option.flag: option for option in self.options}
        waiting = list(arguments)
        while waiting:
            argument = waiting.pop(0)
            if not _OPTION.match(argument):
                words.append(argument)
                continue
            flag, equals, text = argument.partition("=")
            option = by_flag.get(flag)
            if option is None:
                raise UsageError(
                    f"{self.name} has no option {flag}", hint=nearest(flag, [*by_flag, "--help"])
                )
            if not option.value:
                if equals:
                    raise UsageError(f"{flag} takes no value", hint=self.usage())
                values[option.key] = True
                continue
            if not equals:
                if not waiting or waiting[0].startswith("--"):
                    raise UsageError(f"{flag} needs a value: {option.value}", hint=self.usage())
                text = waiting.pop(0)
            try:
                values[option.key] = option.parse(text)
            except ValueError as error:
                raise UsageError(f"{flag} {text}: {error}", hint=self.usage()) from None
        allowed = self.words.split()
        needed = [word for word in allowed if not word.startswith("[")]
        if words and not allowed:
            raise UsageError(f"{self.name} does not take {words[0]!r}", hint=self.usage())
        most = len(words) if self.words.endswith("...") else len(allowed)
        if not len(needed) <= len(words) <= most:
            one = "one " if len(allowed) == 1 and not self.words.endswith("...") else ""
            raise UsageError(f"{self.name} takes {one}{self.words}", hint=self.usage())
        if words and self.choices and words[0] not in self.choices:
            raise UsageError(
                f"{self.name} can't be {words[0]!r}", hint=nearest(words[0], self.choices)
            )
        return values

    def usage(self) -> str:
        """One line."""
        parts = [self.name]
        parts += [f"[{f'{option.flag} {option.value}'.rstrip()}]" for option in self.options]
        if self.words:
            parts.append(self.words)
        return "usage: " + " ".join(parts)

    def text(self) -> str:
        """The whole help."""
        lines = [self.usage(), "", self.help]
        if self.options:
            width = max(len(f"{o.flag} {o.value}") for o in self.options) + 2
            lines += ["", *(f"  {f'{o.flag} {o.value}':<{width}}{o.help}" for o in self.options)]
        return "\n".join(lines)


@functools.lru_cache  # cell after cell has the same line
def _words(line: str) -> tuple[str, ...]:
    return tuple(shlex.split(line))


def split(line: str) -> list[str]:
    """The words of a magic's line, quotes honoured.

    Raises:
        UsageError: for a quote that is not closed.
    """
    try:
        return list(_words(line))
    except ValueError as error:
        raise UsageError(f"can't read {line!r}: {error}", hint="close the quote") from None


def leading_options(line: str, command: Command) -> tuple[list[str], str]:
    """The options at the start of ``line``, and the rest of it as it stands."""
    found: list[str] = []
    rest = line.lstrip()
    while rest.startswith("--"):
        flag, _, rest = rest.partition(" ")
        rest = rest.lstrip()
        found.append(flag)
        takes_value = any(option.flag == flag and option.value for option in command.options)
        if takes_value and rest:
            value, _, rest = rest.partition(" ")
            found.append(value)
            rest = rest.lstrip()
    return found, rest


def nearest(word: str, valid: Sequence[str]) -> str:
    """A hint that names the valid word that is most like ``word``, or all."""
    close = difflib.get_close_matches(word, valid, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]}?"
    return "one of: " + ", ".join(valid)


def count(text: str, least: int = 0) -> int:
    """A whole number, at least ``least``."""
    try:
        number = int(text)
    except ValueError:
        raise ValueError("it must be a whole number") from None
    if number < least:
        raise ValueError(f"it must be at least {least}")
    return number


def at_least_one(text: str) -> int:
    """A whole number from 1 up."""
    return count(text, 1)


def amount(text: str) -> float:
    """A number above 0."""
    try:
        number = float(text)
    except ValueError:
        raise ValueError("it must be a number") from None
    if not 0 < number < float("inf"):
        raise ValueError("it must be above 0")
    return number


def duration(text: str) -> float:
    """Seconds; 0 stands for no end."""
    return 0.0 if text in ("0", "0.0") else amount(text)


def gang_name(text: str) -> str:
    """A name for a gang: a word without spaces, ``=`` or ``/``."""
    if not text or any(c.isspace() or c in "=/" for c in text):
        raise ValueError("a gang's name is one word without '=' and '/'")
    return text


def run_name(text: str) -> str:
    """A name for a background run: a word that is no number."""
    if not text or text.isdigit() or any(c.isspace() for c in text):
        raise ValueError("a run's name is one word, and no number")
    return text


REMOTE = Command(
    "%%remote",
    "Run the cell on the cluster as if it ran here. Without options it runs on the gang `default`\n"
    "of one rank, which keeps its names from cell to cell; the same options mean the same gang.",
    (
        Option("--ranks", "run the cell on N ranks, RANK and WORLD_SIZE set", "N", at_least_one, 1),
        Option("--gpus", "N GPUs in all, divided evenly over the ranks", "N", count, 0),
        Option("--cpus", "reserve N cores in all (none are reserved otherwise)", "N", amount, 0.0),
        Option("--on", "the gang of this name, made when first used", "NAME", gang_name, ""),
        Option("--background", "go on at once; the cell's output goes on appearing in it"),
        Option("--name", "the same, and call the run NAME", "NAME", run_name, ""),
        Option("--timeout", "interrupt the cell after S seconds", "S", amount),
        Option("--dry-run", "say what would be sent, and run nothing"),
        Option("--local", "run the cell here, in the notebook's kernel, to compare"),
        Option("--help", "show this"),
    ),
)

CLUSTER = {
    "status": Command("%cluster status", "Show the cluster: gangs, their ranks, and runs."),
    "start": Command(
        "%cluster start",
        "Start a cluster for this notebook, or attach to the one it has.",
        (
            Option("--engine", "what provides workers: local or ray", "NAME"),
            Option("--workers", "how many workers it may hold at once", "N", at_least_one),
            Option(
                "--idle-stop", "stop after S seconds without a notebook; 0: never", "S", duration
            ),
        ),
    ),
    "attach": Command(
        "%cluster attach",
        "Attach this kernel to a session that is alive, and let go of the one it has, which goes\n"
        "on. The names of its gangs can be read here then. Without a name: list the sessions.",
        (Option("--take", "take it over from the kernel that drives it, be that alive"),),
        "[SESSION]",
    ),
    "detach": Command(
        "%cluster detach",
        "Let go of the cluster: it goes on, with its runs, until %cluster attach comes back to\n"
        "it, or it has been without a kernel for its idle time.",
    ),
    "stop": Command(
        "%cluster stop", "Stop the cluster, or one gang, with all that lives on it.", (), "[GANG]"
    ),
    "restart": Command(
        "%cluster restart",
        "Give a gang fresh workers; its names are lost. Without --on: every gang.",
        (Option("--on", "only the gang of this name", "NAME"),),
    ),
    "scale": Command("%cluster scale", "Let the cluster hold N workers at once.", (), "N"),
    "interrupt": Command(
        "%cluster interrupt",
        "Interrupt what runs, as the stop button does. Without --on: on every gang.",
        (Option("--on", "only on the gang of this name", "NAME"),),
    ),
    "names": Command(
        "%cluster names",
        "Show the names that notebook and gangs share: type, size, and who has the newest.",
        (Option("--on", "only those whose newest value the gang of this name has", "NAME"),),
    ),
    "free": Command(
        "%cluster free",
        "Delete names on the gangs that hold them, and give back their memory; what the notebook\n"
        "holds too it keeps. (%cluster restart frees all names of a gang.)",
        (Option("--on", "only on the gang of this name", "NAME"),),
        "NAME...",
    ),
    "runs": Command(
        "%cluster runs", "Show the background runs: what they are, where, and how far they got."
    ),
    "cancel": Command(
        "%cluster cancel", "Interrupt a background run, by its number or name.", (), "RUN"
    ),
    "keep": Command(
        "%cluster keep",
        "Have NAME be what that run has made of it, where it was changed elsewhere meanwhile.",
        (),
        "RUN NAME",
    ),
    "recover": Command(
        "%cluster recover",
        "After a worker was lost: show which cells make again what it had, and what can't be had\n"
        "again and why; ask, and run just those, in their order. Without NAME: all that was lost.",
        (
            Option("--yes", "don't ask"),
            Option("--dry-run", "don't ask, and run nothing"),
        ),
        "[NAME]...",
    ),
    "put": Command(
        "%cluster put",
        "Copy a file or folder to the machines of a gang's workers: to DEST, or to the same path\n"
        "(of one that begins with /: to its last part, in the workers' folder).",
        (Option("--on", "the gang of this name; without it the gang `default`", "NAME"),),
        "PATH [DEST]",
    ),
    "get": Command(
        "%cluster get",
        "Copy a file or folder from a worker's machine: to DEST, or to the same path (of one that\n"
        "begins with /: to its last part, here).",
        (
            Option("--on", "the gang of this name; without it the gang `default`", "NAME"),
            Option("--rank", "its rank N; without it rank 0", "N", count, 0),
        ),
        "PATH [DEST]",
    ),
    "logs": Command(
        "%cluster logs",
        "Show what a background run has said, by its number or name, or by the word `last` the\n"
        "latest remote cell; without a word, the ends of the latest logs, or the head's own log.",
        (
            Option("--on", "the gang whose workers' logs to show", "NAME"),
            Option("--lines", "the last N lines; of a run all, else 40", "N", at_least_one),
            Option("--head", "show the head's log"),
        ),
        "[RUN]",
    ),
}

FARCELL = {
    "receipts": Command(
        "%farcell receipts",
        "Say under each cell what moved for it, or no more; without a word: which it is.",
        (),
        "[on|off]",
    ),
    "code": Command(
        "%farcell code",
        "List the versions of the project's code: what each has changed, when, which cells ran at\n"
        "it. `diff OLD NEW` shows what lies between two, `diff` what the latest changed.",
        (),
        "[diff] [OLD] [NEW]",
    ),
    "reload": Command(
        "%farcell reload",
        "When an edited module is taken. auto: at once, but where several ranks are in a cell\n"
        "when that ends, or at farcell.step(). now: at once there too. cell: between cells. off:\n"
        "never.",
        (),
        "[auto|now|cell|off]",
    ),
}


def shape_asked(options: Mapping[str, Any]) -> Shape:
    """The shape of the gang that the options of ``%%remote`` ask for."""
    return Shape(options["ranks"], options["gpus"], options["cpus"], options["on"])


def runs_remotely(cell: str) -> bool:
    """Whether a notebook's cell, as typed, runs elsewhere as a whole."""
    first = cell.lstrip().partition("\n")[0].split()
    return bool(first) and first[0] == "%%remote" and "--local" not in first
