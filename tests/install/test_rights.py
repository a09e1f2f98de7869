"""What a user lacks, in a sentence, and the commands by which the owner gives it."""

from labkit.install import rights


def right(resource, namespace="", *, verb="create", group=""):
    return rights.Right(verb=verb, group=group, resource=resource, namespace=namespace)


LACKING = [
    right("resourcequotas", "shop"),
    right("resourcequotas", "shop", verb="patch"),
    right("virtualservices", "shop", group="networking.istio.io"),
    right("namespaces"),
]


def test_what_is_missing_is_told_place_by_place():
    assert rights.told(LACKING) == (
        "you may not create or change resourcequotas, virtualservices in namespace shop "
        "and you may not create or change namespaces"
    )


def test_the_owner_gets_commands_that_can_be_typed():
    asked = rights.request(LACKING, user="anna").removeprefix("ask the cluster's owner for this: ").split(" && ")
    verbs = "--verb=get,list,watch,create,patch,delete"
    assert asked == [
        f"kubectl create role labkit-more -n shop {verbs} "
        "--resource=resourcequotas,virtualservices.networking.istio.io",
        "kubectl create rolebinding labkit-more -n shop --role=labkit-more --user=anna",
        f"kubectl create clusterrole labkit-more {verbs} --resource=namespaces",
        "kubectl create clusterrolebinding labkit-more --clusterrole=labkit-more --user=anna",
    ]


def test_a_service_account_is_named_as_kubectl_wants_it():
    assert "--serviceaccount=guests:guest" in rights.request(LACKING, user="system:serviceaccount:guests:guest")
