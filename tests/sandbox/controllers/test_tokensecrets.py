"""Secrets that ask for the token of a service account."""

import base64

from labkit.kube import resources
from labkit.sandbox.controllers.tokensecrets import NAME, TYPE, UID

SECRETS, ACCOUNTS = resources.SECRETS, resources.SERVICE_ACCOUNTS


def secret(account):
    return {"metadata": {"name": "token", "annotations": {NAME: account}}, "type": TYPE}


def test_a_secret_gets_a_token_that_works_and_goes_with_its_account(place, plane):
    account = place.create(ACCOUNTS, {"metadata": {"name": "robot"}})
    place.create(SECRETS, secret("robot"))
    stored = place.until(SECRETS, "token", lambda s: "token" in (s.get("data") or {}))
    assert stored["metadata"]["annotations"][UID] == resources.uid_of(account)
    data = {key: base64.b64decode(value).decode() for key, value in stored["data"].items()}
    assert data["namespace"] == place.name
    assert "BEGIN CERTIFICATE" in data["ca.crt"]
    review = {"metadata": {}, "spec": {"token": data["token"]}}
    user = plane.client.create(resources.TOKEN_REVIEWS, review)["status"]["user"]["username"]
    assert user == f"system:serviceaccount:{place.name}:robot"
    place.client.delete(ACCOUNTS, "robot", place.name)
    place.until_gone(SECRETS, "token")


def test_a_secret_of_nobody_goes(place):
    place.create(SECRETS, secret("nobody"))
    place.until_gone(SECRETS, "token")
