"""The admission plug-in ``ResourceQuota``: the last check of a write, which takes what it allows at once."""

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import amounts, quota_usage, refusing
from labkit.sandbox.apiserver.amounts import Amounts
from labkit.sandbox.apiserver.calls import Call
from labkit.sandbox.apiserver.core import Core

QUOTAS = "/resourcequotas"
CHANGING = ("/services", "/persistentvolumeclaims")
"""Kinds whose objects may use more after an update."""


class Quotas:
    """Charges new objects to the quotas of their namespace."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def charge(self, call: Call, new: Object, old: Object | None) -> Object:
        """Count an object that is about to be stored; 403 where a quota has too little left."""
        key = call.served.key
        if not call.namespace or call.subresource or (old is not None and key not in CHANGING):
            return new
        quotas = [item.object for item in self._core.store.table(QUOTAS).items(call.namespace)]
        # A quota never stands in its own way before it has been counted for the first time.
        quotas = [quota for quota in quotas if quota_usage.is_about(quota, key, new)]
        charged = [(quota, more) for quota in quotas if (more := self._more(call, quota, new, old))]
        if not call.dry_run:
            for quota, more in charged:
                self._write(quota, more)
        return new

    def _more(self, call: Call, quota: Object, new: Object, old: Object | None) -> Amounts:
        """What a quota's use grows by."""
        key, name = call.served.key, quota["metadata"]["name"]
        status = quota.get("status") or {}
        hard, used = amounts.read(status.get("hard")), amounts.read(status.get("used"))
        counted = sorted(n for n in quota["spec"].get("hard") or {} if quota_usage.is_counted(key, n))
        if key == "/pods" and (text := quota_usage.lacking(quota, new)):
            raise self._refusal(call, f"failed quota: {name}: {text}")
        if any(n not in used or n not in hard for n in counted):
            raise self._refusal(call, f"status unknown for quota: {name}, resources: {','.join(counted)}")
        before = quota_usage.usage(key, old) if old is not None and quota_usage.is_about(quota, key, old) else {}
        more = {}
        for resource, value in quota_usage.usage(key, new).items():
            grown = value.value - before.get(resource, amounts.NONE).value
            if grown > 0 and resource in hard:
                more[resource] = value._replace(value=grown)
        over = sorted(n for n, value in more.items() if used[n].value + value.value > hard[n].value)
        if over:
            parts = [",".join(f"{n}={column[n]}" for n in over) for column in (more, used, hard)]
            text = f"exceeded quota: {name}, requested: {parts[0]}, used: {parts[1]}, limited: {parts[2]}"
            raise self._refusal(call, text)
        return more

    def _write(self, quota: Object, more: Amounts) -> None:
        served = self._core.registry.of_key(QUOTAS)
        assert served is not None
        used = amounts.total([amounts.read(quota["status"]["used"]), more])
        status = {**quota["status"], "used": amounts.written(used)}
        self._core.put(served, {**quota, "metadata": dict(quota["metadata"]), "status": status})

    def _refusal(self, call: Call, why: str) -> Exception:
        return refusing.forbidden(call.served.group, call.served.plural, call.name, why)
