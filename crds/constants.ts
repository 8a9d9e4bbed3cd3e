/** API group of all kinds in `crds/`. */
export const GROUP = "ferrite.dev";
export const VERSION = "v1alpha1";
export const API_VERSION = `${GROUP}/${VERSION}` as const;

/** Where Ferrite keeps its own objects (Leases of hosts, tokens). */
export const SYSTEM_NAMESPACE = "ferrite-system";
/** Holds an object until what it stands for in the world is cleaned up. */
export const CLEANUP_FINALIZER = "ferrite.dev/cleanup";
/** On objects that belong to a host, for people's selectors. */
export const HOST_LABEL = "ferrite.dev/host";

/** Certificate subject of a host's agent. */
export const HOST_USER_PREFIX = "ferrite:host:";
export const HOSTS_GROUP = "ferrite:hosts";
