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
    case(
        "a change in place reaches who holds the object",
        "#here\nimport types\nheld = types.SimpleNamespace(log=[])\nlog_held = held.log\n"
        "def holding(kept=log_held): return kept",
        "log_held.append(1)",
        "log_held.append(2)",
        "#here\nheld, holding(), log_held is held.log is holding()",
        shows="(namespace(log=[1, 2]), [1, 2], True)",
    ),
    case(
        "a change in place reaches a library that holds the object",
        "#here\nimport sys, types\nclass Model:\n    steps = 0\nmodel = Model()\n"
        "sys.modules['hooks_here'] = types.ModuleType('hooks_here')\n"
        "sys.modules['hooks_here'].model = model",
        "model.steps += 1\nmodel.weights = {'w': 1}",
        "#here\nimport hooks_here\nhooks_here.model is model, vars(hooks_here.model)",
        shows="(True, {'steps': 1, 'weights': {'w': 1}})",
    ),
    case(
        "what is bound anew is another object for who holds the old",
        "#here\nimport sys, types\nqueue = [1]\nsys.modules['kept_queue'] = types.ModuleType('q')\n"
        "sys.modules['kept_queue'].queue = queue",
        "queue = [*queue, 2]",
        "#here\nimport kept_queue\nkept_queue.queue, queue",
        shows="([1], [1, 2])",
    ),
    case(
        "a change at home reaches a task there",
        "board = []\nimport asyncio\nasync def watch(seen):\n    while not seen:\n"
        "        await asyncio.sleep(0.01)\n    return seen\n"
        "task_there = asyncio.create_task(watch(board))",
        "#here\nboard.append('x')",
        "board\nawait task_there",
        shows="['x']",
    ),
    case(
        "an array that somebody else holds",
        "#here\nimport numpy as np, sys, types\ngrid = np.zeros(3)\n"
        "sys.modules['kept_grid'] = types.ModuleType('g')\nsys.modules['kept_grid'].grid = grid",
        "grid += 1",
        "#here\nimport kept_grid\nkept_grid.grid is grid, kept_grid.grid.tolist()",
        shows="(True, [1.0, 1.0, 1.0])",
        needs="numpy",
    ),
]
