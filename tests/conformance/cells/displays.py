"""Displays, their updates, and figures."""

from __future__ import annotations

from tests.conformance.cells.case import case

DISPLAYS = [
    case("display of text and a value", "display('text', 42)", shows="42", every_engine=True),
    case(
        "HTML",
        "from IPython.display import HTML\ndisplay(HTML('<i>h</i>'))\nHTML('<b>r</b>')",
        shows="<b>r</b>",
    ),
    case(
        "LaTeX and Math",
        "from IPython.display import Latex, Math\ndisplay(Latex('$x^2$'))\nMath(r'\\sum_i i')",
        shows="sum_i",
    ),
    case(
        "Markdown, JSON, SVG, JavaScript",
        "from IPython.display import *\ndisplay(Markdown('*m*'), JSON({'k': 1}), "
        "SVG('<svg></svg>'), Javascript('1'))",
        shows="*m*",
    ),
    case(
        "an image",
        "import base64\nfrom IPython.display import Image\nImage(base64.b64decode("
        "'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJ"
        "RU5ErkJggg=='))",
        shows="image/png",
    ),
    case(
        "print between displays keeps its place",
        "print('1', flush=True)\ndisplay('two')\nprint('3', flush=True)\ndisplay('four')",
        shows="four",
    ),
    case(
        "clear_output",
        "from IPython.display import clear_output\nprint('gone', flush=True)\n"
        "clear_output()\nprint('stays')",
        shows="stays",
    ),
    case(
        "clear_output that waits",
        "from IPython.display import clear_output\n"
        "for i in range(4):\n    print('frame', i, flush=True)\n    clear_output(wait=True)\n"
        "print('last')",
        shows="last",
    ),
    case(
        "a display that is updated",
        "handle = display('first', display_id=True)\nhandle.update('second')",
        shows="second",
    ),
    case(
        "a display that a later cell updates",
        "handle = display('first', display_id='later')",
        "handle.update('changed')\nprint('done')",
        shows="done",
    ),
    case(
        "update_display",
        "from IPython.display import display, update_display\n"
        "display('a', display_id='mine')\nupdate_display('b', display_id='mine')",
        shows="b",
    ),
    case(
        "matplotlib inline",
        "import matplotlib.pyplot as plt\nplt.plot([1, 2, 3])\nplt.show()",
        shows="image/png",
        needs="matplotlib",
    ),
    case(
        "matplotlib without show",
        "import matplotlib.pyplot as plt\nplt.plot([3, 1])",
        shows="Line2D",
        needs="matplotlib",
    ),
    case(
        "a figure as the last expression",
        "import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nax.plot([1])\nplt.close()\nfig",
        shows="image/png",
        needs="matplotlib",
    ),
    case(
        "two figures",
        "import matplotlib.pyplot as plt\nplt.figure(); plt.plot([1])\n"
        "plt.figure(); plt.plot([2]);",
        shows="image/png",
        needs="matplotlib",
    ),
    case(
        "%matplotlib inline",
        "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2]);",
        shows="image/png",
        needs="matplotlib",
    ),
    case(
        "%config InlineBackend",
        "%config InlineBackend.figure_formats = ['svg']\n"
        "import matplotlib.pyplot as plt\nplt.plot([1, 2]);\nplt.show()\n"
        "%config InlineBackend.figure_formats = ['png']",
        shows="svg",
        needs="matplotlib",
    ),
]
