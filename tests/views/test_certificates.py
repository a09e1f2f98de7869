"""The certificate viewer on fakes: what is left of each life, and rotations as they are seen."""

import datetime

import pytest

from labkit.base import errors
from labkit.telemetry.certificates import OWN, Certificate, Held
from labkit.views import certificates

NOW = datetime.datetime(2026, 11, 30, 12, tzinfo=datetime.UTC)


def certificate(serial="aa11", *, left=40.0, subject="spiffe://cluster.local/ns/default/sa/cart"):
    begins, ends = NOW - datetime.timedelta(minutes=2, seconds=20), NOW + datetime.timedelta(seconds=left)
    return Certificate(subject=subject, issuer="O=cluster.local", serial=serial, begins=begins, ends=ends)


ROOT = certificate("root", left=86400.0 * 400, subject="O=cluster.local")


def held(*serials, **options):
    return [
        Held(proxy=f"cart-{n}", name=OWN, chain=[certificate(s, **options)], roots=[ROOT])
        for n, s in enumerate(serials)
    ]


def view(*looks):
    """A view that is shown one list of entries after the other, and the last one from then on."""
    left = list(looks)
    return certificates.CertificateView(
        lambda: left.pop(0) if len(left) > 1 else left[0], every=None, clock=lambda: NOW
    )


def test_a_row_says_who_by_whom_and_for_how_long():
    (row,) = view(held("aa11")).look().rows
    assert (row["identity"], row["issuer"]) == ("spiffe://cluster.local/ns/default/sa/cart", "O=cluster.local")
    assert (row["left"], row["life"], row["rotations"]) == (40.0, 60.0, 0)
    assert [link["subject"] for link in row["chain"]] == [row["identity"], "O=cluster.local"]


def test_another_serial_is_a_rotation():
    shown = view(held("aa11"), held("aa11"), held("bb22"), held("cc33"))
    counts = [shown.look().rows[0]["rotations"] for _ in range(4)]
    assert counts == [0, 0, 1, 2]


def test_it_waits_until_every_certificate_is_another_one():
    shown = view(held("a", "b"), held("c", "b"), held("c", "d")).look()
    assert shown.until_rotated(timeout=5.0) == 2


def test_a_certificate_that_stays_is_named_by_the_error():
    with pytest.raises(errors.NotReadyError, match="SECRET_TTL"):
        view(held("a")).look().until_rotated(timeout=0.0)


def test_the_table_twin_and_the_static_form_say_the_same():
    shown = view(held("aa11", left=-1.0)).look()
    assert list(shown.table()["left"]) == ["expired"]
    assert "expired" in shown.static_html() and "sa/cart" in repr(shown)


def test_what_cannot_be_read_is_said_and_the_rows_stay():
    def fails():
        raise errors.LabError("the Envoy of cart does not answer")

    shown = view(held("aa11")).look()
    shown._read = fails
    assert (shown.look().message, len(shown.rows)) == ("the Envoy of cart does not answer", 1)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-1, "expired"), (59, "59 s"), (119, "119 s"), (180, "3 min"), (86000, "24 h"), (864000, "10 d")],
)
def test_times_are_told_in_their_unit(seconds, words):
    assert certificates._time(seconds) == words
