"""Principals under the mesh's trust domain and its aliases: who has one identity may have it under each of them."""

from collections.abc import Iterator, Sequence


def with_aliases(principals: Sequence[str], domains: Sequence[str]) -> list[str]:
    """The principals, each that names one of the mesh's trust domains once for every domain."""
    return [alias for principal in principals for alias in _aliases(principal, domains)]


def _aliases(principal: str, domains: Sequence[str]) -> Iterator[str]:
    named, _, rest = principal.partition("/")
    # ``<domain>/ns/<namespace>/sa/<account>``: of any other form the domain is not told.
    is_whole = principal.count("/") == 4 and named != "*"
    if not is_whole or not any(_fits(named, domain) for domain in domains):
        yield principal
        return
    for domain in domains:
        is_pattern_of_it = named.startswith("*") and domain.endswith(named[1:])
        yield principal if is_pattern_of_it else f"{domain}/{rest}"


def _fits(named: str, domain: str) -> bool:
    if named.startswith("*"):
        return domain.endswith(named[1:])
    return domain.startswith(named[:-1]) if named.endswith("*") else named == domain
