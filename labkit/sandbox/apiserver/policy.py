"""The roles that every cluster has, and who holds them."""

from collections.abc import Mapping, Sequence

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import users
from labkit.sandbox.apiserver.authorization import GROUP

READ, WRITE = "get list watch", "create delete deletecollection patch update"
EVERYTHING = f"{READ} {WRITE}"

Rules = Sequence[tuple[str, str, str]]
"""``(verbs, API group, resources)``, words apart by blanks; a group ``/`` means paths."""

_HEALTH = "/healthz /livez /readyz /version /version/"

_VIEW: Rules = (
    (
        READ,
        "core",
        "bindings configmaps endpoints events limitranges namespaces namespaces/status persistentvolumeclaims"
        " persistentvolumeclaims/status pods pods/log pods/status replicationcontrollers replicationcontrollers/scale"
        " replicationcontrollers/status resourcequotas resourcequotas/status serviceaccounts services services/status",
    ),
    (
        READ,
        "apps",
        "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets"
        " replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status",
    ),
    (READ, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"),
    (READ, "batch", "cronjobs cronjobs/status jobs jobs/status"),
    (READ, "discovery.k8s.io", "endpointslices"),
    (READ, "networking.k8s.io", "ingresses ingresses/status networkpolicies"),
    (READ, "policy", "poddisruptionbudgets poddisruptionbudgets/status"),
)
_EDIT: Rules = (
    *_VIEW,
    (READ, "core", "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy"),
    ("impersonate", "core", "serviceaccounts"),
    (
        WRITE,
        "core",
        "configmaps events persistentvolumeclaims pods pods/attach pods/exec pods/portforward pods/proxy"
        " replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy",
    ),
    ("create", "core", "pods/eviction serviceaccounts/token"),
    (
        WRITE,
        "apps",
        "daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets"
        " statefulsets/scale",
    ),
    (WRITE, "autoscaling", "horizontalpodautoscalers"),
    (WRITE, "batch", "cronjobs jobs"),
    (WRITE, "networking.k8s.io", "ingresses networkpolicies"),
    (WRITE, "policy", "poddisruptionbudgets"),
    (EVERYTHING, "coordination.k8s.io", "leases"),
)
_ADMIN: Rules = (
    *_EDIT,
    (EVERYTHING, GROUP, "rolebindings roles"),
    ("create", "authorization.k8s.io", "localsubjectaccessreviews"),
)

ROLES: Mapping[str, Rules] = {
    "admin": _ADMIN,
    "cluster-admin": (("*", "*", "*"), ("*", "/", "*")),
    "edit": _EDIT,
    "system:basic-user": (
        ("create", "authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews"),
        ("create", "authentication.k8s.io", "selfsubjectreviews"),
    ),
    "system:discovery": (
        (
            "get",
            "/",
            "/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/",
        ),
    ),
    "system:public-info-viewer": (("get", "/", _HEALTH),),
    "view": _VIEW,
}
"""ClusterRoles."""

BOUND: Mapping[str, Sequence[str]] = {
    "cluster-admin": (users.MASTERS,),
    "system:basic-user": (users.AUTHENTICATED,),
    "system:discovery": (users.AUTHENTICATED,),
    "system:public-info-viewer": (users.AUTHENTICATED, users.UNAUTHENTICATED),
}
"""ClusterRoles that groups hold everywhere."""

_METADATA: Object = {
    "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
    "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
}


def roles() -> list[Object]:
    """The ClusterRoles as objects."""
    return [
        {"metadata": {"name": name, **_METADATA}, "rules": [_rule(*rule) for rule in rules]}
        for name, rules in ROLES.items()
    ]


def bindings() -> list[Object]:
    """The ClusterRoleBindings as objects."""
    return [
        {
            "metadata": {"name": name, **_METADATA},
            "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": GROUP, "kind": "Group", "name": group} for group in groups],
        }
        for name, groups in BOUND.items()
    ]


def _rule(verbs: str, group: str, resources: str) -> Object:
    if group == "/":
        return {"verbs": verbs.split(), "nonResourceURLs": resources.split()}
    return {
        "verbs": verbs.split(),
        "apiGroups": ["" if group == "core" else group],
        "resources": resources.split(),
    }
