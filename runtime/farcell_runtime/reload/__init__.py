"""Edits of modules, taken by the objects that live in a process.

In: what changed files say now. Out: functions and classes that are the objects they were, with new
code, or an error and all as it was. No files are watched here, and nobody else is told.
"""

from farcell_runtime.reload.code import Code, Prepared
from farcell_runtime.reload.edit import Edit, File

__all__ = ["Code", "Edit", "File", "Prepared"]
