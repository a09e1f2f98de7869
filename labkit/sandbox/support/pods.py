"""Fields of pods and their containers."""

from collections.abc import Mapping

from labkit.sandbox.support.entries import Except, Fields, Unless

_ONE_HOST = "pods are processes of this machine and share its namespaces"
_USER = "containers have no rights but those of the user who started the sandbox"
_KERNEL = "the sandbox sets no kernel restrictions"
_ONE_NODE = "the sandbox has one node and takes every pod there"
_NO_MOUNTS = "mounts of a container never reach another"
_ONE_OS = "programs run on this machine, whatever its system"
_NO_DEVICES = "the sandbox allocates no devices"

_CONTAINER = Fields(
    carried_out="name image command args workingDir ports env envFrom livenessProbe readinessProbe startupProbe"
    " lifecycle terminationMessagePath terminationMessagePolicy stdin stdinOnce tty securityContext volumeMounts"
    " resources restartPolicy",
    # Every image of the catalogue is on this machine already.
    moot="imagePullPolicy",
    without_effect={
        "resizePolicy": "the sandbox does not limit cpu or memory",
        "restartPolicyRules": "the exit code decides nothing but success or failure",
        "volumeDevices": _NO_DEVICES,
    },
)

STRUCTS: Mapping[str, Fields] = {
    "PodTemplateSpec": Fields(carried_out="metadata spec"),
    "PodSpec": Fields(
        carried_out="volumes initContainers containers ephemeralContainers restartPolicy terminationGracePeriodSeconds"
        " serviceAccountName serviceAccount automountServiceAccountToken nodeName readinessGates schedulingGates"
        " securityContext priorityClassName priority schedulerName affinity nodeSelector tolerations overhead"
        " topologySpreadConstraints runtimeClassName activeDeadlineSeconds dnsConfig dnsPolicy enableServiceLinks"
        " hostAliases hostname hostnameOverride setHostnameAsFQDN subdomain",
        # Images are on this machine already.
        moot="imagePullSecrets preemptionPolicy",
        without_effect={
            "hostIPC": _ONE_HOST,
            "hostNetwork": "every pod has a loopback address of its own",
            "hostPID": _ONE_HOST,
            "hostUsers": _USER,
            "os": _ONE_OS,
            "resourceClaims": _NO_DEVICES,
            "resources": "the sandbox does not limit cpu or memory",
            "schedulingGroup": _ONE_NODE,
            "shareProcessNamespace": _ONE_HOST,
        },
    ),
    "Container": _CONTAINER,
    "EphemeralContainer": Fields(
        carried_out=_CONTAINER.carried_out,
        moot=_CONTAINER.moot,
        without_effect={
            **_CONTAINER.without_effect,
            "targetContainerName": "a container sees its own processes alone",
        },
    ),
    "ContainerPort": Fields(
        carried_out="name containerPort protocol",
        without_effect={
            "hostIP": "the sandbox opens no ports of the node",
            "hostPort": "the sandbox opens no ports of the node; use a Service of type NodePort",
        },
    ),
    "EnvVar": Fields(carried_out="name value valueFrom"),
    "EnvVarSource": Fields(
        carried_out="fieldRef resourceFieldRef configMapKeyRef secretKeyRef",
        without_effect={"fileKeyRef": "the sandbox reads no variables from files"},
    ),
    "EnvFromSource": Fields(carried_out="prefix configMapRef secretRef"),
    "ConfigMapEnvSource": Fields(carried_out="name optional"),
    "SecretEnvSource": Fields(carried_out="name optional"),
    "ConfigMapKeySelector": Fields(carried_out="name key optional"),
    "SecretKeySelector": Fields(carried_out="name key optional"),
    "ObjectFieldSelector": Fields(carried_out="apiVersion fieldPath"),
    "ResourceFieldSelector": Fields(carried_out="containerName resource divisor"),
    "ResourceRequirements": Fields(
        carried_out="requests",
        without_effect={
            "limits": Except(keys=("memory",), reason="the sandbox limits memory alone"),
            "claims": _NO_DEVICES,
        },
    ),
    "Probe": Fields(
        carried_out="exec httpGet tcpSocket grpc initialDelaySeconds timeoutSeconds periodSeconds successThreshold"
        " failureThreshold terminationGracePeriodSeconds"
    ),
    "ExecAction": Fields(carried_out="command"),
    "HTTPGetAction": Fields(carried_out="path port host scheme httpHeaders"),
    "HTTPHeader": Fields(carried_out="name value"),
    "TCPSocketAction": Fields(carried_out="port host"),
    "GRPCAction": Fields(carried_out="port service"),
    "SleepAction": Fields(carried_out="seconds"),
    "Lifecycle": Fields(
        carried_out="postStart preStop",
        without_effect={"stopSignal": "containers are stopped by SIGTERM"},
    ),
    "LifecycleHandler": Fields(carried_out="exec httpGet tcpSocket sleep"),
    "SecurityContext": Fields(
        carried_out="allowPrivilegeEscalation capabilities readOnlyRootFilesystem runAsGroup runAsNonRoot runAsUser",
        without_effect={
            "appArmorProfile": _KERNEL,
            "privileged": Unless(values=(False,), reason=_USER),
            "procMount": Unless(values=("Default",), reason=_KERNEL),
            "seLinuxOptions": _KERNEL,
            "seccompProfile": _KERNEL,
            "windowsOptions": _ONE_OS,
        },
    ),
    "Capabilities": Fields(carried_out="drop", without_effect={"add": _USER}),
    "PodSecurityContext": Fields(
        carried_out="runAsGroup runAsNonRoot runAsUser",
        # A container's user owns its volumes.
        moot="fsGroup fsGroupChangePolicy",
        without_effect={
            "appArmorProfile": _KERNEL,
            "seLinuxChangePolicy": _KERNEL,
            "seLinuxOptions": _KERNEL,
            "seccompProfile": _KERNEL,
            "supplementalGroups": _USER,
            "supplementalGroupsPolicy": _USER,
            "sysctls": _KERNEL,
            "windowsOptions": _ONE_OS,
        },
    ),
    "LocalObjectReference": Fields(carried_out="name"),
    "HostAlias": Fields(carried_out="ip hostnames"),
    "PodDNSConfig": Fields(carried_out="nameservers searches options"),
    "PodDNSConfigOption": Fields(carried_out="name value"),
    "PodReadinessGate": Fields(carried_out="conditionType"),
    "PodSchedulingGate": Fields(carried_out="name"),
    "VolumeMount": Fields(
        carried_out="name mountPath readOnly subPath subPathExpr",
        without_effect={
            "mountPropagation": Unless(values=("None",), reason=_NO_MOUNTS),
            "recursiveReadOnly": Unless(values=("Disabled",), reason=_NO_MOUNTS),
        },
    ),
    "EmptyDirVolumeSource": Fields(
        without_effect={
            "medium": "the volume lies on the disk of this machine",
            "sizeLimit": "the size of a volume is not limited",
        }
    ),
    "ConfigMapVolumeSource": Fields(carried_out="name items defaultMode optional"),
    "SecretVolumeSource": Fields(
        carried_out="secretName items optional",
        without_effect={"defaultMode": Unless(values=(0o644,), reason="files of secrets have mode 0600 here")},
    ),
    "KeyToPath": Fields(carried_out="key path mode"),
    "DownwardAPIVolumeSource": Fields(carried_out="items defaultMode"),
    "DownwardAPIVolumeFile": Fields(carried_out="path fieldRef resourceFieldRef mode"),
    "ProjectedVolumeSource": Fields(carried_out="sources defaultMode"),
    "VolumeProjection": Fields(
        carried_out="secret downwardAPI configMap serviceAccountToken",
        without_effect={
            "clusterTrustBundle": "the pod does not start: the sandbox serves no ClusterTrustBundles",
            "podCertificate": "the pod does not start: the sandbox issues no certificates to pods",
        },
    ),
    "SecretProjection": Fields(carried_out="name items optional"),
    "ConfigMapProjection": Fields(carried_out="name items optional"),
    "DownwardAPIProjection": Fields(carried_out="items"),
    "ServiceAccountTokenProjection": Fields(carried_out="audience expirationSeconds path"),
}
"""Go struct → its fields; the volumes that the sandbox does not mount are in ``VOLUMES``."""

_UNMOUNTED = (
    "awsElasticBlockStore azureDisk azureFile cephfs cinder csi ephemeral fc flexVolume flocker gcePersistentDisk"
    " gitRepo glusterfs hostPath image iscsi nfs photonPersistentDisk portworxVolume quobyte rbd"
    " scaleIO storageos vsphereVolume"
)
VOLUMES = Fields(
    carried_out="name emptyDir secret configMap downwardAPI projected persistentVolumeClaim",
    without_effect=dict.fromkeys(
        _UNMOUNTED.split(), "the pod does not start: the sandbox mounts nothing from outside the pod"
    ),
)
"""The struct ``Volume``."""
