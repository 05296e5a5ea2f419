"""Arrays that are views of each other: pickled together, they stay so."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

_View = tuple[Any, int, tuple[int, ...], tuple[int, ...], Any, bool]


class Roots:
    """The arrays among some values, of which others may be views.

    NumPy pickles a view as an array of its own: what is written to one is not seen in the other
    any more. A view of an array that travels in the same pickle is told as such instead.
    """

    def __init__(self, values: Iterable[Any]) -> None:
        numpy: Any = sys.modules.get("numpy")
        self._roots: list[tuple[int, int, Any]] = []
        self._kind: Any = None
        if numpy is None:
            return
        for value in values:
            if type(value) is numpy.ndarray and value.nbytes and not value.dtype.hasobject:
                start, end = _bounds(value)
                # Only memory without gaps is sent as it lies.
                if value.flags.c_contiguous:
                    self._roots.append((start, end, value))
        self._roots.sort(key=lambda root: root[0] - root[1])  # the largest first
        self._kind = numpy.ndarray

    def reduced(self, array: Any) -> tuple[Any, ...] | None:
        """What ``array`` is to be rebuilt from, if it is a view of one of the others."""
        if not self._roots or type(array) is not self._kind or not array.nbytes:
            return None
        start, end = _bounds(array)
        for root_start, root_end, root in self._roots:
            if root is array:
                return None  # the largest, or the first of several of one size
            if root_start <= start and end <= root_end:
                view: _View = (
                    root,
                    array.__array_interface__["data"][0] - root_start,
                    array.shape,
                    array.strides,
                    array.dtype,
                    array.flags.writeable,
                )
                return _as_view, view
        return None


def _bounds(array: Any) -> tuple[int, int]:
    """The addresses at which the memory of ``array`` begins and ends."""
    start = end = array.__array_interface__["data"][0]
    for length, stride in zip(array.shape, array.strides, strict=True):
        if stride < 0:
            start += (length - 1) * stride
        else:
            end += (length - 1) * stride
    return start, end + array.itemsize


def _as_view(
    root: Any,
    offset_bytes: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    dtype: Any,
    writeable: bool,
) -> Any:
    view = type(root)(shape, dtype, root, offset_bytes, strides)
    if not writeable:
        view.flags.writeable = False
    return view
