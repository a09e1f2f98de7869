"""EnvoyFilter: patches on what Istio would send, under Istio's names, before anything gets a sandbox's addresses.

The order is Istio's (pilot/pkg/networking/core/envoyfilter): all patches of one kind by priority, then the root
namespace's, then the older; of one resource first what removes and merges it, then what lies deeper, then what is
added.
"""

from labkit.mesh.patches.configuration import Target, patched
from labkit.mesh.patches.envoyfilters import RESOURCE, EnvoyFilter, Patches, applying, chosen, read
from labkit.mesh.patches.unsupported import findings

__all__ = ["RESOURCE", "EnvoyFilter", "Patches", "Target", "applying", "chosen", "findings", "patched", "read"]
