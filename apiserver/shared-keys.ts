import { createHash, createPublicKey } from "node:crypto";
import { SYSTEM_NAMESPACE } from "../crds/constants.ts";
import { TerminalError } from "../machinery/errors.ts";
import type { KubeObject } from "../machinery/object.ts";
import type { Cluster } from "./lifecycle/cluster.ts";
import { builtin } from "./lifecycle/cluster.ts";
import { jsonEqual } from "./objects/equal.ts";

/** What all servers on one store must have in common, or each would refuse the users of the other. */
export interface SharedKeys {
  /** Certificate of the authority, PEM. */
  readonly authorityPem: string;
  /** Signs ServiceAccount tokens, PEM. */
  readonly serviceAccountKeyPem: string;
  /** Directory that they come from: for messages. */
  readonly directory: string;
  /** Whether these keys shall be those of the store from now on: the old ones are lost. */
  readonly replace: boolean;
}

const NAME = "control-plane";

/**
 * Compares this server's keys with those that the store was first used with (their public halves are in the ConfigMap
 * `ferrite-system/control-plane`). Throws TerminalError when they differ.
 */
export async function checkSharedKeys(cluster: Cluster, keys: SharedKeys): Promise<void> {
  const resource = builtin(cluster, "", "ConfigMap");
  const place = { resource, namespace: SYSTEM_NAMESPACE, name: NAME };
  const data = {
    "ca.crt": keys.authorityPem,
    "service-account.pub": createPublicKey(keys.serviceAccountKeyPem)
      .export({ type: "spki", format: "pem" })
      .toString(),
  };
  const metadata = { namespace: SYSTEM_NAMESPACE, name: NAME };
  const made = await cluster.create(resource, { apiVersion: "v1", kind: "ConfigMap", metadata, data });
  if (made === "created") return;
  const live = await cluster.get(place);
  if (live === undefined || jsonEqual(live["data"], data)) return;
  if (!keys.replace) throw differentKeys(live, data, keys.directory);
  await cluster.update(place, { change: (object) => ({ ...object, data }) });
}

function differentKeys(live: KubeObject, own: Readonly<Record<string, string>>, directory: string): TerminalError {
  const theirs = (live["data"] ?? {}) as Readonly<Record<string, string>>;
  const differing = Object.keys(own).filter((name) => own[name] !== theirs[name]);
  const each = differing.map(
    (name) => `${name} of the store has SHA-256 ${fingerprint(theirs[name])}, ours ${fingerprint(own[name])}`,
  );
  return new TerminalError(
    "KeysDiffer",
    `the store belongs to a control plane with other keys (${each.join("; ")}): copy ca.crt, ca.key and ` +
      `service-account.key from one of its servers to ${directory}; if they are lost, and all hosts and users shall ` +
      "join anew, start once with --new-keys",
  );
}

const fingerprint = (text: string | undefined): string =>
  text === undefined ? "none" : createHash("sha256").update(text).digest("hex").slice(0, 16);
