/**
 * Measures a Kubernetes API server: writes, reads, lists, watch fan-out, apply; beside it what raw etcd does on this
 * machine in the same run. `node hack/bench/api.ts [--kubeconfig FILE] [--objects 10000] [--seconds 5]`; without a
 * kubeconfig it starts a `ferrite server` of its own and also tells how long that took and how large it grew.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { LocalEtcd } from "../../apiserver/storage/etcd/server.ts";
import { silentLogger } from "../../machinery/log.ts";
import { ApiClient } from "./api-client.ts";
import { type OwnServer, startOwnServer } from "./api-server.ts";
import { type EtcdFloor, measureEtcdFloor } from "./etcd-floor.ts";

const IN_FLIGHT = 64;
const VALUE_BYTES = 1024;
const WATCHERS = 200;
const FAN_OUT_EVENTS = 100;
const NAMESPACE = "ferrite-bench";
const CONFIG_MAPS = `/api/v1/namespaces/${NAMESPACE}/configmaps`;

const { values } = parseArgs({
  options: {
    kubeconfig: { type: "string" },
    objects: { type: "string", default: "10000" },
    seconds: { type: "string", default: "5" },
  },
});
const objects = Number(values.objects);
const seconds = Number(values.seconds);

const configMap = (name: string, note: string): string =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, labels: { bench: "yes" } },
    data: { note, padding: "x".repeat(VALUE_BYTES - 300) },
  });

/** Runs `work` for 0, 1, 2 … with 64 in flight, `count` times or for `seconds`; returns rate and quantiles. */
async function load(work: (n: number) => Promise<{ status: number }>, count?: number): Promise<Load> {
  const times: number[] = [];
  let failed = 0;
  let next = 0;
  const cpuBefore = cpuMs();
  const beganMs = performance.now();
  const more = () => (count === undefined ? performance.now() - beganMs < seconds * 1000 : next < count);
  const worker = async () => {
    while (more()) {
      const startMs = performance.now();
      const { status } = await work(next++);
      if (status >= 300) failed += 1;
      times.push(performance.now() - startMs);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  const perSecond = Math.round((times.length * 1000) / (performance.now() - beganMs));
  const cpuMicros = Math.round(((cpuMs() - cpuBefore) * 1000) / times.length);
  return { perSecond, failed, cpuMicros, ...quantiles(times) };
}

interface Load {
  readonly perSecond: number;
  readonly failed: number;
  /** Processor time of the server for each request; 0 where it is not ours to see. */
  readonly cpuMicros: number;
  readonly p50: number;
  readonly p99: number;
}

function quantiles(times: readonly number[]): { p50: number; p99: number } {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => Number((sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN).toFixed(1));
  return { p50: at(0.5), p99: at(0.99) };
}

/** Processor time of the server under test so far; 0 where it is not ours to see. */
let cpuMs = (): number => 0;

const row = (name: string, result: string, against: string): void => {
  process.stdout.write(`${name.padEnd(34)}${result.padEnd(52)}${against}\n`);
};

const text = ({ perSecond, p50, p99, failed, cpuMicros }: Load): string =>
  `${perSecond}/s, p50 ${p50} ms, p99 ${p99} ms, ${cpuMicros} µs CPU${failed === 0 ? "" : `, ${failed} FAILED`}`;

async function bench(client: ApiClient, floor: EtcdFloor, own: OwnServer | undefined): Promise<void> {
  const share = ({ perSecond }: Load) => `${Math.round((100 * perSecond) / floor.putsPerSecond)} % of raw puts`;
  row("raw etcd put", `${floor.putsPerSecond}/s, p50 ${floor.putMs.p50} ms, p99 ${floor.putMs.p99} ms`, "");
  await client.ask("POST", "/api/v1/namespaces", JSON.stringify({ metadata: { name: NAMESPACE } }));
  const created = await load((n) => client.ask("POST", CONFIG_MAPS, configMap(`cm-${n}`, "new")), objects);
  row(`create ${objects} x 1 KiB`, text(created), share(created));
  if (own !== undefined) row("resident memory with these", `${own.rssMiB()} MiB`, "");
  const updated = await load((n) =>
    client.ask("PUT", `${CONFIG_MAPS}/cm-${n % objects}`, configMap(`cm-${n % objects}`, `update ${n}`)),
  );
  row("update", text(updated), share(updated));
  const got = await load((n) => client.ask("GET", `${CONFIG_MAPS}/cm-${n % objects}`));
  row("get (linearizable)", text(got), "");
  const cached = await load((n) => client.ask("GET", `${CONFIG_MAPS}/cm-${n % objects}?resourceVersion=0`));
  row("get (any revision)", text(cached), "");
  const applied = await load((n) =>
    client.ask(
      "PATCH",
      `${CONFIG_MAPS}/applied-${n % 1000}?fieldManager=bench&force=true`,
      configMap(`applied-${n % 1000}`, `apply ${n}`),
      "application/apply-patch+yaml",
    ),
  );
  row("server-side apply", text(applied), share(applied));
  await lists(client);
  await watches(client, floor);
  if (own !== undefined) row("resident memory at the end", `${own.rssMiB()} MiB`, "");
}

async function lists(client: ApiClient): Promise<void> {
  for (const [name, query] of [
    ["list (first)", ""],
    ["list", ""],
    ["list, any revision", "?resourceVersion=0"],
    ["list, pages of 500", "?limit=500"],
  ] as const) {
    const startMs = performance.now();
    let bytes = 0;
    let token = "";
    do {
      const page = await client.ask("GET", `${CONFIG_MAPS}${query}${token === "" ? "" : `&continue=${token}`}`);
      bytes += page.bytes;
      token = /"continue":"([^"]+)"/.exec(page.text.slice(0, 2000))?.[1] ?? "";
    } while (token !== "");
    row(name, `${Math.round(performance.now() - startMs)} ms, ${(bytes / 2 ** 20).toFixed(1)} MiB`, "");
  }
}

/** The time from a write to its event, one at a time with one watcher, then with 200. */
async function watches(client: ApiClient, floor: EtcdFloor): Promise<void> {
  for (const watchers of [1, WATCHERS]) {
    const times: number[] = [];
    let seen = 0;
    let onAll = (): void => {};
    const stops = await Promise.all(
      Array.from({ length: watchers }, () =>
        client.watch(`${CONFIG_MAPS}?watch=1&fieldSelector=metadata.name%3Dwatched`, (line) => {
          const sent = /"note":"at ([\d.]+)"/.exec(line)?.[1];
          if (sent === undefined) return;
          times.push(performance.now() - Number(sent));
          seen += 1;
          if (seen % watchers === 0) onAll();
        }),
      ),
    );
    for (let n = 0; n < FAN_OUT_EVENTS; n += 1) {
      const all = new Promise<void>((resolve) => {
        onAll = resolve;
      });
      const body = configMap("watched", `at ${performance.now()}`);
      const { status } = await client.ask("PUT", `${CONFIG_MAPS}/watched`, body);
      if (status === 404) await client.ask("POST", CONFIG_MAPS, body);
      await all;
    }
    for (const stop of stops) stop();
    const { p50, p99 } = quantiles(times);
    const raw = watchers === 1 ? floor.watchIdleMs : floor.watchFanOutMs;
    const against = `${(p99 / raw.p99).toFixed(1)} x p99 of as many raw watches (p50 ${raw.p50} ms, p99 ${raw.p99} ms)`;
    row(`write to event, ${watchers} watchers`, `p50 ${p50} ms, p99 ${p99} ms`, against);
  }
}

const dir = mkdtempSync(join(tmpdir(), "ferrite-bench-"));
const etcd = await LocalEtcd.start({
  binary: process.env["FERRITE_ETCD"] ?? "etcd",
  dir: join(dir, "raw"),
  log: silentLogger,
});
const floor = await measureEtcdFloor(etcd.endpoint, {
  seconds,
  inFlight: IN_FLIGHT,
  valueBytes: VALUE_BYTES,
  watchers: WATCHERS,
});
await etcd.stop();
const own = values.kubeconfig === undefined ? await startOwnServer(dir) : undefined;
const client = new ApiClient(values.kubeconfig ?? own?.kubeconfig ?? "");
try {
  if (own !== undefined) cpuMs = () => own.cpuMs();
  if (own !== undefined) row("start to ready", `${own.startMs} ms`, "");
  await bench(client, floor, own);
} finally {
  await client.ask("DELETE", `/api/v1/namespaces/${NAMESPACE}`).catch(() => {});
  client.close();
  await own?.stop();
  rmSync(dir, { recursive: true, force: true });
}
