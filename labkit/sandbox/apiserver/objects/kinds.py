"""The built-in resources served: their names, scope, subresources, short names and categories."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One built-in resource in one version."""

    api_version: str
    """``v1``, ``apps/v1``."""

    kind: str
    """``Deployment``."""

    plural: str
    """The word in paths."""

    singular: str
    """The word in messages of kubectl."""

    namespaced: bool
    """Whether its objects live in namespaces."""

    subresources: tuple[str, ...] = ()
    """``("scale", "status")``."""

    short_names: tuple[str, ...] = ()
    """What kubectl takes for the plural: ``("deploy",)``."""

    categories: tuple[str, ...] = ()
    """``("all",)`` for what ``kubectl get all`` lists."""

    verbs: tuple[str, ...] = field(default=ALL_VERBS)
    """What may be asked of it, in discovery's words."""

    @property
    def group(self) -> str:
        """``apps``; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """``v1``."""
        return self.api_version.rpartition("/")[2]


# One resource a line: plural, kind, then what is not the rule. "cluster" is its scope, "short=" and "all"
# (categories), "sub=" (subresources), "verbs=create" (reviews are asked, never stored).
_TABLE = """
v1
  bindings Binding verbs=create
  componentstatuses ComponentStatus cluster short=cs verbs=get,list
  configmaps ConfigMap short=cm
  endpoints Endpoints short=ep singular=endpoints
  events Event short=ev
  limitranges LimitRange short=limits
  namespaces Namespace cluster short=ns sub=finalize,status verbs=create,delete,get,list,patch,update,watch
  nodes Node cluster short=no sub=status
  persistentvolumeclaims PersistentVolumeClaim short=pvc sub=status
  persistentvolumes PersistentVolume cluster short=pv sub=status
  pods Pod short=po all sub=attach,binding,ephemeralcontainers,eviction,exec,log,portforward,resize,status
  podtemplates PodTemplate
  replicationcontrollers ReplicationController short=rc all sub=scale,status
  resourcequotas ResourceQuota short=quota sub=status
  secrets Secret
  serviceaccounts ServiceAccount short=sa sub=token
  services Service short=svc all sub=status
admissionregistration.k8s.io/v1
  mutatingadmissionpolicies MutatingAdmissionPolicy cluster api
  mutatingadmissionpolicybindings MutatingAdmissionPolicyBinding cluster api
  mutatingwebhookconfigurations MutatingWebhookConfiguration cluster api
  validatingadmissionpolicies ValidatingAdmissionPolicy cluster api sub=status
  validatingadmissionpolicybindings ValidatingAdmissionPolicyBinding cluster api
  validatingwebhookconfigurations ValidatingWebhookConfiguration cluster api
apiextensions.k8s.io/v1
  customresourcedefinitions CustomResourceDefinition cluster short=crd,crds api sub=status
apiregistration.k8s.io/v1
  apiservices APIService cluster api sub=status
apps/v1
  controllerrevisions ControllerRevision
  daemonsets DaemonSet short=ds all sub=status
  deployments Deployment short=deploy all sub=scale,status
  replicasets ReplicaSet short=rs all sub=scale,status
  statefulsets StatefulSet short=sts all sub=scale,status
authentication.k8s.io/v1
  selfsubjectreviews SelfSubjectReview cluster verbs=create
  tokenreviews TokenReview cluster verbs=create
authorization.k8s.io/v1
  localsubjectaccessreviews LocalSubjectAccessReview verbs=create
  selfsubjectaccessreviews SelfSubjectAccessReview cluster verbs=create
  selfsubjectrulesreviews SelfSubjectRulesReview cluster verbs=create
  subjectaccessreviews SubjectAccessReview cluster verbs=create
autoscaling/v1
  horizontalpodautoscalers HorizontalPodAutoscaler short=hpa all sub=status
autoscaling/v2
  horizontalpodautoscalers HorizontalPodAutoscaler short=hpa all sub=status
batch/v1
  cronjobs CronJob short=cj all sub=status
  jobs Job all sub=status
coordination.k8s.io/v1
  leases Lease
discovery.k8s.io/v1
  endpointslices EndpointSlice
events.k8s.io/v1
  events Event short=ev
networking.k8s.io/v1
  ingressclasses IngressClass cluster
  ingresses Ingress short=ing sub=status
  ipaddresses IPAddress cluster short=ip
  networkpolicies NetworkPolicy short=netpol
  servicecidrs ServiceCIDR cluster sub=status
policy/v1
  poddisruptionbudgets PodDisruptionBudget short=pdb sub=status
rbac.authorization.k8s.io/v1
  clusterrolebindings ClusterRoleBinding cluster
  clusterroles ClusterRole cluster
  rolebindings RoleBinding
  roles Role
scheduling.k8s.io/v1
  priorityclasses PriorityClass cluster short=pc
storage.k8s.io/v1
  csidrivers CSIDriver cluster
  csinodes CSINode cluster
  csistoragecapacities CSIStorageCapacity
  storageclasses StorageClass cluster short=sc
  volumeattachments VolumeAttachment cluster sub=status
  volumeattributesclasses VolumeAttributesClass cluster short=vac
"""

_CATEGORIES = {"all": "all", "api": "api-extensions"}


@cache
def served() -> tuple[Kind, ...]:
    """Every built-in resource, by group and plural."""
    rows: list[Kind] = []
    api_version = ""
    for line in filter(None, _TABLE.splitlines()):
        if line.startswith(" "):
            rows.append(_kind(api_version, line.split()))
        else:
            api_version = line
    return tuple(rows)


@cache
def by_kind() -> Mapping[tuple[str, str], Kind]:
    """The built-in resources by ``(api_version, kind)``."""
    return {(k.api_version, k.kind): k for k in served()}


def _kind(api_version: str, words: list[str]) -> Kind:
    plural, kind, *rest = words
    options = dict(word.split("=", 1) for word in rest if "=" in word)
    return Kind(
        api_version=api_version,
        kind=kind,
        plural=plural,
        singular=options.get("singular", kind.lower()),
        namespaced="cluster" not in rest,
        subresources=_words(options.get("sub", "")),
        short_names=_words(options.get("short", "")),
        categories=tuple(_CATEGORIES[word] for word in rest if word in _CATEGORIES),
        verbs=_words(options.get("verbs", "")) or ALL_VERBS,
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()
