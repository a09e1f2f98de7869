"""Tables of accounts and their rights."""

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.tables import columns
from labkit.sandbox.apiserver.objects.tables.columns import AGE, DEFAULT, NAME, Column, column, joined, wide


def _subjects(kind: str) -> columns.Cell:
    def cell(binding: Object) -> str:
        subjects = [s for s in binding.get("subjects") or () if s["kind"] == kind]
        return joined(
            [f"{s.get('namespace', '')}/{s['name']}" if kind == "ServiceAccount" else s["name"] for s in subjects]
        )

    return cell


def _binding(word: str, model: str) -> tuple[Column, ...]:
    return (
        NAME,
        column("Role", lambda b: f"{b['roleRef']['kind']}/{b['roleRef']['name']}", f"{model}.role_ref"),
        AGE,
        wide("Users", _subjects("User"), f"Users in the {word}"),
        wide("Groups", _subjects("Group"), f"Groups in the {word}"),
        wide("ServiceAccounts", _subjects("ServiceAccount"), f"ServiceAccounts in the {word}"),
    )


TABLES = {
    "/ServiceAccount": (NAME, AGE),
    "rbac.authorization.k8s.io/RoleBinding": _binding("roleBinding", "V1RoleBinding"),
    "rbac.authorization.k8s.io/ClusterRoleBinding": _binding("clusterRoleBinding", "V1ClusterRoleBinding"),
    "rbac.authorization.k8s.io/Role": DEFAULT,
    "rbac.authorization.k8s.io/ClusterRole": DEFAULT,
}
