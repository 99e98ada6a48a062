"""What a shared library of ELF with 64 bits asks of its loader, and what it holds."""

import struct
from typing import NamedTuple

LOAD, DYNAMIC, STACK = 1, 2, 0x6474E551  # segments
EXECUTABLE, WRITABLE = 1, 2
NEEDED, STRTAB, SYMTAB, RPATH, TEXTREL, FLAGS, RUNPATH = 1, 5, 6, 15, 22, 30, 29
INIT, FINI, INIT_ARRAY, FINI_ARRAY = 12, 13, 25, 26
TEXTREL_FLAG = 4
MACHINE_AT = 18  # where the number of the machine stands


class Symbol(NamedTuple):
    name: str
    is_defined: bool
    start: int
    size: int


class Segment(NamedTuple):
    kind: int
    flags: int
    offset: int
    start: int
    size: int


class Library:
    """A file that a dynamic loader can load."""

    def __init__(self, data):
        assert data[:6] == b"\x7fELF\2\1", "64 bits, little-endian"
        (headers,) = struct.unpack_from("<Q", data, 32)
        size, count = struct.unpack_from("<HH", data, 54)
        self._data = data
        self.segments = [self._segment(headers + k * size) for k in range(count)]
        (dynamic,) = (s for s in self.segments if s.kind == DYNAMIC)
        self.tags = []
        for tag, value in struct.iter_unpack("<qQ", self._at(dynamic.start, dynamic.size)):
            if not tag:
                break
            self.tags.append((tag, value))

    def values(self, tag):
        return [value for found, value in self.tags if found == tag]

    def texts(self, tag):
        return list(map(self._text, self.values(tag)))

    def symbols(self):
        """All that others may see, or that others must have."""
        (table,), (names,) = self.values(SYMTAB), self.values(STRTAB)
        assert table < names, "as all linkers lay them out"
        entries = self._at(table, (names - table) // 24 * 24)
        for name, _, _, section, start, size in struct.iter_unpack("<IBBHQQ", entries):
            if name:
                yield Symbol(self._text(name), section != 0, start, size)

    def _segment(self, place):
        kind, flags, offset, start, _, size = struct.unpack_from("<IIQQQQ", self._data, place)
        return Segment(kind, flags, offset, start, size)

    def _at(self, start, size):
        (load,) = (
            s for s in self.segments if s.kind == LOAD and s.start <= start < s.start + s.size
        )
        place = start - load.start + load.offset
        return self._data[place : place + size]

    def _text(self, place):
        (names,) = self.values(STRTAB)
        return self._at(names + place, 4096).partition(b"\0")[0].decode()
