"""Refusals are told apart by their class."""

import pytest

from labkit.kube import status


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (404, "NotFound", status.NotFound),
        (409, "AlreadyExists", status.AlreadyExists),
        (409, "Conflict", status.Conflict),
        (410, "Expired", status.Expired),
        (422, "Invalid", status.Invalid),
        (400, None, status.StatusError),
    ],
)
def test_the_class_follows_code_and_reason(code, reason, kind):
    error = status.error_of({"code": code, "reason": reason, "message": "no"})
    assert type(error) is kind
    assert (error.code, str(error)) == (code, "no")
