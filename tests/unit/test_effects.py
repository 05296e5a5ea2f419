"""Which values a cell may change in place, and which it only looks at."""

from __future__ import annotations

import pytest

from farcell.effects import changed_in_place

KINDS = {
    "np": "module:numpy", "plt": "module:matplotlib.pyplot", "df": "pandas.core.frame.DataFrame",
    "a": "numpy.ndarray", "xs": "list", "d": "dict", "it": "list_iterator", "dd":
    "collections.defaultdict", "obj": "__main__.Thing", "q": "queue.Queue", "f": "function",
}  # fmt: skip

# Code, and the names whose values it may change; none: there is no telling.
CASES: dict[str, str | None] = {
    "len(xs), print(df), f'{a}'": "",
    "df": "",
    "df.head()": "",
    "df.a.mean() + df['b'].sum()": "",
    "y = df.describe()": "",
    "y = a[1:] * 2": "",
    "total = sum(x for x in xs)": "",
    "[x * 2 for x in xs if x]": "",
    "sorted(d.items())": "",
    "for x in xs:\n    print(x)": "",
    "if xs and df.shape[0] > 3: n = 1": "",
    "np.mean(a), np.sqrt(a)": "",
    "plt.plot(a)\nplt.show()": "",
    "def g(v):\n    return v + len(xs)": "",
    "class C:\n    n = len(xs)\n    def m(self): return xs": "",
    "del xs": "",
    "obj.weight": "",
    "n += 1": "n",
    "xs.append(1)": "xs",
    "xs += [1]": "xs",
    "xs[0] = 1": "xs",
    "obj.n = len(a)": "obj",
    "xs[0].n = 1": "xs",
    "d['k'] = xs": "d xs",
    "f(xs)": "f xs",
    "y = f(len(xs))": "f",
    "obj.get('x')": "obj",
    "q.get()": "q",
    "d.get('x')": "",
    "d['q'].get()": "d",
    "df.drop(columns='a', inplace=True)": "df",
    "np.add(a, 1, out=a)": "np a",
    "np.random.shuffle(a)": "np a",
    "y = xs\ny.append(1)": "y xs",
    "for row in xs:\n    row.append(1)": "row xs",
    "(y := xs).append(1)": "xs",
    "x, *rest = xs\nrest.pop()": "rest xs",
    "list(it)": "it",
    "dd['k']": "dd",
    "del xs[0]": "xs",
    "with obj as y: pass": "obj",
    "def g():\n    xs.append(1)\ng()": "g xs",
    "max(xs, key=f)": "max f xs",
    "print(a, file=obj)": "print a obj",
    "xs.sort()": "xs",
    "import os\nos.getpid()": "os",
    "xs << 1": None,
    "exec('xs.append(1)')": None,
    "globals()['xs'].append(1)": None,
    "get_ipython().run_cell('xs.append(1)')": None,
    "%time f(xs)": None,
    "%cluster recover xs": "",
    "!ls {xs}": "",
    "no python": None,
}


@pytest.mark.parametrize("code", CASES)
def test_what_may_change(code: str) -> None:
    def transform(cell: str) -> str:
        if cell.startswith("%"):
            name, _, line = cell[1:].partition(" ")
            return f"get_ipython().run_line_magic({name!r}, {line!r})"
        return f"get_ipython().system({cell[1:]!r})" if cell.startswith("!") else cell

    found = changed_in_place(code, transform, lambda name: KINDS.get(name, ""))
    expected = CASES[code]
    if expected is None:
        assert found is None
    else:
        assert found is not None
        # Functions of Python's are no names of the notebook.
        assert found - {"max", "print"} == set(expected.split()) - {"max", "print"}
