/**
 * What `kubectl apply` of a mirrored volume costs against the same steps typed by hand, in one run on the lab's machines:
 *   hack/bench/storage [--rounds N] [--at-once N]
 * Prints JSON: medians in seconds, the ratio, and what the idle agents take.
 */
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Cluster } from "../lab/cluster.ts";
import { Lab } from "../lab/lab.ts";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "3" }, "at-once": { type: "string", default: "20" } },
});
const ROUNDS = Number(values.rounds);
const AT_ONCE = Number(values["at-once"]);
const HOSTS = ["alpha", "beta"] as const;
const SIZE_MIB = 16;
const AGENT = "^node .*ferrite-agent.mjs agent ";

const lab = await Lab.start({ name: "bench-storage", diesWithUs: true, log: (line) => console.error(line) });
const cluster = await Cluster.start(lab, resolve(`.ferrite/lab-cluster/bench-storage-${process.pid}`), [...HOSTS]);
try {
  console.log(JSON.stringify(await measure(), null, 2));
} finally {
  await cluster.stop();
  await lab.stop();
  cluster.remove();
}
process.exit(0);

async function measure() {
  for (const host of HOSTS)
    await apply(
      "VolumeGroup",
      `vg-${host}`,
      { hostName: host, physicalVolumes: [{ device: `/dev/disk/by-id/virtio-${host}-disk1` }] },
      false,
    );
  for (const host of HOSTS)
    await until(() => cluster.kubectl("wait", `volumegroup/vg-${host}`, "--for=condition=Ready", "--timeout=120s"));
  const byHand: number[] = [];
  const byApply: number[] = [];
  // Turn about, so that a slow spell of the machine falls on both.
  for (let round = 0; round < ROUNDS; round++) {
    byHand.push(await seconds("by hand", () => typeByHand(round)));
    byApply.push(await seconds("kubectl apply", () => applyMirror(`bench${round}`)));
    await cluster.kubectl("delete", "mirror", `bench${round}`, "--timeout=120s");
  }
  const idle = await idleAgents();
  const names = Array.from({ length: AT_ONCE }, (_, index) => `many${index}`);
  const together = await seconds(`${AT_ONCE} at once`, async () => {
    await Promise.all(names.map(createMirror));
    await cluster.kubectl("wait", ...names.map((name) => `mirror/${name}`), "--for=condition=Ready", "--timeout=900s");
  });
  const minors = (
    await cluster.kubectl(
      "get",
      "mirrorreplicas",
      "-o",
      'jsonpath={range .items[*]}{.spec.hostName}:{.spec.minor}:{.spec.port}{"\\n"}{end}',
    )
  )
    .trim()
    .split("\n");
  return {
    timeFactor: lab.timeFactor,
    handSeconds: median(byHand),
    applySeconds: median(byApply),
    ratio: Number((median(byApply) / median(byHand)).toFixed(2)),
    atOnce: { mirrors: AT_ONCE, seconds: together, collisions: minors.length - new Set(minors).size },
    idle,
  };
}

/** What an administrator types, on both machines at once: from nothing to a usable device. */
async function typeByHand(round: number): Promise<void> {
  const name = `hand${round}`;
  const minor = 500 + round;
  const on = (host: string, address: string) =>
    `on ${host} { device /dev/drbd${minor} minor ${minor}; disk /dev/vg-${host}/${name}; address ipv4 ${address}:${7500 + round}; meta-disk internal; }`;
  const file = `resource ${name} { net { protocol C; } ${HOSTS.map((host) => on(host, lab.guest(host).address)).join(" ")} }`;
  await Promise.all(
    HOSTS.map((host) =>
      lab
        .guest(host)
        .sh(
          `set -e; lvcreate -qq -y -W y -n ${name} -L ${SIZE_MIB + 4}m vg-${host} --devices /dev/vdc; echo '${file}' >/etc/drbd.d/${name}.res; drbdadm -- --force create-md ${name} >/dev/null 2>&1; drbdadm up ${name}`,
          { timeoutMs: 120_000 },
        ),
    ),
  );
  await lab
    .guest("alpha")
    .sh(
      `until drbdadm cstate ${name} | grep -q Connected; do sleep 0.1; done; drbdadm -- --force primary ${name}; test -b /dev/drbd${minor}`,
      { timeoutMs: 120_000 },
    );
}

async function createMirror(name: string): Promise<void> {
  const replicas = HOSTS.map((host) => ({ hostName: host, volumeGroupRef: { name: `vg-${host}` } }));
  await apply("Mirror", name, { size: `${SIZE_MIB}Mi`, replicas }, true);
}

async function applyMirror(name: string): Promise<void> {
  await createMirror(name);
  await cluster.kubectl("wait", `mirror/${name}`, "--for=condition=Ready", "--timeout=300s");
}

function apply(kind: string, name: string, spec: unknown, namespaced: boolean): Promise<void> {
  const metadata = { name, ...(namespaced ? { namespace: "default" } : {}) };
  return cluster.apply({ apiVersion: "ferrite.dev/v1alpha1", kind, metadata, spec });
}

/** How long an agent takes from its start to its work, its CPU over a minute in which nothing changes, and its memory then. */
async function idleAgents() {
  const readySeconds: number[] = [];
  for (const host of HOSTS) readySeconds.push(await seconds(`agent of ${host} works`, () => restartAgent(host)));
  await sleep(30_000);
  const before = await Promise.all(HOSTS.map(readAgent));
  const started = performance.now();
  await sleep(60_000);
  const after = await Promise.all(HOSTS.map(readAgent));
  const elapsed = (performance.now() - started) / 1000;
  return HOSTS.map((host, index) => {
    const ticks = (after[index]?.cpuTicks ?? Number.NaN) - (before[index]?.cpuTicks ?? Number.NaN);
    // A tick is a hundredth of a second.
    const cpuPercent = Number((ticks / elapsed).toFixed(2));
    const figures = { host, readySeconds: readySeconds[index], cpuPercent, rssMiB: after[index]?.rssMiB };
    console.error(JSON.stringify(figures));
    return figures;
  });
}

async function restartAgent(host: (typeof HOSTS)[number]): Promise<void> {
  const guest = lab.guest(host);
  const runs = "$(grep -c 'agent runs' /persist/agent.log)";
  const lives = (await guest.sh(`echo ${runs}`)).trim();
  // The loop that keeps it running starts it again a second later.
  const script = `pkill -9 -f '${AGENT}'; until [ ${runs} -gt ${lives} ]; do sleep 0.1; done`;
  await guest.sh(script, { timeoutMs: 60_000 });
}

async function readAgent(
  host: (typeof HOSTS)[number],
): Promise<{ readonly cpuTicks: number; readonly rssMiB: number }> {
  const script = `p=$(pgrep -f '${AGENT}'); cut -d' ' -f14,15 /proc/$p/stat; sed -n 's/^VmRSS:[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/$p/status`;
  const [ticks = "", kibibytes = ""] = (await lab.guest(host).sh(script)).split("\n");
  const cpuTicks = ticks.split(" ").reduce((sum, part) => sum + Number(part), 0);
  return { cpuTicks, rssMiB: Math.round(Number(kibibytes) / 1024) };
}

async function until(attempt: () => Promise<unknown>): Promise<void> {
  for (let failures = 0; ; failures++) {
    try {
      await attempt();
      return;
    } catch (error) {
      if (failures === 20) throw error;
      await sleep(1000);
    }
  }
}

/** Each is told as it is known: a run that is cut short is not for nothing. */
async function seconds(what: string, work: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await work();
  const taken = Number(((performance.now() - started) / 1000).toFixed(1));
  console.error(`${what}: ${taken} s`);
  return taken;
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}
