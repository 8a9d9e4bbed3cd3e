import { RUN } from "../qemu/files.ts";

/** Where the agent keeps what belongs to a guest of Xen; it dies with the machine, as the guest does. */
export interface XenFiles {
  readonly directory: string;
  /** What `xl create` reads; it may hold secrets of the kernel's command line. */
  readonly config: string;
  /** Number of the domain that was made from it, whole: written when `xl create` has come back. */
  readonly made: string;
  readonly name: string;
}

export function xenFiles(uid: string): XenFiles {
  const directory = `${RUN}/${uid}`;
  return { directory, config: `${directory}/xl.cfg`, made: `${directory}/domain`, name: `${directory}/name` };
}

/** Written by xenconsoled when it runs with `--log=guest`. */
export const consoleLog = (name: string): string => `/var/log/xen/console/guest-${name}.log`;
