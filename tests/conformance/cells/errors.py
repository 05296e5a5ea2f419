"""Errors and their tracebacks."""

from __future__ import annotations

from tests.conformance.cells.case import case

ERRORS = [
    case(
        "a division by zero",
        "a = 1\nb = 0\na / b",
        fails=True,
        shows="ZeroDivisionError",
        every_engine=True,
    ),
    case(
        "an error inside a function",
        "def inner(x):\n    return x['missing']\n\ndef outer(x):\n    return inner(x)\n\nouter({})",
        fails=True,
        shows="missing",
    ),
    case(
        "an error in a function of an earlier cell",
        "def breaks(n):\n    if n == 0:\n"
        "        raise RuntimeError('at the bottom')\n    breaks(n - 1)",
        "breaks(2)",
        fails=True,
        shows="at the bottom",
    ),
    case(
        "an error in a function of a local cell",
        "#here\ndef local_one():\n    return 1 / 0",
        "local_one()",
        fails=True,
        shows="local_one",
    ),
    case(
        "an error in a module",
        "with open('mod_that_fails.py', 'w') as f:\n"
        "    f.write('def fail():\\n    # a comment\\n    raise LookupError(\"in a module\")\\n')",
        "import mod_that_fails\nmod_that_fails.fail()",
        fails=True,
        shows="in a module",
    ),
    case(
        "an error in the standard library",
        "import json\njson.loads('{')",
        fails=True,
        shows="JSONDecodeError",
    ),
    case(
        "output before an error",
        "print('before')\nraise ValueError('after')",
        fails=True,
        shows="before",
    ),
    case("a name that does not exist", "nowhere_to_be_found", fails=True, shows="NameError"),
    case("a syntax error", "x = 1\nif x\n    pass", fails=True, shows="SyntaxError"),
    case(
        "a syntax error in the middle of a line",
        "print('fine')\nx = (1,\ny = 2",
        fails=True,
        shows="SyntaxError",
    ),
    case("an indentation error", "def f():\nreturn 1", fails=True, shows="IndentationError"),
    case("a tab error", "if True:\n\tx = 1\n        y = 2", fails=True, shows="Error"),
    case("await in a def", "def f():\n    await g()", fails=True, shows="await"),
    case("return outside", "return 1", fails=True, shows="return"),
    case("a syntax error of eval", "eval('1 +')", fails=True, shows="SyntaxError"),
    case("an assertion", "assert 1 == 2, 'not equal'", fails=True, shows="not equal"),
    case(
        "raise from",
        "try:\n    {}['k']\nexcept KeyError as error:\n    raise ValueError('outer') from error",
        fails=True,
        shows="direct cause",
    ),
    case(
        "raise during handling",
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise ValueError('second')",
        fails=True,
        shows="During handling",
    ),
    case(
        "raise from None",
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise ValueError('alone') from None",
        fails=True,
        shows="alone",
    ),
    case(
        "a note",
        "e = ValueError('with a note')\ne.add_note('the note')\nraise e",
        fails=True,
        shows="the note",
    ),
    case(
        "an exception of the notebook's",
        "class Mine(Exception):\n    pass\nraise Mine('own')",
        fails=True,
        shows="Mine",
    ),
    case(
        "an exception of the notebook's with arguments",
        "class Coded(Exception):\n    def __init__(self, code, *, extra):\n"
        "        super().__init__(f'{code} {extra}')\n        self.code = code\n"
        "raise Coded(7, extra='x')",
        fails=True,
        shows="7 x",
    ),
    case(
        "a recursion without end",
        "def down(n): return down(n + 1)\n"
        "try: down(0)\nexcept RecursionError as error: print(error)",
        shows="maximum recursion",
    ),
    case(
        "a keyboard interrupt that is raised",
        "raise KeyboardInterrupt",
        fails=True,
        shows="KeyboardInterrupt",
    ),
    case(
        "a keyboard interrupt with a message",
        "raise KeyboardInterrupt('said')",
        fails=True,
        shows="KeyboardInterrupt",
    ),
    case("stop iteration", "next(iter([]))", fails=True, shows="StopIteration"),
    case(
        "an error in a thread",
        "import threading\nt = threading.Thread(target=lambda: 1 / 0)\n"
        "t.start(); t.join()\nprint('goes on')",
        shows="ZeroDivisionError",
    ),
    case("sys.exit", "import sys\nsys.exit(3)", fails=True, shows="3"),
    case("sys.exit with words", "import sys\nsys.exit('the end')", fails=True, shows="the end"),
    case("raise SystemExit", "raise SystemExit", fails=True, shows="SystemExit"),
    case(
        "the cell after sys.exit", "raise SystemExit(1)", "print('still here')", shows="still here"
    ),
    case("an error in %time", "%time 1/0", fails=True, shows="ZeroDivisionError"),
    case("a failing %%bash", "%%bash\nexit 4", fails=True, shows="CalledProcessError"),
    case("a failing !shell", "!false\nprint(_exit_code)", shows="1"),
    case(
        "traceback.print_exc",
        "import traceback\ntry: 1 / 0\nexcept Exception: traceback.print_exc()",
        shows="ZeroDivisionError",
    ),
    case("numbers of lines behind blank lines", "\n\n\nx = 1\n\n1 / 0", fails=True, shows="6"),
    case(
        "a long cell",
        "\n".join(f"v{i} = {i}" for i in range(40)) + "\nraise OSError('at 41')",
        fails=True,
        shows="at 41",
    ),
    case(
        "an OSError with its number", "open('/no/such/file')", fails=True, shows="FileNotFoundError"
    ),
    case("a unicode error", "b'\\xff'.decode()", fails=True, shows="UnicodeDecodeError"),
]
