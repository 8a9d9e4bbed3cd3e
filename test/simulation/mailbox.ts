import type { DrbdMailbox } from "../../agent/drbd-mailbox.ts";
import type { ModelMachine } from "../../executors/model/machine.ts";

/** The requests in a simulated machine's /run. */
export const modelMailbox = (machine: ModelMachine): DrbdMailbox => ({
  list: async () => [...machine.requests.keys()],
  async read(id) {
    const request = machine.requests.get(id);
    return request && { event: request.event, subject: request.subject };
  },
  answer: async (id, code) => machine.requests.get(id)?.answered(code),
  async remove(id) {
    machine.requests.delete(id);
  },
});
