"""Envoy linked to a fixed address, once, on disk.

Envoy is position-independent: at each start the dynamic loader reads a table of 9 MB and writes 363,000 addresses into
4 MB, which no two Envoys share then. In the copy made here the addresses are written already and the table is not read,
which saves 30 MB for seven Envoys. prelink(8) did the same for all programs. Where anything about the file is unknown,
the original runs.

Formats: the System V ABI (gABI), chapters 4 and 5; relocation types of the x86-64 and AArch64 supplements.
"""

import contextlib
import mmap
import os
import shutil
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BASE = 0x400000
"""Where programs of a fixed address begin by convention; a multiple of every page size in use."""

FOLDER = Path(sys.prefix) / "libexec" / "labkit"
"""Where linked copies lie: with the packages, which every container sees."""

RELATIVE = {62: 8, 183: 1027}
"""By machine (x86-64, AArch64): the relocation that adds the program's address to a number."""

FIXED, POSITION_INDEPENDENT = 2, 3
LOAD, DYNAMIC, STACK = 1, 2, 0x6474E551
DYNAMIC_SYMBOLS, UNDEFINED, ABSOLUTE, THREAD_LOCAL = 11, 0, 0xFFF1, 6

RELA, RELA_SIZE, RELATIVE_COUNT, FLAGS_1 = 7, 8, 0x6FFFFFF9, 0x6FFFFFFB
IS_POSITION_INDEPENDENT = 0x08000000
POINTERS = frozenset({3, 4, 5, 6, 7, 12, 13, 23, 25, 26, 32, 0x6FFFFEF5, 0x6FFFFFF0, 0x6FFFFFFC, 0x6FFFFFFE})
"""Entries of the dynamic section that are addresses."""

NUMBERS = frozenset(
    {1, 2, 8, 9, 10, 11, 20, 21, 24, 27, 28, 30, 33, 0x6FFFFEF8, 0x6FFFFFF9, 0x6FFFFFFB, 0x6FFFFFFD, 0x6FFFFFFF}
)
"""Entries that are none. 21 is the debugger's, which the loader fills in."""

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_PROGRAM = struct.Struct("<IIQQQQQQ")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_ENTRY = struct.Struct("<QQ")
_RELOCATION = struct.Struct("<QQq")
_SYMBOL = struct.Struct("<IBBHQQ")
_WORD = struct.Struct("<Q")


class UnknownFormatError(Exception):
    """The file has something that is not understood here."""


@dataclass(frozen=True, kw_only=True)
class _Segment:
    at: int
    """The header's place in the file."""

    kind: int
    offset: int
    address: int
    size: int


def place(program: Path, folder: Path = FOLDER) -> Path:
    """Where the linked copy of a program lies, known by size and time: another version has another place."""
    facts = program.stat()
    return folder / f"{facts.st_size:x}-{facts.st_mtime_ns:x}" / program.name


def prepare(program: Path, folder: Path = FOLDER) -> None:
    """Make the linked copy of a program unless it is there; nothing where that cannot be."""
    with contextlib.suppress(OSError, UnknownFormatError, struct.error):
        copy = place(program, folder)
        if copy.exists() or sys.platform != "linux":
            return
        shutil.rmtree(folder, ignore_errors=True)
        copy.parent.mkdir(parents=True)
        draft = copy.with_name(f".{copy.name}-{os.getpid()}")
        try:
            shutil.copyfile(program, draft)
            link(draft)
            draft.chmod(0o755)
            draft.replace(copy)
        finally:
            draft.unlink(missing_ok=True)


def link(program: Path) -> None:
    """Give a position-independent program its fixed address; UnknownFormatError before anything is written."""
    with program.open("r+b") as file, mmap.mmap(file.fileno(), 0) as image:
        _Linking(image).run()


class _Linking:
    """One program's file in memory."""

    def __init__(self, image: mmap.mmap) -> None:
        self._image = image
        ident, kind, machine, _, _, self._programs, self._sections, *_, count, _, sections, _ = _HEADER.unpack_from(
            image
        )
        # 64 bits, little-endian
        if ident[:6] != b"\x7fELF\2\1" or kind != POSITION_INDEPENDENT or machine not in RELATIVE:
            raise UnknownFormatError(f"kind {kind}, machine {machine}")
        self._relative = RELATIVE[machine]
        self._segments = list(self._read_segments(count))
        self._section_count = sections
        self._loads = [s for s in self._segments if s.kind == LOAD]
        (dynamic,) = (s for s in self._segments if s.kind == DYNAMIC)
        self._dynamic = list(self._read_dynamic(dynamic))
        values = {tag: value for _, tag, value in self._dynamic}
        if unknown := values.keys() - POINTERS - NUMBERS:
            raise UnknownFormatError(f"dynamic entries {sorted(map(hex, unknown))}")
        try:
            self._table, self._table_size, self._count = (values[t] for t in (RELA, RELA_SIZE, RELATIVE_COUNT))
            self._calls, self._calls_size = values[23], values[2]
        except KeyError as e:
            raise UnknownFormatError(f"no dynamic entry {e}") from e

    def run(self) -> None:
        symbols = list(self._symbols())
        rest = self._count * _RELOCATION.size
        self._write_addresses(rest)
        self._move_relocations(self._table + rest, self._table_size - rest)
        self._move_relocations(self._calls, self._calls_size)
        for at in symbols:
            self._add(at)
        self._write_dynamic(rest)
        for segment in self._segments:
            if segment.kind != STACK:
                self._add(segment.at + 16)
                self._add(segment.at + 24)
        struct.pack_into("<H", self._image, 16, FIXED)
        self._add(24)  # where it begins to run

    def _read_segments(self, count: int) -> Iterator[_Segment]:
        for number in range(count):
            at = self._programs + number * _PROGRAM.size
            kind, _, offset, address, _, size, _, _ = _PROGRAM.unpack_from(self._image, at)
            yield _Segment(at=at, kind=kind, offset=offset, address=address, size=size)

    def _read_dynamic(self, segment: _Segment) -> Iterator[tuple[int, int, int]]:
        for at in range(segment.offset, segment.offset + segment.size, _ENTRY.size):
            tag, value = _ENTRY.unpack_from(self._image, at)
            if tag == 0:
                return
            yield at, tag, value

    def _symbols(self) -> Iterator[int]:
        """Where the addresses of the symbols stand that the program itself defines."""
        for number in range(self._section_count):
            section = _SECTION.unpack_from(self._image, self._sections + number * _SECTION.size)
            if section[1] != DYNAMIC_SYMBOLS:
                continue
            for at in range(section[4], section[4] + section[5], _SYMBOL.size):
                _, info, _, where, _, _ = _SYMBOL.unpack_from(self._image, at)
                if where not in (UNDEFINED, ABSOLUTE) and info & 15 != THREAD_LOCAL:
                    yield at + 8
            return
        raise UnknownFormatError("no dynamic symbols")

    def _write_addresses(self, size: int) -> None:
        begin = self._offset(self._table)
        table = self._image[begin : begin + size]
        if any(info != self._relative for _, info, _ in _RELOCATION.iter_unpack(table)):
            raise UnknownFormatError("other relocations among the relative ones")
        spans = [(s.address, s.address + s.size, s.offset - s.address) for s in self._loads]
        image, pack = self._image, _WORD.pack_into
        low = high = shift = 0
        for address, _, number in _RELOCATION.iter_unpack(table):
            if not low <= address < high:
                low, high, shift = next(span for span in spans if span[0] <= address < span[1])
            pack(image, address + shift, number + BASE)

    def _move_relocations(self, address: int, size: int) -> None:
        begin = self._offset(address)
        for at in range(begin, begin + size, _RELOCATION.size):
            self._add(at)

    def _write_dynamic(self, done: int) -> None:
        for at, tag, value in self._dynamic:
            changed = {
                RELA: value + done,
                RELA_SIZE: value - done,
                RELATIVE_COUNT: 0,
                FLAGS_1: value & ~IS_POSITION_INDEPENDENT,
            }.get(tag, value)
            _ENTRY.pack_into(self._image, at, tag, changed + BASE if tag in POINTERS else changed)

    def _add(self, at: int) -> None:
        (value,) = _WORD.unpack_from(self._image, at)
        _WORD.pack_into(self._image, at, value + BASE)

    def _offset(self, address: int) -> int:
        for segment in self._loads:
            if segment.address <= address < segment.address + segment.size:
                return segment.offset + address - segment.address
        raise UnknownFormatError(f"nothing at {address:#x}")
