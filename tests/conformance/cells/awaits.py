"""Top-level ``await`` and tasks; warnings."""

from __future__ import annotations

from tests.conformance.cells.case import case

AWAITS = [
    case("top-level await", "import asyncio\nawait asyncio.sleep(0)\n'awaited'", shows="awaited"),
    case(
        "await of a coroutine of an earlier cell",
        "import asyncio\nasync def later(x):\n    await asyncio.sleep(0)\n    return x * 2",
        "await later(21)",
        shows="42",
    ),
    case(
        "async for and async with",
        "async def numbers():\n    for i in range(3): yield i\n"
        "async for i in numbers(): print(i)\n[i async for i in numbers()]",
        shows="[0, 1, 2]",
    ),
    case(
        "gather",
        "import asyncio\nawait asyncio.gather(*(asyncio.sleep(0, i) for i in range(3)))",
        shows="[0, 1, 2]",
    ),
    case(
        "a task that the next cell awaits",
        "import asyncio\ntask = asyncio.create_task(asyncio.sleep(0.05, 'done'))",
        "await task",
        shows="done",
    ),
    case(
        "the running loop", "import asyncio\nasyncio.get_running_loop().is_running()", shows="True"
    ),
    case(
        "an error in an awaited coroutine",
        "async def fail():\n    raise KeyError('in await')",
        "await fail()",
        fails=True,
        shows="in await",
    ),
]

WARNINGS = [
    case("a warning", "import warnings\nwarnings.warn('look here')", shows="look here"),
    case(
        "the same warning twice",
        "import warnings\nfor _ in range(2): warnings.warn('again')",
        shows="again",
    ),
    case(
        "a deprecation in the cell's own code",
        "import warnings\nwarnings.warn('old', DeprecationWarning)",
        shows="old",
    ),
    case("a syntax warning", "x = 1\nx is 1", shows="SyntaxWarning"),
    case(
        "warnings as errors",
        "import warnings\nwith warnings.catch_warnings():\n"
        "    warnings.simplefilter('error')\n    warnings.warn('raised')",
        fails=True,
        shows="raised",
    ),
]
