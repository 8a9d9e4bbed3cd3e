import { isConflict, isNotFound } from "../client/errors.ts";
import type { RestClient } from "../client/rest.ts";
import { HOST_PAIRS, type HostPair } from "../crds/generated/host-pair.ts";
import { PairConflictError, type PairStore } from "../reconcilers/host-pair/arbiter.ts";

/** The pairs' records in the API: quorum reads, and PUTs of the status with their resourceVersion. */
export function apiPairStore(client: Pick<RestClient, "get" | "updateStatus">): PairStore {
  return {
    async read(name, signal) {
      try {
        return await client.get(HOST_PAIRS, { name }, signal);
      } catch (error) {
        if (isNotFound(error)) return undefined;
        throw error;
      }
    },
    async writeStatus(pair: HostPair, signal) {
      try {
        return await client.updateStatus(HOST_PAIRS, pair, signal);
      } catch (cause) {
        if (isConflict(cause)) throw new PairConflictError(`HostPair ${pair.metadata.name}`, { cause });
        throw cause;
      }
    },
  };
}
