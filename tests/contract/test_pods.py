"""Pods: rolled out, replaced, looked into, and those that do not start, with the reason."""

import pytest

from labkit.kube import resources
from tests.contract.conftest import PLACE, document

pytestmark = pytest.mark.sandbox

TROUBLED = """
apiVersion: v1
kind: Pod
metadata: {name: crashing}
spec:
  containers: [{name: main, image: busybox:1.37, command: [sh, -c, "echo before the end; exit 3"]}]
---
apiVersion: v1
kind: Pod
metadata: {name: unpublished}
spec: {containers: [{name: main, image: "docker.io/istio/nobody-publishes-this:1.0"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: homeless}
spec: {nodeSelector: {disktype: none-such}, containers: [{name: main, image: busybox:1.37}]}
---
apiVersion: v1
kind: Pod
metadata: {name: unready, labels: {app: unready}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: web
    image: docker.io/mccutchen/go-httpbin:v2.15.0
    readinessProbe: {httpGet: {path: /status/503, port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: unready}
spec: {selector: {app: unready}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: main, image: busybox:1.37, command: [sh, -c, "echo done by $(NAME)"], env: [
        {name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}]}]
"""


@pytest.fixture(scope="module")
def troubled(asked):
    """Pods in each kind of trouble; a function that gives the state of one's container once it holds."""
    asked.apply(TROUBLED)

    def state(name, holds):
        def look():
            pod = asked.api.get(resources.PODS, name, PLACE)
            (container,) = (pod.get("status") or {}).get("containerStatuses") or [{}]
            return container if container and holds(container) else None

        return asked.until(look, f"pod {name}")

    yield state
    asked.kubectl("delete", "pod", "crashing", "unpublished", "homeless", "unready", "--now")


def test_a_pod_that_is_deleted_is_replaced_and_the_deployment_is_whole_again(web):
    gone = resources.name_of(web.pods("app=web")[0])
    web.kubectl("delete", "pod", gone)
    web.kubectl("rollout", "status", "deploy/web", "--timeout=60s")
    names = {resources.name_of(pod) for pod in web.pods("app=web")}
    assert len(names) == 2 and gone not in names
    assert all(name.startswith("web-") for name in names)


def test_a_change_rolls_out_and_is_taken_back(web):
    web.kubectl("set", "env", "deploy/web", "COLOUR=blue")
    web.kubectl("rollout", "status", "deploy/web", "--timeout=90s")
    web.kubectl("rollout", "undo", "deploy/web")
    web.kubectl("rollout", "status", "deploy/web", "--timeout=90s")
    template = web.api.get(resources.DEPLOYMENTS, "web", PLACE)["spec"]["template"]
    assert "env" not in template["spec"]["containers"][0]
    assert len(web.kubectl("get", "replicasets", "-l", "app=web", "-o", "name").split()) == 2


def test_exec_carries_what_is_typed_what_is_printed_and_the_exit_code(web):
    assert web.kubectl("exec", "-i", "client", "--", "sh", "-c", "tr a-z A-Z", stdin="typed") == "TYPED"
    failed = web.kubectl("exec", "client", "--", "sh", "-c", "echo told >&2; exit 7", fails=True)
    assert failed.startswith("told\n") and "command terminated with exit code 7" in failed


def test_files_are_copied_both_ways(web, tmp_path):
    (tmp_path / "note").write_text("payload")
    web.kubectl("cp", str(tmp_path / "note"), f"{PLACE}/client:/tmp/note")
    web.kubectl("cp", f"{PLACE}/client:/tmp/note", str(tmp_path / "back"))
    assert (tmp_path / "back").read_text() == "payload"


def test_a_container_that_ends_is_started_again_and_its_last_words_are_kept(asked, troubled):
    state = troubled("crashing", lambda c: c.get("restartCount", 0) and "waiting" in c.get("state", {}))
    assert state["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert state["lastState"]["terminated"]["exitCode"] == 3
    assert asked.kubectl("logs", "crashing", "--previous") == "before the end\n"


def test_an_image_that_is_not_published_names_itself_and_the_pod_waits(troubled):
    state = troubled("unpublished", lambda c: c.get("state", {}).get("waiting", {}).get("message"))
    assert state["state"]["waiting"]["reason"] in ("ErrImagePull", "ImagePullBackOff")
    assert "docker.io/istio/nobody-publishes-this:1.0" in state["state"]["waiting"]["message"]


def test_a_pod_that_no_node_takes_says_why(asked, troubled):
    def told():
        conditions = (asked.api.get(resources.PODS, "homeless", PLACE).get("status") or {}).get("conditions") or []
        return next((c["message"] for c in conditions if c["type"] == "PodScheduled" and c["status"] == "False"), "")

    assert "node(s) didn't match Pod's node affinity/selector" in asked.until(told, "the scheduler's word")


def test_a_pod_that_is_not_ready_gets_no_requests(asked, troubled):
    assert troubled("unready", lambda c: "running" in c.get("state", {}))["ready"] is False
    slices = document(asked.kubectl("get", "endpointslices", "-l", "kubernetes.io/service-name=unready", "-o", "json"))
    ready = [e["conditions"]["ready"] for s in slices["items"] for e in s.get("endpoints") or []]
    assert ready == [False]


def test_a_job_runs_once_and_its_log_stays(asked, troubled):
    asked.kubectl("wait", "job/once", "--for=condition=Complete", "--timeout=60s")
    assert asked.kubectl("logs", "job/once") == f"done by {PLACE}\n"


def test_events_tell_a_pods_story(web):
    pod = resources.name_of(web.pods("app=web")[0])
    events = document(web.kubectl("get", "events", "--field-selector", f"involvedObject.name={pod}", "-o", "json"))
    assert {"Scheduled", "Pulled", "Created", "Started"} <= {event["reason"] for event in events["items"]}


def test_the_kubelet_says_what_containers_hold(web):
    (node, *_) = web.api.list(resources.NODES)
    code, _, body = web.api.raw("GET", f"/api/v1/nodes/{resources.name_of(node)}/proxy/stats/summary")
    pods = {entry["podRef"]["name"] for entry in document(body)["pods"] if entry["podRef"]["namespace"] == PLACE}
    assert code == 200 and "client" in pods
