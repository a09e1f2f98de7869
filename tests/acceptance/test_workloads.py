"""What tutorials apply beside Deployments: it starts, keeps its data, waits with the reason, answers."""

import urllib.error
import urllib.request

import pytest

from labkit.base import waiting
from labkit.install import gateway

pytestmark = pytest.mark.sandbox

PLACE = "workloads"
NAMESPACE = f"""
apiVersion: v1
kind: Namespace
metadata: {{name: {PLACE}, labels: {{istio-injection: enabled}}}}
"""

SET = """
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: None, selector: {app: db}, ports: [{name: http, port: 8000, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: app
        image: docker.io/mccutchen/go-httpbin:v2.15.0
        ports: [{containerPort: 8080}]
        volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
"""

AGENTS = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: a, image: busybox, command: [sleep, "3600"]}]}
---
apiVersion: v1
kind: ReplicationController
metadata: {name: rc}
spec:
  selector: {app: rc}
  template:
    metadata: {labels: {app: rc}}
    spec: {containers: [{name: a, image: busybox, command: [sleep, "3600"]}]}
"""

NOWHERE = """
apiVersion: v1
kind: Pod
metadata: {name: nowhere}
spec: {nodeSelector: {disktype: ssd}, containers: [{name: a, image: busybox, command: [sleep, "99"]}]}
"""

INGRESS = """
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: istio}
spec: {controller: istio.io/ingress-controller}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: db}, ports: [{name: http, port: 8000, targetPort: 8080}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  ingressClassName: istio
  rules:
  - host: ingress.lab.test
    http: {paths: [{path: /status, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}]}
"""


@pytest.fixture(scope="module")
def place(kubectl):
    """kubectl in a namespace of its own, with the StatefulSet in it."""

    def typed(*words, **how):
        return kubectl("-n", PLACE, *words, **how)

    kubectl("apply", "-f", "-", stdin=NAMESPACE)
    typed("apply", "-f", "-", stdin=SET)
    typed("rollout", "status", "statefulset/db", "--timeout=60s")
    yield typed
    kubectl("delete", "namespace", PLACE, "--wait=false")


def inside(place, pod, script):
    return place("exec", pod, "-c", "app", "--", "sh", "-c", script).strip()


def test_a_stateful_set_keeps_names_and_data(place):
    inside(place, "db-0", "echo kept > /data/note")
    place("delete", "pod", "db-0")
    place("wait", "--for=create", "pod/db-0", "--timeout=60s")
    place("wait", "--for=condition=Ready", "pod/db-0", "--timeout=60s")
    assert inside(place, "db-0", "cat /data/note; hostname") == "kept\ndb-0"
    assert inside(place, "db-1", "ls /data") == ""


def test_a_stateful_set_is_rolled_back(place):
    place("set", "env", "statefulset/db", "STEP=2")
    place("rollout", "status", "statefulset/db", "--timeout=60s")
    place("rollout", "undo", "statefulset/db")
    place("rollout", "status", "statefulset/db", "--timeout=60s")
    assert inside(place, "db-0", "echo ${STEP-none}") == "none"


def test_daemon_sets_and_replication_controllers_start_pods(place):
    place("apply", "-f", "-", stdin=AGENTS)
    place("rollout", "status", "daemonset/agent", "--timeout=60s")
    place("wait", "--for=jsonpath={.status.readyReplicas}=1", "rc/rc", "--timeout=60s")


def test_a_pod_that_fits_nowhere_says_so(place):
    place("apply", "-f", "-", stdin=NOWHERE)
    place("wait", "--for=condition=PodScheduled=False", "pod/nowhere", "--timeout=60s")
    assert "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector." in place(
        "describe", "pod/nowhere"
    )


def test_an_ingress_of_class_istio_answers_at_the_gateway(place, sandbox):
    place("apply", "-f", "-", stdin=INGRESS)
    url = gateway.url(sandbox.client)

    def answer(path, host="ingress.lab.test"):
        request = urllib.request.Request(url + path, headers={"Host": host})
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return reply.status
        except urllib.error.HTTPError as e:
            return e.code

    waiting.until(
        lambda: answer("/status/202") == 202,
        what="the Ingress",
        timeout=60,
        next_step="look at istiod's log",
        every=0.05,
    )
    assert answer("/statuses") == 404


def test_a_quota_refuses_what_is_too_much(place):
    place("create", "quota", "few", "--hard=count/configmaps=2")
    place("wait", "--for=jsonpath={.status.hard}", "quota/few", "--timeout=60s")
    text = place("create", "configmap", "more", fails=True)
    assert (
        "exceeded quota: few, requested: count/configmaps=1, used: count/configmaps=2, limited: count/configmaps=2"
        in text
    )
