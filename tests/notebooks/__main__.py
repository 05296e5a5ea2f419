"""Run the corpus and tell what looks different: ``python -m tests.notebooks --help``."""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import replace

from .corpus import Notebook, load, load_subset
from .dialect import DIALECTS, LOCAL, Dialect
from .fetching import CACHE
from .judging import NotebookReport, judge
from .report import line, share_alike, side_by_side, summary, write_json
from .runner import Limits, Runner

REPORT = CACHE / "report.json"


def main() -> int:
    """Run what the command line asks for; 1 if fewer than 98 % of the cells look alike."""
    options = _parser().parse_args()
    dialect = _dialect(options)
    limits = Limits(options.cell_limit, options.notebook_limit)
    if options.show:
        return asyncio.run(_show(options.show, dialect, Runner(options.python, limits, 2)))
    notebooks = load_subset() if options.subset else load(options.only)
    if options.sample:
        notebooks = sorted(notebooks, key=lambda notebook: notebook.digest)[: options.sample]
    if options.list:
        for notebook in notebooks:
            print(f"{len(notebook.cells):4d}  {notebook.name}")
        print(f"{sum(len(n.cells) for n in notebooks)} cells in {len(notebooks)} notebooks")
        return 0
    reports = asyncio.run(_judge(notebooks, dialect, options, limits))
    write_json(reports, REPORT)
    print(f"\n{summary(reports)}\n(all verdicts: {REPORT})")
    return int(share_alike(reports) < 0.98)


async def _judge(
    notebooks: list[Notebook], dialect: Dialect, options: argparse.Namespace, limits: Limits
) -> list[NotebookReport]:
    runner = Runner(options.python, limits, options.jobs, remember=not options.fresh)
    return await judge(
        notebooks, dialect, runner, tell=lambda report: print(line(report), flush=True)
    )


async def _show(where: str, dialect: Dialect, runner: Runner) -> int:
    name, _, cells = where.rpartition(":")
    found = load(name)
    if len(found) != 1:
        print(f"{len(found)} notebooks are called {name}: {[n.name for n in found][:5]}")
        return 2
    local = await runner.run(found[0], LOCAL)
    away = await runner.run(found[0], dialect, repeat=0 if dialect.prefix else 1)
    for index in map(int, cells.split(",")):
        print(side_by_side(found[0], index, local.cells[index], away.cells[index]))
    return 0


def _dialect(options: argparse.Namespace) -> Dialect:
    dialect = DIALECTS[options.dialect]
    if options.magic:
        dialect = replace(dialect, prefix=options.magic, name=f"{dialect.name}-other")
    return dialect.with_every(options.every) if options.every > 1 else dialect


def _every(text: str) -> int:
    return {"second": 2, "third": 3}.get(text) or int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.notebooks", description=__doc__)
    add = parser.add_argument
    add("--only", default="*", metavar="PATTERN", help="notebooks by name, such as 'seaborn/*'")
    add("--subset", action="store_true", help="just those that the test runs")
    add("--sample", type=int, default=0, metavar="N", help="N of them, by chance, always the same")
    add("--list", action="store_true", help="tell what there is, and run nothing")
    add("--show", metavar="NAME:CELLS", help="run a notebook; show cells as 3,5 side by side")
    add("--dialect", choices=sorted(DIALECTS), default="remote", help="how the cells run away")
    add(
        "--magic",
        metavar="LINE",
        help="another line over each cell, such as '%%%%remote --ranks 2'",
    )
    add("--every", type=_every, default=1, metavar="N", help="only every N-th (or 'second') cell")
    add("--python", default=sys.executable, help="the interpreter of the kernels")
    add("--jobs", type=int, default=2, help="kernels at a time")
    add("--cell-limit", type=int, default=60, metavar="S", help="seconds for a cell")
    add("--notebook-limit", type=int, default=180, metavar="S", help="seconds for a notebook")
    add("--fresh", action="store_true", help="run at home again, too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
