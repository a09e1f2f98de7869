"""Quantities have one canonical form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.sandbox.apiserver.objects import quantities


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("1000m", "1"),
        ("0.5", "500m"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("1e3", "1e3"),
        ("100u", "100u"),
        ("0", "0"),
        ("-1", "-1"),
        ("1Ki", "1Ki"),
        ("5.", "5"),
    ],
)
def test_a_quantity_is_written_canonically(text: str, canonical: str) -> None:
    assert quantities.canonical(text) == canonical


@pytest.mark.parametrize("text", ["lots", "", "1 Gi", "1.2.3", "1ki"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"quantit|numeric"):
        quantities.parse(text)


@given(st.integers(-(10**12), 10**12), st.sampled_from(["", "m", "k", "M", "Ki", "Mi", "Gi", "e3"]))
def test_the_canonical_form_keeps_the_value(number: int, suffix: str) -> None:
    text = f"{number}{suffix}"
    again = quantities.parse(quantities.canonical(text))
    assert again.value == quantities.parse(text).value
    assert str(again) == quantities.canonical(text)
