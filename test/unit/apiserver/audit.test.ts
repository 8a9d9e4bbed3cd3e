import { expect, it } from "vitest";
import type { AuditedRequest } from "../../../apiserver/access/audit.ts";
import { MemoryStorage } from "../../../apiserver/storage/memory.ts";
import { systemClock } from "../../../machinery/clock.ts";
import { startHarness } from "./harness.ts";

const MAPS = "/api/v1/namespaces/default/configmaps";

it("the audit log is told the name of what was created, and which version a client meant to replace", async () => {
  const seen: AuditedRequest[] = [];
  const audit = { record: (request: AuditedRequest) => void seen.push(request) };
  const { ask } = await startHarness(new MemoryStorage(systemClock), { audit });
  const map = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "made" } };
  const { body } = await ask("POST", MAPS, map);
  await ask("PUT", `${MAPS}/made`, body);
  await ask("POST", MAPS, { ...map, metadata: { generateName: "made-" } });
  await ask("POST", MAPS, "{ nonsense");
  const { uid, resourceVersion } = body.metadata;
  expect(seen.map(({ sent }) => sent)).toEqual([
    { namespace: "default", name: "made", uid: "", resourceVersion: "" },
    { namespace: "default", name: "made", uid, resourceVersion },
    { namespace: "default", name: "", uid: "", resourceVersion: "" },
    undefined,
  ]);
});
