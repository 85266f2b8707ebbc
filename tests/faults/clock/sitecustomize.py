"""A wall clock that can be stepped: Python loads this before the web worker's first line (see house.py).

What asks ``time.time`` and ``time.time_ns`` gets the real time and the offset that stands in a file of
eight bytes; the monotonic clock and ``datetime.now`` stay as they are.
"""

import mmap
import os
import struct
import time

with open(os.environ["FAULTS_CLOCK"], "rb") as file:  # noqa: PTH123 - pathlib would be loaded in every process
    _offset = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)

_real = time.time_ns


def _stepped() -> int:
    return _real() + int(struct.unpack("q", _offset)[0])


time.time_ns = _stepped
time.time = lambda: _stepped() / 1e9
