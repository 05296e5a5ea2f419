"""Magics and shell lines."""

from __future__ import annotations

from tests.conformance.cells.case import case

MAGICS = [
    case("%time", "%time sum(range(10))", shows="45"),
    case("%%time inside", "%%time\nx = 3\nprint('timed')", shows="timed"),
    case("%timeit", "%timeit -n 2 -r 1 sum(range(3))", shows="per loop"),
    case("%%timeit", "%%timeit -n 2 -r 1 base = 3\nbase + 1", shows="per loop"),
    case(
        "%%capture",
        "%%capture caught\nprint('inside')\ndisplay('shown')\n5",
        "print(repr(caught.stdout))\ncaught.show()",
        shows="inside",
    ),
    case("%%bash", "%%bash\necho in bash\necho to stderr >&2", shows="in bash"),
    case(
        "%%writefile and %cat",
        "%%writefile conformance.txt\ncontent",
        "%cat conformance.txt",
        shows="content",
    ),
    case("!shell", "!echo $((20 + 22))", shows="42"),
    case("x = !shell", "lines = !printf 'a\\nb\\n'\nlines", shows="['a', 'b']"),
    case("!shell with a name", "word = 'named'\n!echo {word} $word", shows="named named"),
    case("%env", "%env CONFORMANCE=set", "import os\nos.environ['CONFORMANCE']", shows="set"),
    case(
        "%cd and %pwd",
        "import os\nos.makedirs('inner', exist_ok=True)\n%cd inner",
        "%pwd",
        "%cd ..",
        shows="<folder>",
    ),
    case("%who and %whos", "%reset -f", "alone = 1", "%who int", shows="alone"),
    case(
        "%reset",
        "kept_until_reset = 1",
        "%reset -f",
        "'kept_until_reset' in globals()",
        shows="False",
    ),
    case(
        "%run",
        "with open('script.py', 'w') as f: f.write('print(\"ran\", __name__)\\nfrom_run = 5')"
        "\n%run script.py",
        "from_run",
        shows="5",
    ),
    case("%%script", "%%script cat\nthrough a script", shows="through a script"),
    case("%%html", "%%html\n<u>markup</u>", shows="<u>markup</u>"),
    case("%%latex", "%%latex\n$y$", shows="$y$"),
    case("%precision", "%precision 2\n3.14159", "%precision", shows="<result>"),
    case("%xmode", "%xmode Plain", "1/0", "%xmode Context", shows="Context"),
    case("%alias_magic", "%alias_magic t timeit", shows="Created"),
    case("a magic that does not exist", "%nosuchmagic", fails=True, shows="nosuchmagic"),
    case("a cell magic that does not exist", "%%nosuchmagic\n1", fails=True, shows="nosuchmagic"),
    case("x?", "def documented(a, b=2):\n    'What it says.'\ndocumented?", shows="What it says"),
    case("x??", "def sourced(a):\n    return a + 1\nsourced??", shows="return a + 1"),
    case(
        "a magic that the notebook's user defines",
        "from IPython.core.magic import "
        "register_line_magic\n@register_line_magic\ndef twice(line): return line * 2",
        "%twice ab",
        shows="abab",
    ),
    case("get_ipython", "get_ipython().run_line_magic('time', '1 + 1')", shows="2"),
]
