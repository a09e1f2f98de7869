"""What docker, kind, kubelet and istioctl say when they fail, and the command that mends it.

From kind's known issues and the issue trackers of kind, Docker and Istio, and from what the programs said:
``tests/clusters/outputs.yaml`` says which outputs are real.
"""

import re

from labkit.base import errors, programs

BRING = "bring the images: ./lab images load DIR"
CGROUP = "boot with cgroup v2; in WSL: .wslconfig [wsl2] kernelCommandLine = cgroup_no_v1=all, then wsl --shutdown"
INOTIFY = "sudo sysctl fs.inotify.max_user_instances=512 fs.inotify.max_user_watches=524288"

MENDS: tuple[tuple[str, str], ...] = (
    (r"command not found", "./lab tools install"),
    (
        r"Cannot connect to the Docker daemon|docker daemon running",
        "start Docker Desktop, or: sudo systemctl start docker",
    ),
    (r"permission denied .*docker.*sock", "sudo usermod -aG docker $USER && newgrp docker"),
    (r"toomanyrequests|pull rate limit", f"docker login, or {BRING}"),
    (r"cgroup v2|cgroup v1", CGROUP),
    (r"port is already allocated|address already in use", "stop what has the port, then try again"),
    (r"docker_temp_\d+: no space left on device", "free some space where the images are saved, or name another folder"),
    (r"no space left on device", "docker system prune"),
    (
        r"No such container: \S+-control-plane",
        "./lab down --forget, since the node was deleted; then ./lab up --cluster kind",
    ),
    (r"docker-import-\d+/repositories: no such file", "./lab images save DIR again: this archive holds no image"),
    (r"short-name .* did not resolve", "write the image's registry before its name, as in docker.io/kindest/node"),
    (r"manifest unknown", "name an image that is published in labkit/base/data/versions.yaml, or update the kit"),
    (r"daemon: unauthorized|denied: requested access", "docker login"),
    (r"[Ff]ailed to pull image|failed to resolve image", f"Istio's images are at docker.io/istio alone; or {BRING}"),
    (r"too many open files", INOTIFY),
    (r"certificate signed by unknown authority", "give Docker your network's CA (its daemon's settings)"),
    (r"log line that matches", 'podman: log_driver="k8s-file" in containers.conf'),
    (r"alternative telinit", 'take "init": true out of the daemon.json of Docker'),
    (r"content digest sha256:\w+: not found", "./lab images save DIR saves one platform, which kind can load"),
    (r"i/o timeout|TLS handshake timeout|no such host|network is unreachable", f"check the network; or {BRING}"),
    (
        r"kubeadm\.k8s\.io/v1beta|failed to decode .*kubeadm",
        "./lab tools install kind: the node image needs a newer kind",
    ),
    (r"Insufficient memory", "give Docker more memory: ./lab doctor --cluster kind"),
    (r"failed calling webhook", "kubectl -n istio-system logs deploy/istiod"),
    (r"is forbidden|Forbidden", "kubectl auth can-i --list"),
)


def mend(output: str) -> str:
    """The command that mends what an output tells of; empty where the kit knows none."""
    return next((command for pattern, command in MENDS if re.search(pattern, output)), "")


def failure(what: str, done: programs.Output) -> errors.SetupError:
    """The error for a program that failed: the telling line of its output, and the command that mends it."""
    output = done.err.strip() or done.out.strip()
    lines = [line.strip() for line in output.splitlines() if line.strip() and not line.startswith(" • ")]
    telling = [line for line in lines if re.search(r"(?i)error|fail|denied|cannot|not found|toomany", line)]
    # The last line of docker says only that it failed, and the one before it why.
    cause = next((line for line in lines if mend(line)), "")
    last = cause or (telling or lines or [f"it ended with {done.code}"])[-1]
    return errors.SetupError(f"{what}: {last[:400]}", next_step=mend(output) or "./lab doctor --cluster kind")
