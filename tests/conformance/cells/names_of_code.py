"""Names that hold code: functions, classes, modules."""

from __future__ import annotations

from tests.conformance.cells.case import case

NAMES_OF_CODE = [
    case("a name there", "#here\nthere = 5", "there + 1", shows="6", every_engine=True),
    case("a name back", "back = {'a': [1, 2]}", "#here\nback", shows="[1, 2]", every_engine=True),
    case(
        "a name there and back",
        "#here\nn = 10",
        "n = n * 2",
        "#here\nn + 1",
        shows="21",
        every_engine=True,
    ),
    case(
        "a function",
        "#here\ndef double(x): return 2 * x",
        "double(4)",
        shows="8",
        every_engine=True,
    ),
    case("a function back", "def triple(x): return 3 * x", "#here\ntriple(4)", shows="12"),
    case(
        "a function that reads a name",
        "#here\nfactor = 3\ndef scaled(x): return x * factor",
        "scaled(4)",
        shows="12",
    ),
    case(
        "a name that changes after the function was sent",
        "#here\nlevel = 1\ndef shown(): return level",
        "shown()",
        "#here\nlevel = 2",
        "shown()",
        shows="2",
    ),
    case(
        "a name that a remote cell changes under a function",
        "#here\nstate = 1\ndef read_state(): return state",
        "state = 7\nread_state()",
        "#here\nread_state()",
        shows="7",
    ),
    case(
        "functions that call each other",
        "#here\ndef even(n): return n == 0 or odd(n - 1)\n"
        "def odd(n): return n != 0 and even(n - 1)",
        "even(10)",
        shows="True",
    ),
    case(
        "recursion",
        "#here\ndef fact(n): return 1 if n < 2 else n * fact(n - 1)",
        "fact(5)",
        shows="120",
    ),
    case("a lambda", "#here\nsquare = lambda x: x * x", "square(9)", shows="81"),
    case("a lambda back", "cube = lambda x: x ** 3", "#here\ncube(3)", shows="27"),
    case(
        "a closure",
        "#here\ndef make():\n    count = 0\n    def up():\n        nonlocal count\n"
        "        count += 1\n        return count\n    return up\ncounter = make()",
        "counter(), counter()",
        "#here\ncounter()",
        shows="3",
    ),
    case(
        "a decorator",
        "#here\nimport functools\ndef loud(f):\n    @functools.wraps(f)\n"
        "    def inner(*a): return str(f(*a)) + '!'\n    return inner",
        "@loud\ndef said(x): return x\nsaid('hey')",
        "#here\nsaid('home')",
        shows="home!",
    ),
    case(
        "functools.lru_cache",
        "#here\nimport functools\n@functools.lru_cache\ndef cached(x): return x + 1",
        "cached(1), cached(1)",
        shows="(2, 2)",
    ),
    case(
        "a partial",
        "#here\nimport functools\nadd_two = functools.partial(lambda a, b: a + b, 2)",
        "add_two(3)",
        shows="5",
    ),
    case(
        "a class",
        "#here\nclass Point:\n    def __init__(self, x): self.x = x\n"
        "    def twice(self): return self.x * 2\np = Point(4)",
        "p.twice(), isinstance(p, Point)",
        shows="(8, True)",
        every_engine=True,
    ),
    case(
        "a class back",
        "class Back:\n    value = 11\nb = Back()",
        "#here\nb.value, isinstance(b, Back), type(b) is Back",
        shows="(11, True, True)",
    ),
    case(
        "the identity of a class survives the way",
        "#here\nclass Same: pass\ns = Same()",
        "t = Same()\nisinstance(s, Same)",
        "#here\nisinstance(t, Same) and isinstance(s, Same)",
        shows="True",
    ),
    case(
        "a class with a base, a property and a classmethod",
        "#here\nclass Base:\n"
        "    def who(self): return 'base'\nclass Child(Base):\n    @property\n"
        "    def name(self): return 'child of ' + super().who()\n    @classmethod\n"
        "    def make(cls): return cls()",
        "Child.make().name",
        shows="child of base",
    ),
    case(
        "a class attribute that is changed",
        "#here\nclass Counted:\n    made = 0\n    def __init__(self): type(self).made += 1",
        "Counted(); Counted()\nCounted.made",
        "#here\nCounted.made",
        shows="2",
    ),
    case(
        "a dataclass",
        "#here\nfrom dataclasses import dataclass, field\n@dataclass\nclass Row:\n"
        "    name: str\n    tags: list = field(default_factory=list)\nrow = Row('a')",
        "row.tags.append('t')\nrow",
        "#here\nrow, Row('a', ['t']) == row",
        shows="True",
    ),
    case(
        "a frozen dataclass with slots",
        "#here\nfrom dataclasses import dataclass\n"
        "@dataclass(frozen=True, slots=True)\nclass Key:\n    n: int\nkey = Key(3)",
        "d = {key: 'found'}\nd[Key(3)]",
        shows="found",
    ),
    case(
        "an enum",
        "#here\nfrom enum import Enum\nclass Colour(Enum):\n    RED = 1\n    BLUE = 2\n"
        "c = Colour.RED",
        "c is Colour.RED",
        "#here\nc is Colour.RED",
        shows="True",
    ),
    case(
        "a named tuple",
        "#here\nfrom collections import namedtuple\nPair = namedtuple('Pair', 'a b')"
        "\npair = Pair(1, 2)",
        "pair._replace(b=5)",
        shows="Pair(a=1, b=5)",
    ),
    case(
        "a typing.NamedTuple and a Protocol",
        "#here\nfrom typing import NamedTuple, Protocol\n"
        "class P(NamedTuple):\n    x: int\nclass Q(Protocol):\n    def f(self) -> int: ...\n"
        "pq = P(3)",
        "pq.x",
        shows="3",
    ),
    case(
        "an abstract class",
        "#here\nimport abc\nclass Shape_(abc.ABC):\n    @abc.abstractmethod\n"
        "    def area(self): ...\nclass Sq(Shape_):\n    def area(self): return 4",
        "Sq().area()",
        shows="4",
    ),
    case(
        "a generic class",
        "#here\nfrom typing import Generic, TypeVar\nT = TypeVar('T')\n"
        "class Box(Generic[T]):\n    def __init__(self, v: T): self.v = v\nbox = Box[int](3)",
        "box.v",
        "#here\nBox[str]('s').v, box.v",
        shows="('s', 3)",
    ),
    case(
        "a metaclass",
        "#here\nclass Meta(type):\n    def hello(cls): return cls.__name__\n"
        "class WithMeta(metaclass=Meta): pass",
        "WithMeta.hello()",
        shows="WithMeta",
    ),
    case(
        "an import of the notebook's",
        "#here\nimport math as m\nfrom os.path import join as j",
        "m.floor(2.5), j('a', 'b')",
        shows="a/b",
    ),
    case(
        "an import of a remote cell's",
        "import statistics as st",
        "#here\nst.mean([1, 2, 3])",
        shows="2",
    ),
    case(
        "a submodule",
        "#here\nimport os.path\nimport xml.dom.minidom",
        "xml.dom.minidom.__name__",
        shows="xml.dom.minidom",
    ),
    case(
        "a module beside the notebook",
        "#here\nwith open('beside.py', 'w') as f: "
        "f.write('def f(): return \"beside\"')\nimport beside",
        "beside.f()",
        shows="beside",
    ),
    case(
        "a class of a module beside the notebook",
        "#here\nwith open('kinds.py', 'w') as f: "
        "f.write('class K:\\n    def __init__(s, v): s.v = v\\n')\nimport kinds\nk = kinds.K(8)",
        "k.v, type(k) is kinds.K",
        "#here\nk.v",
        shows="8",
    ),
]
