"""The admission plug-in ``PodSecurity``: pods held against the Pod Security Standards, as their namespace's labels ask.

``levels`` reads the labels, ``baseline`` and ``restricted`` hold the checks, ``standards`` runs them in order.
"""

from labkit.sandbox.apiserver.podsecurity.plugin import PodSecurity

__all__ = ["PodSecurity"]
