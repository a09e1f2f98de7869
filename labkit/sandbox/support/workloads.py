"""Fields of what starts pods."""

from collections.abc import Mapping

from labkit.sandbox.support.entries import Fields

STRUCTS: Mapping[str, Fields] = {
    "NamespaceSpec": Fields(carried_out="finalizers"),
    "DeploymentSpec": Fields(
        carried_out="replicas selector template strategy minReadySeconds revisionHistoryLimit paused"
        " progressDeadlineSeconds"
    ),
    "DeploymentStrategy": Fields(carried_out="type rollingUpdate"),
    "RollingUpdateDeployment": Fields(carried_out="maxUnavailable maxSurge"),
    "ReplicaSetSpec": Fields(carried_out="replicas minReadySeconds selector template"),
    "ReplicationControllerSpec": Fields(carried_out="replicas minReadySeconds selector template"),
    "DaemonSetSpec": Fields(carried_out="selector template updateStrategy minReadySeconds revisionHistoryLimit"),
    "DaemonSetUpdateStrategy": Fields(carried_out="type rollingUpdate"),
    "RollingUpdateDaemonSet": Fields(carried_out="maxUnavailable maxSurge"),
    "StatefulSetSpec": Fields(
        carried_out="replicas selector template volumeClaimTemplates serviceName podManagementPolicy updateStrategy"
        " revisionHistoryLimit minReadySeconds persistentVolumeClaimRetentionPolicy ordinals"
    ),
    "StatefulSetUpdateStrategy": Fields(carried_out="type rollingUpdate"),
    "RollingUpdateStatefulSetStrategy": Fields(
        carried_out="partition",
        without_effect={"maxUnavailable": "a feature gate of a real cluster, off by default; one pod goes at a time"},
    ),
    "CronJobSpec": Fields(
        carried_out="schedule timeZone startingDeadlineSeconds concurrencyPolicy suspend jobTemplate"
        " successfulJobsHistoryLimit failedJobsHistoryLimit"
    ),
    "StatefulSetOrdinals": Fields(carried_out="start"),
    "StatefulSetPersistentVolumeClaimRetentionPolicy": Fields(carried_out="whenDeleted whenScaled"),
    "JobTemplateSpec": Fields(carried_out="metadata spec"),
    "LabelSelector": Fields(carried_out="matchLabels matchExpressions"),
    "LabelSelectorRequirement": Fields(carried_out="key operator values"),
    "JobSpec": Fields(
        carried_out="parallelism completions activeDeadlineSeconds backoffLimit selector manualSelector template"
        " ttlSecondsAfterFinished suspend completionMode backoffLimitPerIndex maxFailedIndexes podFailurePolicy"
        " podReplacementPolicy successPolicy managedBy",
    ),
    "PodFailurePolicy": Fields(carried_out="rules"),
    "PodFailurePolicyRule": Fields(carried_out="action onExitCodes onPodConditions"),
    "PodFailurePolicyOnExitCodesRequirement": Fields(carried_out="containerName operator values"),
    "PodFailurePolicyOnPodConditionsPattern": Fields(carried_out="type status"),
    "SuccessPolicy": Fields(carried_out="rules"),
    "SuccessPolicyRule": Fields(carried_out="succeededIndexes succeededCount"),
}
"""Go struct → its fields."""
