"""Deletions, the reads that no syntax shows, and the state around a cell."""

from __future__ import annotations

from tests.conformance.cells.case import case

READS = [
    case(
        "a deletion there",
        "#here\ndoomed = 1",
        "del doomed",
        "#here\n'doomed' in globals()",
        shows="False",
    ),
    case(
        "a deletion here",
        "#here\ndoomed2 = 1",
        "doomed2",
        "#here\ndel doomed2",
        "'doomed2' in globals()",
        shows="False",
    ),
    case(
        "a deletion, then a read",
        "mortal = 1",
        "del mortal",
        "#here\nmortal",
        fails=True,
        shows="NameError",
    ),
    case(
        "a name of a builtin",
        "#here\nlist_ = list\nsum = lambda x: 'mine'",
        "sum([1])",
        "#here\ndel sum\nsum([1])",
        shows="1",
    ),
    case("a name with an underscore", "#here\n_private = 9", "_private + 1", shows="10"),
    case("a name that only an eval reads", "#here\nhidden_v = 6", "eval('hidden_v')", shows="6"),
    case("a name that a local eval reads", "evaluated = 8", "#here\neval('evaluated')", shows="8"),
    case(
        "a name that globals() reads",
        "#here\nvia_globals = 7",
        "globals()['via_globals']",
        shows="7",
    ),
    case(
        "a name that local globals() reads",
        "back_via = 5",
        "#here\nglobals().get('back_via')",
        shows="5",
    ),
    case(
        "a name that a thread reads",
        "threaded = 4",
        "#here\nimport threading\nseen = []\n"
        "def look(): seen.append(threaded)\nt = threading.Thread(target=look)\nt.start(); t.join()"
        "\nseen",
        shows="[4]",
    ),
    case(
        "a name that DataFrame.query reads",
        "#here\nimport pandas as pd\nq = pd.DataFrame({'a': [1, 2, 3]})\nleast = 2",
        "len(q.query('a >= @least'))",
        shows="2",
        needs="pandas",
    ),
    case(
        "a name that an f-string of a magic reads",
        "#here\nmagic_word = 'abra'",
        "!echo $magic_word",
        shows="abra",
    ),
    case("a name in a timed line", "#here\ntimed_v = 3", "%time timed_v + 1", shows="4"),
    case("a name of %%time", "%%time\nof_time = 12", "#here\nof_time", shows="12"),
    case(
        "a generator stays where it is",
        "#here\nnumbers = [1, 2]",
        "list(x for x in numbers)",
        shows="[1, 2]",
    ),
    case(
        "a table there and back",
        "#here\nimport pandas as pd\ndf = pd.DataFrame({'a': [1, 2]})",
        "df['b'] = df.a * 2",
        "#here\ndf.b.tolist()",
        shows="[2, 4]",
        needs="pandas",
    ),
    case(
        "a large array",
        "#here\nimport numpy as np\nbig = np.arange(2_000_000)",
        "int(big.sum())",
        "big = big + 1",
        "#here\nint(big[-1])",
        shows="2000000",
    ),
    case(
        "None, ellipsis, complex, bytes, ranges",
        "#here\nvals = [None, ..., 1j, b'x', range(3), slice(1), NotImplemented]",
        "vals",
        shows="Ellipsis",
    ),
    case("an exception as a value", "#here\nerr = ValueError('kept')", "repr(err)", shows="kept"),
    case(
        "dates, decimals, fractions, paths, regular expressions",
        "#here\nimport datetime, decimal, "
        "fractions, pathlib, re\nmixed = [datetime.date(2020, 1, 2), decimal.Decimal('1.5'), "
        "fractions.Fraction(1, 3), pathlib.PurePosixPath('a'), re.compile('x+')]",
        "mixed",
        "#here\nmixed",
        shows="Fraction(1, 3)",
    ),
    case(
        "a defaultdict with a lambda",
        "#here\nfrom collections import defaultdict\ndd = defaultdict(lambda: 5)",
        "dd['a'] += 1",
        "#here\ndict(dd), dd['z']",
        shows="5",
    ),
    case(
        "a name that the last cell's failure left",
        "left_by = 1\nraise ValueError('then')",
        "#here\nleft_by",
        shows="1",
    ),
    case(
        "a type annotation without a value",
        "annotated: int\nother_v: int = 3",
        "#here\nother_v",
        shows="3",
    ),
    case("a star import", "from math import *", "#here\nround(sqrt(16))", shows="4"),
    case(
        "a cyclic value",
        "#here\ncycle = []\ncycle.append(cycle)",
        "cycle[0] is cycle",
        "#here\ncycle[0] is cycle",
        shows="True",
    ),
    case(
        "a method of an instance",
        "#here\nclass M:\n    def __init__(self): self.n = 2\n"
        "    def get(self): return self.n\nbound = M().get",
        "bound()",
        shows="2",
    ),
    case("a coroutine function", "#here\nasync def co(): return 'co'", "await co()", shows="co"),
    case(
        "a generator function",
        "#here\ndef gen(n):\n    while n: yield n; n -= 1",
        "list(gen(3))",
        shows="[3, 2, 1]",
    ),
    case(
        "a default argument's value",
        "#here\nthing = [1]\ndef with_default(x=thing): return x",
        "with_default()",
        shows="[1]",
    ),
    case(
        "cwd goes there",
        "#here\nimport os\nos.makedirs('deeper', exist_ok=True)\nos.chdir('deeper')",
        "import os\nprint(os.getcwd())\nos.chdir('..')",
        "#here\nos.getcwd()",
        shows="<folder>",
    ),
    case(
        "the environment goes there and back",
        "#here\nimport os\nos.environ['GOES'] = 'there'",
        "import os\nprint(os.environ['GOES'])\n"
        "os.environ['COMES'] = 'back'\ndel os.environ['GOES']",
        "#here\nos.environ['COMES'], os.environ.get('GOES')",
        shows="('back', None)",
    ),
    case(
        "sys.path goes there",
        "#here\nimport os, sys\nos.makedirs('onpath', exist_ok=True)\n"
        "open('onpath/found_there.py', 'w').write('z = 3')\n"
        "sys.path.append(os.path.abspath('onpath'))",
        "import found_there\nfound_there.z",
        shows="3",
    ),
]
