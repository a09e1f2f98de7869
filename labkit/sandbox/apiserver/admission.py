"""Hooks around every write, in their order."""

from labkit.sandbox.apiserver import (
    admissionpolicies,
    crds,
    escalation,
    limitranges,
    limits,
    namespaces,
    podadmission,
    podsecurity,
    quotas,
    services,
    storageclasses,
    webhooks,
)
from labkit.sandbox.apiserver.authorization import Authorizer
from labkit.sandbox.apiserver.core import Core


def install(core: Core, authorizer: Authorizer, limited: limits.Limits) -> webhooks.Webhooks:
    """Give the core its hooks; who installs them closes the webhooks."""
    lifecycle = namespaces.Lifecycle(core)
    pods = podadmission.PodDefaults(core)
    addresses = services.Addresses(core)
    ranges = limitranges.LimitRanger(core)
    classes = storageclasses.DefaultClass(core)
    called = webhooks.Webhooks(core)
    core.mutating += [
        limited.warn,
        escalation.Escalation(authorizer).check,
        lifecycle.check,
        lifecycle.prepare,
        addresses.carry,
        crds.check,
        crds.prepare,
        ranges.fill,
        pods.account,
        pods.priority,
        pods.tolerations,
        classes.fill,
        pods.runtime,
        called.mutate,
        # Once more, for the containers that a webhook put in (a real server invokes its plug-ins again too).
        ranges.fill,
        pods.account,
        pods.status,
    ]
    policies = admissionpolicies.AdmissionPolicies(core, authorizer)
    core.validating += [ranges.check, podsecurity.PodSecurity(core).check, policies.check, called.validate]
    core.finishing += [quotas.Quotas(core).charge, addresses.allocate, limited.record]
    return called
