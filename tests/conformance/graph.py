"""What names hold, as text: their values, and which of them are one object or share memory.

It is imported by the tests and by the kernels and workers that they ask, so nothing here needs
anything but NumPy.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any

import numpy as np


def graph(names: Mapping[str, Any]) -> str:
    """One line an object, each told once: equal texts are equal values, shared alike."""
    return "\n".join(_Graph().lines(names))


class _Graph:
    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._alive: list[Any] = []  # so that no id is used twice
        self._arrays: list[tuple[int, Any]] = []
        self._lines: list[str] = []

    def lines(self, names: Mapping[str, Any]) -> list[str]:
        self._lines = [f"{name} = {self._told(names[name])}" for name in sorted(names)]
        told = 0
        while told < len(self._alive):
            self._lines.append(f"#{told}: {self._parts(self._alive[told], told)}")
            told += 1
        return self._lines

    def _told(self, value: Any) -> str:
        if value is None or isinstance(value, (int, float, str, bytes, np.generic)):
            return repr(value)
        if id(value) not in self._numbers:
            self._numbers[id(value)] = len(self._alive)
            self._alive.append(value)
        return f"#{self._numbers[id(value)]}"

    def _parts(self, value: Any, number: int) -> str:
        kind = type(value).__name__
        match value:
            case list() | tuple():
                return f"{kind} {', '.join(map(self._told, value))}"
            case set() | frozenset():
                return f"{kind} {sorted(value, key=repr)}"
            case dict():
                return ", ".join(f"{key!r}: {self._told(part)}" for key, part in value.items())
            case bytearray():
                return repr(value)
            case np.ndarray():
                return self._array(value, number)
            case types.FunctionType():
                held = [self._told(cell.cell_contents) for cell in value.__closure__ or ()]
                return f"function {value.__name__}({', '.join(held)})"
            case types.MethodType() | types.BuiltinFunctionType():
                return f"method {value.__name__} of {self._told(value.__self__)}"
            case type():
                return f"class {value.__name__}"
            case _:
                inner = {"type": type(value), **vars(value)}
                held = [f"{name}={self._told(part)}" for name, part in inner.items()]
                return f"instance {', '.join(held)}"

    def _array(self, array: Any, number: int) -> str:
        """Its numbers, and which of those told before it shares memory with."""
        place = array.__array_interface__["data"][0]
        shares = [
            f"#{other} at {place - one.__array_interface__['data'][0]}"
            for other, one in self._arrays
            if np.shares_memory(one, array)
        ]
        self._arrays.append((number, array))
        # More than a megabyte of text is shown in part (docs/limits.md, Output).
        values = array.tolist() if array.size < 20 else f"{array.shape} {array.sum()}"
        return f"array {array.dtype} {values} shares {', '.join(shares) or 'nothing'}"
