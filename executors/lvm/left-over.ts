import type { Command, Executor } from "../command/types.ts";
import type { Plan } from "../driver.ts";
import { blocked, step, steps } from "./plans.ts";
import { LvmParseError } from "./report.ts";

/** A device of device-mapper that outlived the disk under it: LVM does not see its volume any more, the kernel has it still. */
export interface LeftDevice {
  /** Name under /dev/mapper. */
  readonly name: string;
  readonly open: boolean;
}

export const devicesCommand: Command = {
  kind: "run",
  argv: ["dmsetup", "info", "--columns", "--noheadings", "--separator", " ", "--options", "name,open,uuid"],
  mutates: false,
};
export const removeDevice = (name: string): Command => ({
  kind: "run",
  argv: ["dmsetup", "remove", "--retry", name],
  mutates: true,
});

/** The kernel's devices of the volume group with this uuid; LVM puts it, without dashes, into theirs. */
export async function observeLeftDevices(
  groupUuid: string,
  exec: Executor,
  signal: AbortSignal,
): Promise<readonly LeftDevice[]> {
  const prefix = `LVM-${groupUuid.replaceAll("-", "")}`;
  return parseDevices((await exec.run(devicesCommand, signal)).stdout)
    .filter(({ uuid }) => uuid.startsWith(prefix))
    .map(({ name, open }) => ({ name, open }));
}

/** Parses lines of `name open uuid`; `No devices found` is none. A device without a uuid is not LVM's. */
export function parseDevices(stdout: string): readonly (LeftDevice & { readonly uuid: string })[] {
  if (stdout.trim() === "No devices found") return [];
  return stdout.split("\n").flatMap((line) => {
    if (line.trim() === "") return [];
    const [name, open, uuid = ""] = line.trim().split(" ");
    if (name === undefined || open === undefined || !/^\d+$/.test(open))
      throw new LvmParseError(`dmsetup info: a line that is not "name open uuid": ${JSON.stringify(line)}`);
    return [{ name, open: open !== "0", uuid }];
  });
}

/**
 * Takes them out of the kernel: a volume group of the same name could not be made again while they are there. Those that
 * stand on others go first, for the others are open; what stays open is somebody's.
 */
export function planLeftDevices(devices: readonly LeftDevice[]): Plan | undefined {
  if (devices.length === 0) return undefined;
  const free = devices.filter(({ open }) => !open);
  if (free.length > 0)
    return steps(...free.map(({ name }) => step(`remove what is left of ${name} in the kernel`, removeDevice(name))));
  return blocked(
    "DeviceInUse",
    `the disks are gone, but what was on them is in use still: ${devices.map(({ name }) => `/dev/mapper/${name}`).join(", ")}`,
  );
}
