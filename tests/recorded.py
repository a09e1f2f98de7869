"""The recorded answers of real servers that tests compare with; ``answers/README.md`` says how they came about."""

from pathlib import Path

from labkit.conformance.recordings import Recording

ANSWERS = Path(__file__).parent / "answers"

ISTIO = Recording(ANSWERS / "istio.tar.xz")
DRAWN = Recording(ANSWERS / "istio-drawn.tar.xz")
KUBERNETES = Recording(ANSWERS / "kube.tar.xz")
KUBERNETES_DRAWN = Recording(ANSWERS / "kube-drawn.tar.xz")
KUBERNETES_SCENES = Recording(ANSWERS / "kube-scenes.tar.xz")
AMBIENT = Recording(ANSWERS / "ambient.tar.xz")
