"""When two runs of a cell look the same to the reader of a notebook.

Text, streams, rich output (its kinds, and its text where it is text) and errors are compared, after
what differs between any two runs is made equal: addresses, times, process ids, temporary folders,
generated ids. An order is compared too: what was printed before a figure stays before it.
"""

from __future__ import annotations

import re
from typing import Any

Output = dict[str, Any]

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_NUMBER = r"[-+]?\d+(?:[.,]\d+)*(?:e[-+]?\d+)?"
# A worker may give a cell's source another file name than ipykernel does; its line numbers are the
# notebook's, where the magic's own line counts.
_CELL_FILE = (
    r"(?:(?:/[\w.-]+)*/ipykernel_\d+/\d+\.py|<ipython-input-[\w-]+>|Cell In\s?\[\d+\]|In \[\d+\])"
)
_UNITS = r"(?:ns|[µμu]s|ms|s|sec|secs|seconds?|min|minutes?)"
_REPLACEMENTS = tuple(
    (re.compile(pattern), new)
    for pattern, new in (
        (rf'(File )?"?{_CELL_FILE}"?(?:[:,]\s?(?:line )?\d+)?', "CELL"),
        (r"\b0x[0-9a-fA-F]{5,}\b", "ADDRESS"),
        (r"\b[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\b", "UUID"),
        (r"(?:/private)?/(?:tmp|var/folders)/[\w.+-]+(?:/[\w.+-]+)*", "TEMPORARY"),
        (r"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,?\s+\d{1,2} \w{3} \d{4}\b", "DATE"),
        (r"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]* \w{3} [ \d]\d", "DATE"),
        (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?", "TIME"),
        (r"\b\d\d?:\d\d:\d\d(?:\.\d+)?\b", "TIME"),
        (r"\b\d\d:\d\d<[\d:?]+,\s*[\d.?]+\s?(?:s/)?\w*(?:/s)?", "RATE"),
        # The length of a bar gives way to the length of its rate.
        (r"\|[\d ]*[█▏▎▍▌▋▊▉#][█▏▎▍▌▋▊▉#\d ]*\||\| +\|(?= \d+/\d+ \[)", "|BAR|"),
        (r"CPU times:.*", "CPU TIMES"),
        (r"Wall time:.*", "WALL TIME"),
        (rf"(?:±\s*)?{_NUMBER}\s?{_UNITS}(?: ± {_NUMBER}\s?{_UNITS})? per loop.*", "PER LOOP"),
        (rf"\b{_NUMBER}\s?{_UNITS}\b", "SPAN"),
        (rf"(?i)(\b(?:time|elapsed|took|duration)\w*\s*(?:[:=]|in|of)?\s*){_NUMBER}", r"\1SPAN"),
        (r"\bpid[ =:]+\d+", "PID"),
    )
)
_HTML_REPLACEMENTS = tuple(
    (re.compile(pattern), new)
    for pattern, new in (
        (r'\b(id|for|href|class|aria-\w+|data-\w+)=(["\']).*?\2', r"\1=ID"),
        (r"#[A-Za-z]\w*[-_][\w-]*", "#ID"),
        (r"\b[A-Za-z_]*[0-9a-f]{16,}\b", "ID"),
        (r"\bp\d{4,}\b", "ID"),
    )
)
# Rich output that is text for people, compared as such; of all else only the kind is compared.
_TEXT_KINDS = {"text/plain", "text/latex", "text/markdown"}


def differences(expected: list[Output], got: list[Output]) -> list[str]:
    """The reasons why two lists of outputs (nbformat's) look different; none if they look alike."""
    reasons = []
    for stream in ("stdout", "stderr"):
        before, after = _stream(expected, stream), _stream(got, stream)
        if before != after:
            what = "missing" if not after else "extra" if not before else "text"
            reasons.append(f"{stream}: {what}")
    reasons += _error_differences(expected, got)
    rich, rich_got = _rich(expected), _rich(got)
    if len(rich) != len(rich_got):
        reasons.append("rich: " + ("missing" if len(rich_got) < len(rich) else "extra"))
    else:
        for shown_before, shown_after in zip(rich, rich_got, strict=True):
            reasons += _rich_differences(shown_before, shown_after)
    if not reasons and _order(expected) != _order(got):
        reasons.append("order")
    return list(dict.fromkeys(reasons))


def shown(text: str) -> str:
    r"""What a terminal leaves on the screen: ``\r`` begins the line anew, ``\b`` steps back."""
    lines = []
    for line in _ESCAPES.sub("", text).replace("\r\n", "\n").split("\n"):
        screen: list[str] = []
        column = 0
        for character in line:
            if character == "\r":
                column = 0
            elif character == "\b":
                column = max(0, column - 1)
            else:
                screen[column : column + 1] = [character]
                column += 1
        lines.append("".join(screen).rstrip())
    return "\n".join(lines)


def settled(text: str) -> str:
    """The text without what differs between any two runs."""
    for pattern, new in _REPLACEMENTS:
        text = pattern.sub(new, text)
    return text


def _stream(outputs: list[Output], name: str) -> str:
    text = "".join(o["text"] for o in outputs if o["output_type"] == "stream" and o["name"] == name)
    return settled(shown(text))


def _rich(outputs: list[Output]) -> list[Output]:
    return [o for o in outputs if o["output_type"] in {"display_data", "execute_result"}]


def _rich_differences(before: Output, after: Output) -> list[str]:
    if before["output_type"] != after["output_type"]:
        return [f"rich: {before['output_type']} became {after['output_type']}"]
    if set(before["data"]) != set(after["data"]):
        gone = sorted(set(before["data"]) - set(after["data"]))
        new = sorted(set(after["data"]) - set(before["data"]))
        return [f"rich: kinds -{','.join(gone)} +{','.join(new)}"]
    return [
        f"rich: {kind}"
        for kind in before["data"]
        if _content(kind, before["data"][kind]) != _content(kind, after["data"][kind])
    ]


def _content(kind: str, value: Any) -> str:
    text = "".join(value) if isinstance(value, list) else value
    if kind in _TEXT_KINDS:
        return settled(_ESCAPES.sub("", str(text)))
    if kind == "text/html":
        text = str(text)
        for pattern, new in _HTML_REPLACEMENTS:
            text = pattern.sub(new, text)
        return settled(text)
    return ""


def _error_differences(expected: list[Output], got: list[Output]) -> list[str]:
    errors = [[o for o in outputs if o["output_type"] == "error"] for outputs in (expected, got)]
    before, after = (sides[0] if sides else None for sides in errors)
    if not before and not after:
        return []
    if not after:
        return ["error: missing"]
    if not before:
        return [f"error: extra {after['ename']}"]
    if before["ename"] != after["ename"]:
        return [f"error: {before['ename']} became {after['ename']}"]
    if _value(before) != _value(after):
        return ["error: value"]
    return []


def _value(error: Output) -> str:
    value = settled(_ESCAPES.sub("", error["evalue"]))
    return re.sub(r"\b\d+\.py\b|\bline \d+", "", value)


def _order(outputs: list[Output]) -> list[str]:
    # stdout and stderr are flushed apart, so their order against each other is chance.
    kinds: list[str] = []
    streams: set[str] = set()
    for output in outputs:
        if output["output_type"] == "stream":
            if output["text"]:
                streams.add(output["name"])
            continue
        kinds += [*sorted(streams), output["output_type"]]
        streams = set()
    return kinds + sorted(streams)
