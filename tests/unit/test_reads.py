"""Which names of the notebook a value reads when it is used."""

from __future__ import annotations

import functools
import types
from typing import Any

import pytest

from farcell_runtime.reads import (
    ANY_NAME,
    closure,
    code_names,
    in_order,
    mentioned,
    readers,
    value_reads,
)
from farcell_runtime.sharing import mutable_parts

NAMESPACE = {
    "lambda n: globals()[n]": True,
    "lambda n: globals().get(n)": True,
    "lambda n: n in globals()": True,
    "lambda: list(globals())": True,
    "lambda: [print(k) for k in globals().items()]": True,
    "lambda n: (lambda: globals()[n])": True,
    "lambda n: ('x' in globals(), globals()[n])": True,
    "lambda: globals": True,
    "lambda: globals()['x']": False,
    "lambda: globals().get('x', 1)": False,
    "lambda: 'x' in globals()": False,
    "lambda n: globals().update(n)": False,
    "lambda globals, n: globals()[n]": False,
}


def home(source: str) -> dict[str, Any]:
    """A notebook's namespace in which ``source`` ran."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(source, namespace)
    return namespace


def reads(source: str, name: str) -> set[str]:
    """The names of its namespace that the value of ``name`` reads."""
    namespace = home(source)
    return value_reads(namespace[name], namespace) & namespace.keys() - {"__builtins__"}


CODE = {
    "x.attribute": {"x"},
    "lambda: [x for y in z]": {"x", "z"},
    "f(g)(h=i)": {"f", "g", "i"},
    "x = 1; del y": {"y"},
    "import a": set(),
    "df.query('a > @x')": {"df", "a", "x"},
    "ols('y ~ x')": {"ols", "y", "x"},
    "print('a b')": {"print"},
    "eval('x + 1')": {"eval", "x"},
}


@pytest.mark.parametrize(("code", "any_name"), NAMESPACE.items(), ids=NAMESPACE)
def test_code_that_may_read_any_name(code: str, any_name: bool) -> None:
    assert (ANY_NAME in code_names(compile(code, "", "eval"))) is any_name


def test_code_that_binds_a_name_it_computes() -> None:
    code = compile("def f(n, v): globals()[n] = v", "", "exec")
    assert ANY_NAME not in code_names(code)


@pytest.mark.parametrize(("code", "names"), CODE.items(), ids=CODE)
def test_the_names_that_code_looks_up(code: str, names: set[str]) -> None:
    assert code_names(compile(code, "<cell>", "exec")) == names


def test_the_names_that_nested_code_looks_up() -> None:
    source = "def f():\n class A:\n  def m(self): return lambda: x.y\n global z\n del z\n return A"
    assert {"x", "z"} <= code_names(compile(source, "<cell>", "exec"))


def test_an_attribute_is_no_name() -> None:
    source = "def f(m): return m.model, model2\nmodel = model2 = 1"
    assert reads(source, "f") == {"model2"}


VALUES = {
    "a function": "v = lambda: k",
    "a nested function": "def v():\n def g(): return k\n return g",
    "a default value": "def g(): return k\ndef v(f=g): return f()",
    "a keyword's default": "def g(): return k\ndef v(*, f=g): return f()",
    "a closure": "def make(f):\n return lambda: f()\nv = make(lambda: k)",
    "a decorator's wrapper": (
        "import functools\ndef deco(f):\n @functools.wraps(f)\n def w(): return f()\n return w\n"
        "@deco\ndef v(): return k"
    ),
    "a partial": "import functools\nv = functools.partial(map, lambda: k)",
    "a cached function": "import functools\n@functools.lru_cache\ndef v(): return k",
    "a single-dispatch function": (
        "import functools\n@functools.singledispatch\ndef v(x): pass\n@v.register\n"
        "def _(x: int): return k"
    ),
    "a class": "class v:\n def m(self): return k",
    "a class's base": "class B:\n def m(self): return k\nclass v(B): pass",
    "a metaclass": "class M(type):\n def __call__(cls): return k\nclass v(metaclass=M): pass",
    "a static method": "class v:\n @staticmethod\n def m(): return k",
    "a class method": "class v:\n @classmethod\n def m(cls): return k",
    "a property": "class v:\n @property\n def p(self): return k",
    "a cached property": (
        "import functools\nclass v:\n @functools.cached_property\n def p(self): return k"
    ),
    "a partial method": (
        "import functools\nclass v:\n def m(self, x): return k\n n = functools.partialmethod(m, 1)"
    ),
    "an inner class": "class v:\n class W:\n  def m(self): return k",
    "an instance": "class A:\n def m(self): return k\nv = A()",
    "an instance with slots": "class A:\n __slots__ = ('f',)\nv = A()\nv.f = lambda: k",
    "a bound method": "class A:\n def m(self): return k\nv = A().m",
    "a method of a list": "v = [lambda: k].append",
    "an attribute": "class A: pass\nv = A()\nv.f = lambda: k",
    "an attribute of a library's instance": (
        "import types\nv = types.SimpleNamespace(step=lambda: k)"
    ),
    "a list": "v = [1, [2, lambda: k]]",
    "a tuple": "v = (lambda: k,)",
    "a set": "v = {lambda: k}",
    "a dict's value": "v = {'a': {'b': lambda: k}}",
    "a dict's key": "v = {lambda: k: 1}",
    "a default dict": (
        "import collections\nclass D(dict): pass\nv = D(a=1)\nv.factory = lambda: k"
    ),
    "a pipeline": (
        "from sklearn.pipeline import make_pipeline\n"
        "from sklearn.preprocessing import FunctionTransformer\n"
        "def f(x): return x * k\nv = make_pipeline(FunctionTransformer(f))"
    ),
}


@pytest.mark.parametrize("source", VALUES.values(), ids=VALUES)
def test_what_a_value_reads(source: str) -> None:
    if "sklearn" in source:
        pytest.importorskip("sklearn")
    assert "k" in reads(f"k = 1\n{source}", "v")


def test_a_class_reads_its_own_name() -> None:
    assert reads("class A: pass\nv = A()", "v") == {"A"}


def test_a_cycle_is_walked_once() -> None:
    assert reads("k = 1\nv = []\nv += [v, lambda: k]", "v") == {"k"}


def test_functions_of_other_modules_read_nothing_here() -> None:
    module = types.ModuleType("elsewhere")
    exec("def f(): return k", vars(module))
    namespace = {"k": 1, "f": module.f}
    assert value_reads(module.f, namespace) == set()


def test_a_library_wrapper_around_a_function_of_the_notebook() -> None:
    def decorate(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper() -> Any:
            return function()

        return wrapper

    namespace = home("k = 1\ndef f(): return k")
    assert value_reads(decorate(namespace["f"]), namespace) == {"k"}


def test_a_large_list_is_looked_into_for_a_while() -> None:
    namespace = home("k = 1\nv = [[i] for i in range(100_000)]\nw = [lambda: k] + v")
    assert value_reads(namespace["v"], namespace) == set()
    assert value_reads(namespace["w"], namespace) == {"k"}


def test_a_proxy_is_not_asked() -> None:
    class Proxy:
        @property
        def __class__(self) -> type:  # type: ignore[override]
            raise RuntimeError("no context")

        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("no context")

    assert value_reads(Proxy(), {}) == set()


def test_a_metaclass_is_not_asked() -> None:
    namespace = home(
        "class M(type):\n def __getattr__(cls, name): raise RuntimeError(name)\n"
        "class A(metaclass=M):\n def m(self): return k\nv = A()"
    )
    assert "k" in value_reads(namespace["v"], namespace)
    assert mutable_parts(namespace["v"]) == ({id(namespace["v"]), id(vars(namespace["v"]))}, True)


def test_every_identifier_is_mentioned() -> None:
    assert mentioned("x.y = f('a b', 1e5)  # größe %time") == {
        *("x", "y", "f", "a", "b", "größe", "time"),
    }  # fmt: skip


def test_the_closure_follows_what_is_known() -> None:
    graph = {"a": ["b", "unknown"], "b": ["c", "a"], "c": [], "d": ["a"]}
    assert closure(["a"], graph.__getitem__, graph.__contains__) == {"a", "b", "c"}
    found = readers(["a"], graph.__getitem__, graph.__contains__)
    assert found == {"a": "", "b": "a", "c": "b"}
    assert closure([], graph.__getitem__, graph.__contains__) == set()


@pytest.mark.parametrize(
    ("needs", "expected"),
    [
        ({}, []),
        ({"a": [], "b": []}, ["a", "b"]),
        ({"a": ["b"], "b": ["c"], "c": []}, ["c", "b", "a"]),
        ({"a": ["b"], "b": ["a"]}, ["b", "a"]),
        ({"a": ["a"]}, ["a"]),
        ({"a": ["c", "b"], "b": ["c"], "c": []}, ["c", "b", "a"]),
    ],
)
def test_in_order(needs: dict[str, list[str]], expected: list[str]) -> None:
    assert in_order(needs, needs.__getitem__) == expected


def test_in_order_however_deep() -> None:
    needs = {str(n): [str(n + 1)] for n in range(5000)} | {"5000": []}
    assert in_order(needs, needs.__getitem__)[0] == "5000"
