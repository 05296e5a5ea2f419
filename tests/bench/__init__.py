"""``python -m tests.bench``: how fast farcell is, beside its peers, in one run on one machine.

Each measuring program (``floors``, ``farcell_notebook``, ``ray_peer`` …) runs in a process of its
own, under the interpreter that has what it measures, and prints a line of JSON for each sample.
The driver runs them round by round, so that a machine that slows down slows all of them down,
and writes medians, spreads and ratios to ``BENCHMARKS.md``.
"""
