"""What is written to standard output and standard error, whoever writes it."""

from __future__ import annotations

from tests.conformance.cells.case import case

STREAMS = [
    case("print", "print('one', 'two', sep='-')", shows="one-two", every_engine=True),
    case("standard error", "import sys\nprint('wrong', file=sys.stderr)", shows="wrong"),
    case("no line end", "print('abc', end='')", shows="abc"),
    case("unicode", "print('grüße 🎈 ∑ 日本')", shows="日本"),
    case(
        "half of a surrogate pair",
        "print('a\\ud800b')\nprint('after')",
        prints="a\\ud800b\nafter\n",
    ),
    case("colours", "print('\\x1b[31mred\\x1b[0m')", shows="red"),
    case(
        "the stream's own methods",
        "import sys\nsys.stdout.write('w')\nsys.stdout.flush()\nsys.stdout.writelines(['x', 'y'])",
        shows="wxy",
    ),
    case(
        "bytes below the stream",
        "import sys\nsys.stdout.flush()\n"
        "sys.stdout.buffer.write(b'raw bytes')\nsys.stdout.flush();",
        prints="raw bytes",
    ),
    case(
        "descriptor 1",
        "import os\nos.write(1, b'by descriptor\\n');",
        prints="by descriptor\n",
        every_engine=True,
    ),
    case("descriptor 2", "import os\nos.write(2, b'by descriptor\\n');", prints="by descriptor\n"),
    case(
        "a subprocess",
        "import subprocess\nsubprocess.run(['echo', 'from a child']).returncode",
        prints="from a child\n",
        every_engine=True,
    ),
    case(
        "a subprocess's standard error",
        "import subprocess\nsubprocess.run('echo oh >&2', shell=True).returncode",
        prints="oh\n",
    ),
    case("os.system", "import os\nos.system('echo by the shell')", prints="by the shell\n"),
    case(
        "a captured subprocess",
        "import subprocess\nsubprocess.run(['echo', 'caught'], "
        "capture_output=True, text=True).stdout",
        shows="caught",
    ),
    case(
        "C's printf",
        "import ctypes\nlibc = ctypes.CDLL(None)\n"
        "printed = libc.printf(b'from C %d\\n', 7)\nlibc.fflush(None);",
        prints="from C 7\n",
        every_engine=True,
    ),
    case(
        "C's write",
        "import ctypes\nctypes.CDLL(None).write(1, b'written\\n', 8);",
        prints="written\n",
    ),
    case(
        "a thread",
        "import threading\n"
        "t = threading.Thread(target=print, args=('from a thread',))\nt.start(); t.join()",
        shows="from a thread",
        every_engine=True,
    ),
    case(
        "a thread pool",
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(2) as pool: print(sorted(pool.map(str, range(4))))",
        shows="'3'",
    ),
    case(
        "multiprocessing, forked",
        "import multiprocessing as mp\n"
        "p = mp.get_context('fork').Process(target=print, args=('forked',), "
        "kwargs={'flush': True})\np.start(); p.join(); p.exitcode",
        prints="forked\n",
    ),
    case(
        "logging",
        "import logging\nlogging.getLogger('mine').warning('take %s', 'care')",
        shows="take care",
    ),
    case(
        "redirect_stdout",
        "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO())"
        " as f: print('hidden')\nprint(repr(f.getvalue()))",
        shows="'hidden",
    ),
    case(
        "a stream that is replaced",
        "import io, sys\nold, sys.stdout = sys.stdout, io.StringIO()\n"
        "print('away')\nsys.stdout = old\nprint('back')",
        shows="back",
    ),
    case(
        "a progress bar of carriage returns",
        "for i in range(101): print(f'\\r{i}%', end='')\nprint()",
        shows="100%",
    ),
    case(
        "tqdm",
        "from tqdm import tqdm\nfor _ in tqdm(range(3), bar_format='{n}/{total}'): pass",
        shows="3/3",
        needs="tqdm",
    ),
    case("a megabyte at once", "print('x' * 1_000_000)", shows="xxx"),
    case("20,000 lines", "for i in range(20_000): print(i)", shows="19999"),
    case("isatty", "import sys\nsys.stdout.isatty(), sys.stderr.isatty()", shows="False"),
]
