import { kernelTargetServer } from "../kernel-target.ts";

/** The first; each export listens on a port of its own from here on. */
export const NVME_PORT = 4420;

/** Controllers that each of the two hosts may number: a number is used once among both. */
const FIRST_CONTROLLERS = { 0: 1, 1: 30_001 } as const;

/** The kernel's nvmet by configfs. UUID and NGUID of the namespace are the export's identity. */
export const nvmeServer = kernelTargetServer({
  program: "/usr/lib/ferrite/nvmet-target",
  clientWords: ({ clients }) => clients.flatMap(({ nqn }) => (nqn === undefined ? [] : [nqn])),
  serveArguments: ({ target, device, identity, listenAddress, side }) => [
    target,
    device,
    identity,
    listenAddress,
    `${FIRST_CONTROLLERS[side]}`,
  ],
});
