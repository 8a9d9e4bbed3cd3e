import { describe, expect, it } from "vitest";
import { admit } from "../../../../crds/admission/admit.ts";
import type { AdmissionRequest } from "../../../../crds/admission/types.ts";
import { agent, lister, object, updating } from "./world.ts";

const alpha = { user: agent("alpha") };
/** A change of the record from one host to another; `null`: nobody. */
const errors = (from: string | null | undefined, to: string | null, request: Partial<AdmissionRequest> = alpha) => {
  const run = (epoch: number, host: string | null) => ({ epoch, ...(host === null ? {} : { hostName: host }) });
  const status = { hostName: "alpha", ...(from === undefined ? {} : { run: run(4, from) }) };
  const vm = object("VirtualMachine", "vm", {}, { status });
  return admit(updating(vm, { status: { run: run(5, to) } }, request), lister()).map(({ message }) => message);
};

describe("the record of who may run a guest", () => {
  it("is taken when nobody has it, given back, and handed over by who has it", () => {
    expect(errors(undefined, "alpha")).toEqual([]);
    expect(errors(null, "alpha")).toEqual([]);
    expect(errors("alpha", null)).toEqual([]);
    expect(errors("alpha", "beta")).toEqual([]);
  });

  it("is taken from no other host by an agent", () => {
    expect(errors("beta", "alpha")).toEqual([expect.stringContaining("host beta has it")]);
    expect(errors("beta", null)).toHaveLength(1);
    expect(errors(null, "beta")).toEqual([expect.stringContaining("takes it for alpha only")]);
  });

  it("can be taken from a host by the controllers, which know that it is dead", () => {
    expect(errors("beta", null, {})).toEqual([]);
  });

  it("is never applied, for that compares nothing", () => {
    expect(errors(null, "alpha", { ...alpha, verb: "apply" })).toHaveLength(1);
    expect(errors("beta", null, { verb: "apply" })).toHaveLength(1);
  });
});
