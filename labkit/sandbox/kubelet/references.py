"""Names of images, read as the kubelet and containerd read them (github.com/distribution/reference)."""

import re
from dataclasses import dataclass

DEFAULT_REGISTRY, OFFICIAL = "docker.io", "library"

_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_REGISTRY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}")
_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}
"""Hexadecimal digits of a digest."""

LONGEST = 255
"""Characters of a repository's name."""


class UnreadableError(ValueError):
    """A name that no runtime can read."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """An image by its full name."""

    repository: str
    """With its registry: ``docker.io/library/nginx``."""

    tag: str = ""
    """``latest`` where neither tag nor digest is given."""

    digest: str = ""

    @property
    def registry(self) -> str:
        """``docker.io``."""
        return self.repository.partition("/")[0]

    def __str__(self) -> str:
        return self.repository + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def parse(image: str) -> Reference:
    """``nginx`` gives ``docker.io/library/nginx:latest``; UnreadableError for what no runtime can read."""
    name, has_digest, digest = image.partition("@")
    head, slash, last = name.rpartition("/")
    last, has_tag, tag = last.partition(":")
    name = head + slash + last
    registry, path = _split(name)
    if path.lower() != path and _PATH.fullmatch(path.lower()):
        raise UnreadableError(f"invalid reference format: repository name ({path}) must be lowercase")
    is_digest = bool(_DIGEST.fullmatch(digest)) and len(digest.partition(":")[2]) == _LENGTHS.get(
        digest.partition(":")[0]
    )
    is_fine = _REGISTRY.fullmatch(registry) and _PATH.fullmatch(path)
    if not is_fine or (has_tag and not _TAG.fullmatch(tag)) or (has_digest and not is_digest):
        raise UnreadableError("invalid reference format")
    if len(path) > LONGEST:
        raise UnreadableError(f"repository name must not be more than {LONGEST} characters")
    return Reference(repository=f"{registry}/{path}", tag=tag or ("" if digest else "latest"), digest=digest)


def _split(name: str) -> tuple[str, str]:
    """Registry and path: the first part is a registry only if it looks like a host."""
    first, slash, rest = name.partition("/")
    if not slash or not (set(".:") & set(first) or first == "localhost" or first.lower() != first):
        registry, path = DEFAULT_REGISTRY, name
    else:
        registry, path = first, rest
    if registry == "index.docker.io":
        registry = DEFAULT_REGISTRY
    if registry == DEFAULT_REGISTRY and "/" not in path:
        path = f"{OFFICIAL}/{path}"
    return registry, path
