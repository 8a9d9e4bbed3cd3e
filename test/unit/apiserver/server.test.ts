import { describe, expect, it } from "vitest";
import type { Status } from "../../../apiserver/status.ts";
import { startWithWidgets, WIDGETS, widget } from "./harness.ts";

describe("custom resources", () => {
  it("are served as soon as their definition has been answered", async () => {
    const { ask } = await startWithWidgets();
    const created = await ask("POST", WIDGETS, widget("w1", { size: 3 }));
    expect(created.status).toBe(201);
    expect(created.body).toMatchObject({
      metadata: { generation: 1, namespace: "default" },
      spec: { size: 3, color: "red" },
    });
    expect((await ask("GET", `${WIDGETS}/w1`)).body).toEqual(created.body);
  });

  it("refuse a spec that breaks the schema, field by field", async () => {
    const { ask } = await startWithWidgets();
    const { status, body } = await ask<Status>("POST", WIDGETS, widget("w1", { size: "x" }));
    expect(status).toBe(422);
    expect(body.message).toBe(
      'Widget.example.com "w1" is invalid: spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"',
    );
  });

  it("refuse an update of what has changed meanwhile", async () => {
    const { ask } = await startWithWidgets();
    const { body: first } = await ask("POST", WIDGETS, widget("w1"));
    await ask("PUT", `${WIDGETS}/w1`, { ...first, spec: { size: 2 } });
    const { status, body } = await ask<Status>("PUT", `${WIDGETS}/w1`, { ...first, spec: { size: 3 } });
    expect(status).toBe(409);
    expect(body.message).toBe(
      'Operation cannot be fulfilled on widgets.example.com "w1": the object has been modified; please apply your changes to the latest version and try again',
    );
  });
});
