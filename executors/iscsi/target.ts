import { kernelTargetServer } from "../kernel-target.ts";

export const ISCSI_PORT = 3260;

/** LIO by configfs. The serial number of the disk is the export's identity; clients are initiators' names. */
export const iscsiServer = kernelTargetServer({
  program: "/usr/lib/ferrite/iscsi-target",
  clientWords: ({ clients }) =>
    clients.flatMap(({ iqn, readOnly }) => (iqn === undefined ? [] : [`${iqn}=${readOnly ? "ro" : "rw"}`])),
  serveArguments: ({ target, device, identity, listenAddress, readOnly }) => [
    target,
    device,
    identity,
    listenAddress,
    readOnly ? "ro" : "rw",
  ],
});
