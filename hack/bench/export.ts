/**
 * Devices imported by NBD, iSCSI and NVMe/TCP against the bare mirror under them, in one run on the lab's machines, and the pause of
 * a writer when the primary moves:
 *   hack/bench/export [--rounds N]
 * Prints JSON: medians of the rounds.
 */
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Cluster } from "../lab/cluster.ts";
import type { Guest } from "../lab/guest.ts";
import { Lab } from "../lab/lab.ts";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "3" } } });
const ROUNDS = Number(values.rounds);
/** A mirror each, on a disk of its own. */
const PROTOCOLS = { nbd: "NBD", iscsi: "ISCSI", nvme: "NVMeTCP" } as const;
type Name = keyof typeof PROTOCOLS;
const NAMES = Object.keys(PROTOCOLS) as Name[];
const MEBIBYTES = 16;
const SMALL_WRITES = 50;

const lab = await Lab.start({ name: "bench-export", diesWithUs: true, log: (line) => console.error(line) });
const cluster = await Cluster.start(lab, resolve(".ferrite/lab-cluster/bench-export"), ["alpha", "beta", "gamma"]);
try {
  console.log(JSON.stringify(await measure(), null, 2));
} finally {
  await cluster.stop();
  await lab.stop();
  cluster.remove();
}
process.exit(0);

async function measure() {
  for (const [index, name] of NAMES.entries()) {
    await apply("Mirror", name, {
      size: "64Mi",
      replicas: ["alpha", "beta"].map((host) => ({
        hostName: host,
        device: `/dev/disk/by-id/virtio-${host}-disk${index + 1}`,
      })),
      primary: { hostName: "alpha" },
    });
    await apply("Export", name, {
      mirrorRef: { name },
      protocol: PROTOCOLS[name],
      clients: [{ hostName: "gamma" }],
    });
    await apply("Import", name, { exportRef: { name }, hostName: "gamma" });
  }
  for (const name of NAMES) {
    await wait(`mirror/${name}`, "condition=InSync");
    await wait(`import/${name}`, "condition=Ready");
  }
  const bare: Figures[] = [];
  const imported: Record<Name, Figures[]> = { nbd: [], iscsi: [], nvme: [] };
  const mirror = (await cluster.kubectl("get", "mirror", "nbd", "-o", "jsonpath={.status.devicePath}")).trim();
  // Turn about, so that a slow spell of the machine falls on all.
  for (let round = 0; round < ROUNDS; round++) {
    bare.push(await figures(lab.guest("alpha"), mirror));
    for (const name of NAMES) imported[name].push(await figures(lab.guest("gamma"), `/dev/gnbd/${name}`));
  }
  const longestPauseSeconds: Partial<Record<Name, number>> = {};
  for (const name of NAMES) longestPauseSeconds[name] = await longestPause(name, () => move(name));
  return {
    timeFactor: lab.timeFactor,
    rounds: ROUNDS,
    bareMirror: medians(bare),
    nbd: medians(imported.nbd),
    iscsi: medians(imported.iscsi),
    nvme: medians(imported.nvme),
    longestPauseSeconds,
  };
}

/** Moves the primary, and so the export, to beta. */
async function move(name: Name): Promise<void> {
  const primary = { spec: { primary: { hostName: "beta" } } };
  await cluster.kubectl("patch", "mirror", name, "--type=merge", "-p", JSON.stringify(primary));
  const to = lab.guest("beta").address;
  for (let tries = 0; tries < 240; tries++) {
    const server = await cluster.kubectl("get", "import", name, "-o", "jsonpath={.status.connectedTo}");
    if (server.startsWith(to)) return;
    await sleep(1000);
  }
  throw new Error(`${name} was not moved to beta`);
}

interface Figures {
  readonly writeMiBPerSecond: number;
  readonly readMiBPerSecond: number;
  /** One after the other, past this machine's page cache. */
  readonly smallWriteMs: number;
}

async function figures(guest: Guest, device: string): Promise<Figures> {
  const timed = async (options: string): Promise<number> => {
    const command = `/bin/dd ${options} 2>&1 | awk -F', ' '/copied/{print $3}'`;
    return Number.parseFloat(await guest.sh(command, { timeoutMs: 240_000 }));
  };
  const write = await timed(`if=/dev/zero of=${device} bs=1M count=${MEBIBYTES} oflag=direct`);
  const read = await timed(`if=${device} of=/dev/null bs=1M count=${MEBIBYTES} iflag=direct`);
  const small = await timed(`if=/dev/zero of=${device} bs=4k count=${SMALL_WRITES} oflag=direct`);
  return {
    writeMiBPerSecond: MEBIBYTES / write,
    readMiBPerSecond: MEBIBYTES / read,
    smallWriteMs: (small * 1000) / SMALL_WRITES,
  };
}

/** Writes 4 KiB blocks on gamma without end and notes the time of each acknowledgement, while `disturb` runs. */
async function longestPause(name: Name, disturb: () => Promise<void>): Promise<number> {
  const gamma = lab.guest("gamma");
  const writer = `use Time::HiRes 'time'; use Fcntl; sysopen(my $f, '/dev/gnbd/${name}', O_RDWR | O_SYNC) or die; my $longest = 0; my $last = time;
for (my $i = 0; !-e '/run/stop'; $i++) { sysseek($f, 4096 * ($i % 512), 0); syswrite($f, 'x' x 4096) == 4096 or die "$!"; my $now = time; $longest = $now - $last if $now - $last > $longest; $last = $now }
open(my $o, '>', '/run/longest'); print $o $longest;`;
  await gamma.putFile("/run/pause.pl", writer);
  await gamma.sh("rm -f /run/stop /run/longest; setsid perl /run/pause.pl </dev/null >/run/pause.log 2>&1 &");
  await sleep(3_000);
  await disturb();
  await sleep(10_000);
  const script =
    "touch /run/stop; while pgrep -f pause.p[l] >/dev/null; do sleep 0.2; done; cat /run/longest /run/pause.log";
  return Number(Number(await gamma.sh(script, { timeoutMs: 120_000 })).toFixed(2));
}

function medians(all: readonly Figures[]): Figures {
  const of = (name: keyof Figures) => {
    const sorted = all.map((each) => each[name]).sort((a, b) => a - b);
    return Number((sorted[Math.floor(sorted.length / 2)] ?? Number.NaN).toFixed(1));
  };
  return {
    writeMiBPerSecond: of("writeMiBPerSecond"),
    readMiBPerSecond: of("readMiBPerSecond"),
    smallWriteMs: of("smallWriteMs"),
  };
}

const apply = (kind: string, name: string, spec: unknown): Promise<void> =>
  cluster.apply({
    apiVersion: "ferrite.dev/v1alpha1",
    kind,
    metadata: { name, namespace: "default" },
    spec,
  });

async function wait(what: string, condition: string): Promise<void> {
  await cluster.kubectl("wait", what, `--for=${condition}`, "--timeout=240s");
}
