"""What a cell's last expression shows."""

from __future__ import annotations

from tests.conformance.cells.case import case

RESULTS = [
    case("the last expression is shown", "x = 20\nx * 2 + 2", shows="42", every_engine=True),
    case("None is not shown", "print('before')\nNone", shows="before"),
    case("an assignment is not shown", "print('before')\nx = 1", shows="before"),
    case("a semicolon hides the value", "print('before')\n1 + 1;", shows="before"),
    case("an empty cell", "", "# only a comment", "print('after')", shows="after"),
    case("a string", "'it''s'", shows="its"),
    case("a long list is wrapped as at home", "list(range(300))", shows="299"),
    case("nested containers", "{'a': [1, (2, 3)], 'b': {4, 5}, 'c': None}", shows="'a'"),
    case("only the last of several expressions", "1\n2\n3", shows="3"),
    case("the underscore", "6 * 7", "_ + 1", shows="43"),
    case("two underscores", "'one'", "'two'", "print(_, __)", shows="two one"),
    case("the underscore after a print", "10", "print('x')", "_ * 2", shows="20"),
    case(
        "an HTML representation",
        "class Rich:\n    def _repr_html_(self): return '<b>rich</b>'\n"
        "    def __repr__(self): return 'Rich()'\nRich()",
        shows="<b>rich</b>",
    ),
    case(
        "a MIME bundle with metadata",
        "class Many:\n    def _repr_mimebundle_(self, include=None, exclude=None):\n"
        "        return {'text/plain': 'many', 'application/json': {'a': [1, None, True]}}, "
        "{'application/json': {'expanded': True}}\nMany()",
        shows="many",
    ),
    case("a type and a function", "print(type(len), len)\nint", shows="int"),
    case("NumPy's arrays", "import numpy as np\nnp.arange(6).reshape(2, 3)", shows="array"),
    case(
        "a table of pandas",
        "import pandas as pd\npd.DataFrame({'a': [1, 2], 'b': ['x', 'y']})",
        shows="<table",
        needs="pandas",
    ),
    case(
        "a series of pandas",
        "import pandas as pd\npd.Series([1.5, 2.5], name='s')",
        shows="float64",
        needs="pandas",
    ),
]
