import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { ensurePki, type Pki } from "../../../../apiserver/access/pki/ensure-pki.ts";
import { formatAddress, parseAddress, publishedObjects } from "../../../../apiserver/lifecycle/api-endpoints.ts";
import { type ApiServer, startServer } from "../../../../apiserver/server.ts";
import { MemoryStorage } from "../../../../apiserver/storage/memory.ts";
import { systemClock } from "../../../../machinery/clock.ts";
import type { KubeObject } from "../../../../machinery/object.ts";
import { VirtualClock } from "../../../../machinery/virtual-clock.ts";
import { askAs, eventually } from "./world.ts";

let directory: string;
let pki: Pki;
let storage: MemoryStorage;
let running: ApiServer[];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "ferrite-address-"));
  pki = await ensurePki({ directory, serverNames: ["localhost"], serverUrl: "https://x:1", clock: systemClock });
});
afterAll(() => rm(directory, { recursive: true }));
beforeEach(() => {
  storage = new MemoryStorage(systemClock);
  running = [];
});
afterEach(() => Promise.all(running.map((server) => server.stop())));

/** A server that is found at `ip`, on a clock of its own. */
async function start(ip: string): Promise<{ readonly server: ApiServer; readonly clock: VirtualClock }> {
  const clock = new VirtualClock();
  const { server: leaf, authority } = pki;
  const tls = { key: leaf.keyPem, certificate: leaf.certificatePem, clientCa: authority.certificatePem };
  const server = await startServer({ storage, clock, listen: { host: "127.0.0.1", port: 0, advertise: ip, tls } });
  running.push(server);
  return { server, clock };
}

const ADMIN = { certificate: { commonName: "admin", organizations: ["system:masters"] } };
const DEFAULT = "/api/v1/namespaces/default";
const SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
const get = async (server: ApiServer, path: string) => (await askAs(server, ADMIN, "GET", path)).body;

/** `ip:port` of everything that Endpoints and EndpointSlices name; both must say the same. */
async function published(server: ApiServer): Promise<string[]> {
  const endpoints = (await get(server, `${DEFAULT}/endpoints/kubernetes`)) as KubeObject & {
    subsets?: { addresses: { ip: string }[]; ports: { port: number }[] }[];
  };
  const slices = (await get(server, SLICES)) as unknown as {
    items: { metadata: KubeObject["metadata"]; endpoints: { addresses: string[] }[]; ports: { port: number }[] }[];
  };
  const bySubset = (endpoints.subsets ?? []).flatMap(({ addresses, ports }) =>
    addresses.flatMap(({ ip }) => ports.map(({ port }) => `${ip}:${port}`)),
  );
  const bySlice = slices.items.flatMap((slice) =>
    slice.endpoints.flatMap(({ addresses }) => slice.ports.map(({ port }) => `${addresses[0]}:${port}`)),
  );
  expect(bySlice.toSorted()).toEqual(bySubset.toSorted());
  for (const { metadata } of slices.items)
    expect(metadata.labels).toEqual({ "kubernetes.io/service-name": "kubernetes" });
  return bySubset.toSorted();
}

const portOf = ({ url }: ApiServer): string => new URL(url).port;

it("two servers are both found; the one that stops is not any more, and nobody else's write is needed", async () => {
  const { server: one } = await start("192.0.2.1");
  await eventually(async () => expect(await published(one)).toEqual([`192.0.2.1:${portOf(one)}`]));
  const { server: two, clock } = await start("192.0.2.2");
  const both = [`192.0.2.1:${portOf(one)}`, `192.0.2.2:${portOf(two)}`];
  await eventually(async () => expect(await published(one)).toEqual(both));
  expect(await get(one, `${DEFAULT}/services/kubernetes`)).toMatchObject({
    metadata: { labels: { component: "apiserver", provider: "kubernetes" } },
    spec: { clusterIP: "None", ports: [{ name: "https", port: 443, targetPort: "https" }] },
  });
  running = [one];
  const stopped = two.stop();
  // Its sockets close with time, of which it has its own.
  await eventually(() => clock.advance(1000));
  await stopped;
  await eventually(async () => expect(await published(one)).toEqual([`192.0.2.1:${portOf(one)}`]));
});

it("a server that dies is taken off the list a minute later, whatever its clock said", async () => {
  const { server: one, clock } = await start("192.0.2.1");
  const { server: dead, clock: stands } = await start("192.0.2.2");
  stands.jumpWallClock(3600_000);
  await eventually(async () => expect(await published(one)).toHaveLength(2));
  await clock.advance(50_000);
  expect(await published(one)).toHaveLength(2);
  await clock.advance(41_000);
  await eventually(async () => expect(await published(one)).toEqual([`192.0.2.1:${portOf(one)}`]));
  // Its own clock goes on: it was only cut off, and comes back by itself.
  await stands.advance(21_000);
  await eventually(async () => expect(await published(one)).toContain(`192.0.2.2:${portOf(dead)}`));
});

it("writes nothing but its own Lease while nothing changes", async () => {
  const { server, clock } = await start("192.0.2.1");
  await eventually(async () => expect(await published(server)).toHaveLength(1));
  const before = await get(server, `${DEFAULT}/endpoints/kubernetes`);
  await clock.advance(100_000);
  expect(await get(server, `${DEFAULT}/endpoints/kubernetes`)).toEqual(before);
  const { status, body } = await askAs(server, ADMIN, "DELETE", `${DEFAULT}/services/kubernetes`);
  expect([status, body["message"]]).toEqual([405, expect.stringContaining("default/kubernetes")]);
});

it.each([
  [{ ip: "192.0.2.1", port: 6443 }, "192.0.2.1:6443"],
  [{ ip: "2001:db8::1", port: 1 }, "[2001:db8::1]:1"],
])("an address is read as it was written: %o", (address, text) => {
  expect(formatAddress(address)).toBe(text);
  expect(parseAddress(text)).toEqual(address);
});

it.each(["", "x", "192.0.2.1", "localhost:1", "192.0.2.1:99999", "::1:6443", "[x]:1"])("%j is no address", (text) => {
  expect(parseAddress(text)).toBeUndefined();
});

it("servers of both families and of several ports get a slice each", () => {
  const objects = publishedObjects({ namespace: "default", name: "kubernetes" }, [
    { ip: "2001:db8::1", port: 6443 },
    { ip: "192.0.2.2", port: 6444 },
    { ip: "192.0.2.1", port: 6443 },
  ]);
  const slices = objects.filter(({ kind }) => kind === "EndpointSlice");
  expect(slices.map(({ metadata, addressType }) => [metadata.name, addressType])).toEqual([
    ["kubernetes", "IPv4"],
    ["kubernetes-ipv6-6443", "IPv6"],
    ["kubernetes-ipv4-6444", "IPv4"],
  ]);
  expect(objects[0]).toMatchObject({ spec: { ipFamilies: ["IPv4", "IPv6"], ipFamilyPolicy: "PreferDualStack" } });
});
