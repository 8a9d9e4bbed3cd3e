import { isConflict, isNotFound } from "../client/errors.ts";
import type { RestClient } from "../client/rest.ts";
import { VIRTUAL_MACHINES, type VirtualMachine } from "../crds/generated/virtual-machine.ts";
import type { RunStore } from "../reconcilers/virtual-machine/deps.ts";

/** The records of who may run which guest, in the API: quorum reads, and PUTs of the status with its resourceVersion. */
export function apiRunStore(client: Pick<RestClient, "get" | "updateStatus">): RunStore {
  return {
    async read(request, signal) {
      try {
        return await client.get(VIRTUAL_MACHINES, request, signal);
      } catch (error) {
        if (isNotFound(error)) return undefined;
        throw error;
      }
    },
    async write(vm, hostName, signal) {
      const epoch = (vm.status?.run?.epoch ?? 0) + 1;
      const run = { epoch, ...(hostName === undefined ? {} : { hostName }) };
      const next: VirtualMachine = { ...vm, status: { ...vm.status, run } };
      try {
        return await client.updateStatus(VIRTUAL_MACHINES, next, signal);
      } catch (error) {
        if (isConflict(error)) return undefined;
        throw error;
      }
    },
  };
}
