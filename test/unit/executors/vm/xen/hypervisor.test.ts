import { readFileSync } from "node:fs";
import { beforeEach, describe, expect, it, test } from "vitest";
import { CommandError } from "../../../../../executors/command/errors.ts";
import type { Command, Executor, Follow } from "../../../../../executors/command/types.ts";
import { type GuestSpec, HypervisorError } from "../../../../../executors/vm/guest.ts";
import { xenHypervisor } from "../../../../../executors/vm/xen/hypervisor.ts";

const UID = "5eed0000-0000-4000-8000-000000000001";
const DIRECTORY = `/run/ferrite/vm/${UID}`;
const HEADING =
  "Name                                        ID   Mem VCPUs\tState\tTime(s)   UUID                            Reason-Code\tSecurity Label";
const SPEC: GuestSpec = {
  uid: UID,
  name: "web",
  cpus: 1,
  memoryBytes: 2 ** 27,
  boot: { kind: "kernel", kernel: "/boot/vmlinuz", initrd: undefined, cmdline: undefined },
  disks: [],
  networks: [],
  xen: { type: "PV" },
};
const signal = new AbortController().signal;

interface Domain {
  readonly name: string;
  readonly domid: number;
  readonly uuid: string;
  flags: string;
  time: string;
}

/** What xl does to domains, as far as the driver asks for it. */
class Machine {
  domains: Domain[] = [];
  readonly files = new Map<string, { readonly content: string; readonly mode: number | undefined }>();
  readonly commands: string[] = [];
  virtCaps = "pv hvm";
  /** What `xl create` says instead of making one. */
  refusal: { readonly stderr: string; readonly outcomeUnknown?: string } | undefined;
  #next = 1;

  readonly exec: Executor = {
    read: (path) => Promise.resolve(this.files.get(path)?.content),
    realPath: (path) => Promise.resolve(path),
    write: async ({ path, content, mode }) => void this.files.set(path, { content, mode }),
    run: async (command) => {
      if (command.mutates) this.commands.push(command.argv.join(" "));
      return { exitCode: 0, stdout: this.#answer(command), stderr: "" };
    },
  };

  add(flags: string, over: Partial<Domain> = {}): Domain {
    const domain = { name: "web", domid: this.#next++, uuid: UID, flags, time: "5.0", ...over };
    this.domains.push(domain);
    return domain;
  }

  #answer(command: Command): string {
    const [program, verb, ...rest] = command.argv.slice(command.argv[0] === "systemd-run" ? 5 : 0);
    if (program === "rm" && verb === "-f") this.files.delete(rest[0] ?? "");
    if (program !== "xl") return "";
    const named = () => {
      const domain = this.domains.find(({ domid }) => `${domid}` === rest.find((word) => /^\d+$/.test(word)));
      if (domain === undefined) throw new CommandError(command, { exitCode: 1, stdout: "", stderr: "no such domain" });
      return domain;
    };
    switch (verb ?? "") {
      case "info":
        return `total_memory           : 831\nfree_memory            : 371\nvirt_caps              : ${this.virtCaps}\n`;
      case "list":
        return [HEADING, ...this.domains.map(line), ""].join("\n");
      case "create": {
        const { refusal } = this;
        if (refusal !== undefined)
          throw new CommandError(
            command,
            { exitCode: 3, stdout: "", stderr: refusal.stderr },
            refusal.outcomeUnknown === undefined ? {} : { outcomeUnknown: refusal.outcomeUnknown },
          );
        this.add("--p---", { time: "0.0" });
        return "";
      }
      case "unpause":
        Object.assign(named(), { flags: "-b----", time: "0.1" });
        return "";
      case "destroy": {
        const gone = named();
        this.domains = this.domains.filter((domain) => domain !== gone);
        return "";
      }
      default:
        named();
        return "";
    }
  }
}

const line = ({ name, domid, uuid, flags, time }: Domain) =>
  `${name.padEnd(40)} ${`${domid}`.padStart(5)}   128     1     ${flags}  ${time.padStart(8)} ${uuid}        -                -`;
const silent: Follow = async function* () {};

let machine: Machine;
const driver = (follow: Follow = silent, systemd = false) => xenHypervisor({ exec: machine.exec, follow, systemd });
const only = async () => (await driver().list(signal))[0]!;
const state = async () => (await driver().inspect(await only(), signal)).state;
beforeEach(() => {
  machine = new Machine();
});

describe("a guest's life", () => {
  it("is made paused, from a file that is root's alone; runs; is asked; is removed", async () => {
    await driver().prepare(SPEC, signal);
    expect(machine.files.get(`${DIRECTORY}/xl.cfg`)).toMatchObject({ mode: 0o600 });
    expect(machine.commands).toContain(`xl create -e -p ${DIRECTORY}/xl.cfg`);
    expect(await state()).toBe("prepared");
    await driver().resume(await only(), SPEC, signal);
    expect(await state()).toBe("running");
    machine.commands.length = 0;
    await driver().balloon(await only(), 100 * 2 ** 20, signal);
    await driver().askToShutDown(await only(), signal);
    await driver().destroy(await only(), signal);
    await driver().forget(UID, signal);
    expect(machine.commands).toEqual(["xl mem-set 1 100m", "xl shutdown -F 1", "xl destroy 1", `rm -rf ${DIRECTORY}`]);
    expect(await driver().list(signal)).toEqual([]);
  });

  it("is not made a second time while it is there, in whatever state", async () => {
    machine.add("---s--");
    await driver().prepare(SPEC, signal);
    expect(machine.domains).toHaveLength(1);
    expect(machine.commands).toEqual([]);
  });

  it("is not resumed when the agent died before it was whole", async () => {
    machine.files.set(`${DIRECTORY}/xl.cfg`, { content: "", mode: 0o600 });
    machine.files.set(`${DIRECTORY}/domain`, { content: "1", mode: 0o600 });
    machine.add("--p---", { domid: 2, time: "0.0" });
    expect(await state()).toBe("crashed");
  });

  it("stays paused when somebody else has paused it", async () => {
    await driver().prepare(SPEC, signal);
    await driver().resume(await only(), SPEC, signal);
    machine.domains[0]!.flags = "--p---";
    expect(await state()).toBe("paused");
  });

  it("is started in a scope of its own under systemd", async () => {
    await driver(silent, true).prepare(SPEC, signal);
    expect(machine.commands.at(-1)).toMatch(/^systemd-run --scope .*--unit=ferrite-guest-5eed\S+ xl create -e -p /);
  });
});

describe("acts name the domain that was seen", () => {
  it("and do nothing to the one that came after it", async () => {
    const before = { uid: UID, name: "web", id: `1/${UID}` };
    machine.add("-b----", { domid: 2 });
    await driver().destroy(before, signal);
    await expect(driver().resume(before, SPEC, signal)).rejects.toThrow(HypervisorError);
    expect(machine.commands).toEqual([]);
    expect(await driver().inspect(before, signal)).toMatchObject({ state: "dying" });
  });

  it("and nothing to one that is dying", async () => {
    machine.add("---s-d");
    await driver().destroy(await only(), signal);
    expect(machine.commands).toEqual([]);
  });
});

describe("follow", () => {
  it("ends when the guest is gone, and not before", async () => {
    machine.add("-b----");
    const follow: Follow = async function* () {
      yield "@releaseDomain";
      yield "@releaseDomain";
      machine.domains = [];
      yield "@releaseDomain";
      throw new Error("nobody listens any more");
    };
    const heard: string[] = [];
    for await (const event of driver(follow).follow(await only(), signal)) heard.push(event);
    expect(heard).toHaveLength(3);
  });
});

const recorded = (name: string) =>
  JSON.parse(readFileSync(`test/fixtures/xen/4.17.7/create-${name}.json`, "utf8")) as {
    exitCode: number;
    stderr: string;
  };

test.each<[string, string, RegExp, Partial<GuestSpec>?]>([
  ["no-memory", "InsufficientMemory", /^spec.memory.size: 128 MiB are asked for, 371 MiB are free/],
  ["no-disk", "DiskMissing", /^disk xvda: there is no device \/dev\/none on this host$/],
  ["disk-mounted", "DiskInUse", /^\/dev\/vdc is mounted in the privileged domain: unmount it/],
  ["bad-target", "DiskTargetInvalid", /^disk vda: .*use xvda/],
  ["no-bridge", "BridgeMissing", /^there is no bridge br7 on this host$/],
  ["name-taken", "NameTaken", /^another guest named web is on this host.*spec.adopt/],
  ["no-kernel", "BootFileMissing", /^spec.boot: \/tmp\/none cannot be opened/],
  ["kernel-is-none", "KernelInvalid", /^spec.boot.kernel: \/boot\/vmlinuz is no kernel that a PV guest can start$/],
  [
    "bootloader-finds-nothing",
    "BootloaderFailed",
    /^spec.boot.bootloader: pygrub .*see \/var\/log\/xen\/bootloader.11.log on this host$/,
    { boot: { kind: "bootloader", bootloader: "pygrub" } },
  ],
  ["no-bootloader", "BootloaderFailed", /is not there, or/],
  ["no-device-model", "DeviceModelMissing", /^spec.xen.type: HVM needs .*install qemu-system-xen/],
  ["script-timeout", "DeviceTimeout", /^\/etc\/xen\/scripts\/block add did not end in time/],
])("prepare tells what xl says of %s", async (name, reason, message, change = {}) => {
  expect(recorded(name).exitCode).toBe(3);
  machine.refusal = recorded(name);
  await expect(driver().prepare({ ...SPEC, ...change }, signal)).rejects.toMatchObject({
    reason,
    message: expect.stringMatching(message) as string,
  });
  expect(machine.files.has(`${DIRECTORY}/domain`)).toBe(false);
});

test("prepare passes on what it does not know, without where in libxl it was written", async () => {
  const stderr = recorded("kernel-is-none").stderr.replace("no loader found: Invalid kernel", "odd thing");
  machine.refusal = { stderr };
  await expect(driver().prepare(SPEC, signal)).rejects.toThrow(
    /^Xen did not start it: odd thing; xc_dom_parse_image failed; cannot \(re-\)build domain: -3$/,
  );
});

test("prepare does not say that it failed when that is not known", async () => {
  machine.refusal = { stderr: "", outcomeUnknown: "timed out" };
  await expect(driver().prepare(SPEC, signal)).rejects.toThrow(/xl did not come back: .*timed out/);
});

test("a processor without virtualisation runs PV guests only", async () => {
  machine.virtCaps = "pv";
  await expect(driver().prepare({ ...SPEC, xen: { type: "PVH" } }, signal)).rejects.toThrow(/spec.xen.type: .*use PV/);
  await driver().prepare(SPEC, signal);
  expect(await state()).toBe("prepared");
});
