"""A recording of answers: a folder, or a ``.tar.xz`` of one. Its files are read, never executed."""

import gzip
import json
import lzma
import tarfile
from functools import cached_property
from pathlib import Path
from typing import Any

from labkit.base import errors

ARCHIVE = ".tar.xz"


class Recording:
    """The files of a recording by their path inside it; a file may also lie there as ``path.gz``."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def paths(self, under: str = "") -> list[str]:
        """The files whose path begins so, without ``.gz``."""
        names = self._members if self._is_archive else self._files
        return sorted(name.removesuffix(".gz") for name in names if name.startswith(under))

    def text(self, path: str) -> str:
        """A file's text; SetupError where it is missing or damaged."""
        try:
            return self._bytes(path).decode()
        except (KeyError, FileNotFoundError) as e:
            raise self.refusal(f"{path} is missing") from e
        except (OSError, EOFError, UnicodeDecodeError) as e:
            raise self.refusal(f"{path} cannot be read: {e}") from e

    def json(self, path: str) -> Any:
        """A file's JSON."""
        try:
            return json.loads(self.text(path))
        except json.JSONDecodeError as e:
            raise self.refusal(f"{path} is not JSON: {e}") from e

    def json_lines(self, path: str) -> list[Any]:
        """A file with one JSON value a line."""
        try:
            return [json.loads(line) for line in self.text(path).splitlines()]
        except json.JSONDecodeError as e:
            raise self.refusal(f"{path} is not one JSON value a line: {e}") from e

    def refusal(self, problem: str) -> errors.SetupError:
        """What is wrong with the recording."""
        return errors.SetupError(
            f"{self.place} is not a recording of answers: {problem}.",
            next_step="name a folder or archive like tests/answers/istio.tar.xz: ./lab conformance --answers PLACE",
        )

    @property
    def _is_archive(self) -> bool:
        return self.place.name.endswith(ARCHIVE)

    def _bytes(self, path: str) -> bytes:
        if self._is_archive:
            return self._members[path]
        file = self._on_disk(path)
        return gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()

    def _on_disk(self, path: str) -> Path:
        plain = self.place / path
        packed = plain.with_name(f"{plain.name}.gz")
        return packed if packed.is_file() and not plain.is_file() else plain

    @cached_property
    def _files(self) -> list[str]:
        return [p.relative_to(self.place).as_posix() for p in self.place.rglob("*") if p.is_file()]

    @cached_property
    def _members(self) -> dict[str, bytes]:
        try:
            with tarfile.open(self.place, "r:xz") as archive:
                return {m.name: file.read() for m in archive if (file := archive.extractfile(m))}
        except (OSError, tarfile.TarError, lzma.LZMAError, EOFError) as e:
            raise self.refusal(f"it cannot be unpacked: {e}") from e
