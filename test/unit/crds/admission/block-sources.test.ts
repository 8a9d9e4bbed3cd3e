import { expect, test } from "vitest";
import { admit } from "../../../../crds/admission/admit.ts";
import { creating, lister, object } from "./world.ts";

const source = { volumeRef: { name: "v1" } };
const writer = object("Export", "writer", { ...source, readOnly: false });
const reader = object("Export", "reader", { ...source, readOnly: true });
const vm = (name: string, readOnly: boolean) =>
  object("VirtualMachine", name, { disks: [{ target: "vda", source, readOnly }] });
const replica = object("MirrorReplica", "m1-alpha", {
  hostName: "alpha",
  mirrorRef: { name: "m1" },
  backing: source,
});
const mirrorExport = object("Export", "e-mirror", { mirrorRef: { name: "m1" }, readOnly: true });
const mirrorGroup = object("VolumeGroup", "vg-mirror", {
  physicalVolumes: [{ mirrorRef: { namespace: "default", name: "m1" } }],
});

test.each([
  { name: "two writers", there: writer, asked: vm("vm", false), refused: true },
  { name: "a writer and a reader", there: writer, asked: vm("vm", true), refused: false },
  { name: "two readers", there: reader, asked: vm("vm", true), refused: false },
  { name: "two guests that write", there: vm("a", false), asked: vm("b", false), refused: true },
  { name: "a reader of what backs a mirror", there: replica, asked: reader, refused: true },
  { name: "a mirror on what is exported", there: writer, asked: replica, refused: true },
  { name: "a reader of what a volume group lies on", there: mirrorGroup, asked: mirrorExport, refused: true },
  { name: "devices of the same name and another kind", there: mirrorExport, asked: writer, refused: false },
])("$name: refused $refused", ({ there, asked, refused }) => {
  const errors = admit(creating(asked), lister(there));
  expect(errors.length > 0).toBe(refused);
});

test("the refusal names the device and both users", () => {
  const [error] = admit(creating(vm("vm", false)), lister(writer));
  expect(error?.message).toBe(
    "Forbidden: Volume default/v1 cannot be used by Export default/writer and VirtualMachine default/vm at once",
  );
});

test("two disks of one guest on one device are refused", () => {
  const twice = object("VirtualMachine", "vm", {
    disks: [
      { target: "vda", source, readOnly: false },
      { target: "vdb", source, readOnly: false },
    ],
  });
  expect(admit(creating(twice), lister())).toHaveLength(1);
});
