import { apiVersionOf, type BuiltinKind } from "../builtin-kind.ts";
import { anything, kindSchema } from "../schema-nodes.ts";

/**
 * Kinds of a Kubernetes cluster that kubectl, k9s and other tools list without being asked. Here the lists are empty:
 * Ferrite runs virtual machines, not pods. They have no schema of their own.
 */
interface EmptyKind {
  readonly group: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced?: boolean;
  readonly shortNames?: readonly string[];
  /** Listed by `kubectl get all`. */
  readonly all?: boolean;
  readonly selectableFields?: readonly string[];
}

const POD_FIELDS = [
  "spec.nodeName",
  "spec.restartPolicy",
  "spec.schedulerName",
  "spec.serviceAccountName",
  "status.phase",
  "status.podIP",
  "status.nominatedNodeName",
];

const EMPTY: readonly EmptyKind[] = [
  {
    group: "",
    kind: "Node",
    plural: "nodes",
    namespaced: false,
    shortNames: ["no"],
    selectableFields: ["spec.unschedulable"],
  },
  { group: "", kind: "Pod", plural: "pods", shortNames: ["po"], all: true, selectableFields: POD_FIELDS },
  { group: "", kind: "PersistentVolume", plural: "persistentvolumes", namespaced: false, shortNames: ["pv"] },
  { group: "", kind: "PersistentVolumeClaim", plural: "persistentvolumeclaims", shortNames: ["pvc"] },
  { group: "", kind: "PodTemplate", plural: "podtemplates" },
  {
    group: "",
    kind: "ReplicationController",
    plural: "replicationcontrollers",
    shortNames: ["rc"],
    all: true,
    selectableFields: ["status.replicas"],
  },
  { group: "", kind: "ResourceQuota", plural: "resourcequotas", shortNames: ["quota"] },
  { group: "", kind: "LimitRange", plural: "limitranges", shortNames: ["limits"] },
  { group: "apps", kind: "DaemonSet", plural: "daemonsets", shortNames: ["ds"], all: true },
  { group: "apps", kind: "Deployment", plural: "deployments", shortNames: ["deploy"], all: true },
  {
    group: "apps",
    kind: "ReplicaSet",
    plural: "replicasets",
    shortNames: ["rs"],
    all: true,
    selectableFields: ["status.replicas"],
  },
  { group: "apps", kind: "StatefulSet", plural: "statefulsets", shortNames: ["sts"], all: true },
  { group: "apps", kind: "ControllerRevision", plural: "controllerrevisions" },
  { group: "batch", kind: "CronJob", plural: "cronjobs", shortNames: ["cj"], all: true },
  { group: "batch", kind: "Job", plural: "jobs", all: true, selectableFields: ["status.successful"] },
  { group: "networking.k8s.io", kind: "Ingress", plural: "ingresses", shortNames: ["ing"] },
  { group: "networking.k8s.io", kind: "NetworkPolicy", plural: "networkpolicies", shortNames: ["netpol"] },
  { group: "policy", kind: "PodDisruptionBudget", plural: "poddisruptionbudgets", shortNames: ["pdb"] },
  { group: "storage.k8s.io", kind: "StorageClass", plural: "storageclasses", namespaced: false, shortNames: ["sc"] },
  {
    group: "autoscaling",
    kind: "HorizontalPodAutoscaler",
    plural: "horizontalpodautoscalers",
    shortNames: ["hpa"],
    all: true,
  },
];

/** HorizontalPodAutoscaler is the one whose current version is not v1. */
const versionOf = (kind: EmptyKind): string => (kind.group === "autoscaling" ? "v2" : "v1");

export const emptyKinds: readonly BuiltinKind[] = EMPTY.map((empty) => {
  const version = versionOf(empty);
  const name = `${empty.kind} (${apiVersionOf({ group: empty.group, version })})`;
  return {
    ...empty,
    version,
    namespaced: empty.namespaced ?? true,
    categories: empty.all ? ["all"] : [],
    alwaysEmpty: `Ferrite has no objects of kind ${name}: the list is always empty and none can be made`,
    schema: kindSchema(`Known to tools only: Ferrite has no objects of this kind.`, {
      spec: anything("Not used."),
      status: anything("Not used."),
    }),
  };
});
