import type { HelperRequest, ModelMachine } from "./machine.ts";

/** The requests in a modelled machine's /run, as an agent's `DrbdMailbox`. */
export const modelMailbox = (machine: Pick<ModelMachine, "requests">) => ({
  list: async (): Promise<readonly string[]> => [...machine.requests.keys()],
  async read(id: string): Promise<Pick<HelperRequest, "event" | "subject"> | undefined> {
    const request = machine.requests.get(id);
    return request && { event: request.event, subject: request.subject };
  },
  answer: async (id: string, code: number): Promise<void> => machine.requests.get(id)?.answered(code),
  async remove(id: string): Promise<void> {
    machine.requests.delete(id);
  },
});
