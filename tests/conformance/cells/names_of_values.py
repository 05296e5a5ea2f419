"""Names that hold values, and how cells bind and change them."""

from __future__ import annotations

from tests.conformance.cells.case import case

NAMES_OF_VALUES = [
    case(
        "a comprehension and a generator expression",
        "#here\nbase = 3",
        "[base + i for i in range(2)], sum(base for _ in range(4))",
        shows="([3, 4], 12)",
    ),
    case("f-strings", "#here\nwho = 'world'", "f'hello {who!r:>8}'", shows="hello  "),
    case(
        "a name in an f-string in a function",
        "#here\nwhom = 'you'\ndef greet(): return f'{whom}'",
        "greet()",
        shows="you",
    ),
    case(
        "a global statement",
        "#here\ntotal = 0\ndef add(n):\n    global total\n    total += n",
        "add(5)\nadd(6)\ntotal",
        "#here\ntotal",
        shows="11",
    ),
    case(
        "a change in place",
        "#here\nlog = ['a']",
        "log.append('b')",
        "#here\nlog.append('c')",
        "log",
        shows="['a', 'b', 'c']",
    ),
    case(
        "a change in place of a dictionary's part",
        "#here\nconf = {'x': {'y': 1}}",
        "conf['x']['y'] = 2",
        "#here\nconf",
        shows="{'x': {'y': 2}}",
    ),
    case(
        "an array changed in place",
        "#here\nimport numpy as np\narr = np.zeros(3)",
        "arr[1] = 5",
        "#here\narr.tolist()",
        shows="[0.0, 5.0, 0.0]",
    ),
    case(
        "two names of one object, sent together",
        "#here\nfirst = []\nsecond = first",
        "first.append(1)\nsecond is first",
        shows="True",
    ),
    case(
        "two names of one object come back as one",
        "one = [1]\ntwo = one",
        "#here\none is two, one, two",
        shows="(True, [1], [1])",
    ),
    case("augmented assignment", "#here\nacc = [1]", "acc += [2]", "#here\nacc", shows="[1, 2]"),
    case(
        "tuple unpacking",
        "left, (right, *rest) = 1, (2, 3, 4)",
        "#here\nleft, right, rest",
        shows="(1, 2, [3, 4])",
    ),
    case("a walrus", "(walrus := 4) + 1", "#here\nwalrus", shows="4"),
    case("a loop's variable", "for loop_i in range(3): pass", "#here\nloop_i", shows="2"),
    case(
        "an exception's variable does not stay",
        "try: 1 / 0\nexcept ZeroDivisionError as gone_e: pass\n'gone_e' in globals()",
        shows="False",
    ),
    case(
        "a with statement's variable",
        "import io\nwith io.StringIO('x') as handle_s: t = handle_s.read()",
        "#here\nt",
        shows="x",
    ),
    case(
        "match",
        "match {'kind': 'a', 'n': 3}:\n    case {'kind': k, **others}: pass",
        "#here\nk, others",
        shows="('a', {'n': 3})",
    ),
]
