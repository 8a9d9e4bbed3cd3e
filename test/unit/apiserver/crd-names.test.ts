import { expect, it } from "vitest";
import type { KubeObject } from "../../../machinery/object.ts";
import { startWithWidgets, widgetCrd } from "./harness.ts";

const CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

interface Crd extends KubeObject {
  spec: { names: Record<string, string | string[]> };
  status: { conditions: { type: string; status: string; reason: string; message: string }[]; acceptedNames: object };
}

function gadgets(names: Record<string, string | string[]>): Crd {
  const crd = widgetCrd() as Crd;
  crd.metadata.name = "gadgets.example.com";
  crd.spec.names = { plural: "gadgets", kind: "Gadget", ...names };
  return crd;
}

it.each([
  [{ kind: "Widget" }, "ListKindConflict", '"WidgetList" is already in use'],
  [{ kind: "Widget", listKind: "GadgetList", singular: "gadget" }, "KindConflict", '"Widget" is already in use'],
  [{ singular: "widget" }, "SingularConflict", '"widget" is already in use'],
  [{ shortNames: ["wi"] }, "ShortNamesConflict", '"wi" is already in use'],
  [
    { shortNames: ["wi", "g", "widgets"] },
    "ShortNamesConflict",
    '["wi" is already in use, "widgets" is already in use]',
  ],
])("two kinds of a group with a name in common: %j", async (names, reason, message) => {
  const { ask } = await startWithWidgets();
  await ask("POST", CRD, gadgets(names));
  const { status } = (await ask<Crd>("GET", `${CRD}/gadgets.example.com`)).body;
  expect(status.conditions).toContainEqual(
    expect.objectContaining({ type: "NamesAccepted", status: "False", reason, message }),
  );
  expect(status.conditions).toContainEqual(expect.objectContaining({ type: "Established", status: "False" }));
});

it("accepts of a kind's names those that nobody has", async () => {
  const { ask } = await startWithWidgets();
  await ask("POST", CRD, gadgets({ singular: "widget", shortNames: ["ga"] }));
  const { status } = (await ask<Crd>("GET", `${CRD}/gadgets.example.com`)).body;
  expect(status.acceptedNames).toEqual({
    plural: "gadgets",
    kind: "Gadget",
    listKind: "GadgetList",
    shortNames: ["ga"],
  });
});
