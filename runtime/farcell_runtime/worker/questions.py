"""What a driver asks about a worker's namespace, and is told without a cell being run."""

from __future__ import annotations

import json
from collections.abc import Iterable

from farcell_runtime import codec, packages
from farcell_runtime.executor.form import form_of
from farcell_runtime.executor.shell import WorkerShell
from farcell_runtime.footprint import footprints
from farcell_runtime.transport import farcell_pb2 as pb
from farcell_runtime.values import Values


def answer_to(
    request: pb.Inspect, shell: WorkerShell, values: Values, names: Iterable[str]
) -> object:
    """The answer, which JSON can express.

    Args:
        names: those that cells have bound.
    """
    match request.kind:
        case "complete":
            text, matches = shell.complete(request.text, request.text, request.cursor)
            return {"text": text, "matches": matches}
        case "tooltip":
            return shell.tooltip(*json.loads(request.text))
        case "forms":
            found = {name: codec.home().get(name) for name in json.loads(request.text)}
            return {name: form for name, value in found.items() if (form := form_of(value))}
        case "inspection":
            return shell.inspection(*json.loads(request.text))
        case "packages":
            return packages.versions()
        case "differing":
            return values.differing(json.loads(request.text))
        case "digests":
            return values.digests(json.loads(request.text))
        case "footprints":
            return footprints({name: codec.home()[name] for name in names})
        case _:
            return list(names)
