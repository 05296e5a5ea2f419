"""What is known of magics and calls by their names: which text they evaluate, what they return."""

from __future__ import annotations

# Magics whose line and cell are Python, run in the notebook's namespace.
PYTHON_MAGICS = frozenset(
    {"time", "timeit", "prun", "capture", "debug", "memit", "mprun", "lprun", "page", "xdel",
     "store", "pyinstrument", "snakeviz"}
)  # fmt: skip
# Magics that tell what a name's value is, and magics that list the names: the notebook's own do
# so without the values that are on gangs.
INSPECTING_MAGICS = frozenset({"pinfo", "pinfo2", "pdef", "pdoc", "pfile", "psource"})
LISTING_MAGICS = frozenset({"who", "whos", "who_ls"})
# Magics that evaluate nothing but the ``$x`` and ``{x}`` of their line; their cell is text.
TEXT_MAGICS = frozenset(
    {"alias", "autoreload", "autosave", "bash", "bookmark", "cat", "cd", "colors", "conda",
     "config", "cp", "dirs", "env", "gui", "html", "HTML", "javascript", "js", "latex", "ldir",
     "less", "load", "load_ext", "ls", "lsmagic", "mamba", "man", "markdown", "matplotlib",
     "micromamba", "mkdir", "more", "mv", "pdb", "perl", "pip", "popd", "pprint", "precision",
     "pushd", "pwd", "pylab", "pypy", "python", "python2", "python3", "quickref", "rehashx",
     "reload_ext", "reset", "rm", "rmdir", "ruby", "run", "script", "set_env", "sh", "svg", "SVG",
     "unalias", "unload_ext", "uv", "writefile", "xmode", "file", "cluster"}
)  # fmt: skip
# Methods that evaluate the strings they are given in the scope of their caller.
EVALUATING_METHODS = frozenset({"query", "eval", "evaluate"})
NAMESPACES = frozenset({"globals", "locals", "vars", "dir"})
# What makes context managers that never swallow an exception: what their body binds is bound.
LETS_PASS = frozenset(
    {"open", "no_grad", "enable_grad", "inference_mode", "set_grad_enabled", "autocast",
     "catch_warnings", "errstate", "printoptions", "option_context", "rc_context", "axes_style",
     "plotting_context", "closing", "nullcontext", "redirect_stdout", "redirect_stderr", "urlopen",
     "TemporaryDirectory", "NamedTemporaryFile", "ThreadPoolExecutor", "ProcessPoolExecutor",
     "ZipFile", "GradientTape", "tqdm", "localcontext"}
)  # fmt: skip
