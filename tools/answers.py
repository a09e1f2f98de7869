#!/usr/bin/env python3
"""Pack recorded answers into an archive of tests/answers: ``tools/answers.py FOLDER tests/answers/istio.tar.xz``.

Compressed members are unpacked first: xz then sees that most bodies of one case stand in another, and takes a tenth of
their size. Programs that lie beside the answers stay outside. The same folder gives the same archive, byte by byte.
"""

import argparse
import gzip
import io
import lzma
import tarfile
from pathlib import Path

KEPT = {".json", ".jsonl", ".yaml", ".tsv"}


def main() -> None:
    """Read the command line, write the archive, say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--without", action="append", default=[], metavar="NAME", help="leave a subfolder out")
    arguments = parser.parse_args()
    files = members(arguments.folder, without=set(arguments.without))
    arguments.archive.write_bytes(packed(files))
    print(f"{arguments.archive}: {len(files)} files, {arguments.archive.stat().st_size / 1024:.0f} KiB")


def members(folder: Path, *, without: set[str]) -> dict[str, bytes]:
    """Name in the archive → content."""
    files = {}
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder)
        content = path.read_bytes() if path.is_file() else b""
        name = inner.as_posix()
        if path.suffix == ".gz":
            name, content = name.removesuffix(".gz"), gzip.decompress(content)
        if Path(name).suffix in KEPT and path.is_file() and inner.parts[0] not in without:
            files[name] = content
    return files


def packed(files: dict[str, bytes]) -> bytes:
    """A tar of plain files, compressed."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return lzma.compress(plain.getvalue(), preset=9 | lzma.PRESET_EXTREME)


if __name__ == "__main__":
    main()
