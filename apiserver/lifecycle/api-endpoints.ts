import { isIP, isIPv6 } from "node:net";
import type { KubeObject } from "../../machinery/object.ts";

/** Where one API server is reached. */
export interface Address {
  /** An IP address. */
  readonly ip: string;
  readonly port: number;
}

/** `192.0.2.1:6443`, `[2001:db8::1]:6443`. */
export const formatAddress = ({ ip, port }: Address): string => (isIPv6(ip) ? `[${ip}]:${port}` : `${ip}:${port}`);

/** `undefined`: it is no such address. */
export function parseAddress(text: string): Address | undefined {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const ip = bracketed ?? plain ?? "";
  return isIP(ip) === 0 || Number(port) > 65_535 ? undefined : { ip, port: Number(port) };
}

const SERVICE_PORT = { name: "https", port: 443, protocol: "TCP", targetPort: "https" };

/** The Service in front of the servers, its Endpoints, and an EndpointSlice for each address family and port. */
export function publishedObjects(
  { namespace, name }: { readonly namespace: string; readonly name: string },
  servers: readonly Address[],
): readonly KubeObject[] {
  const sorted = servers.toSorted((a, b) => a.port - b.port || (formatAddress(a) < formatAddress(b) ? -1 : 1));
  const families = ["IPv4", "IPv6"].filter((family) => sorted.some(({ ip }) => familyOf(ip) === family));
  return [
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { namespace, name, labels: { component: "apiserver", provider: "kubernetes" } },
      spec: {
        type: "ClusterIP",
        clusterIP: "None",
        clusterIPs: ["None"],
        ports: [SERVICE_PORT],
        sessionAffinity: "None",
        ipFamilies: families.length === 0 ? ["IPv4"] : families,
        ipFamilyPolicy: families.length === 2 ? "PreferDualStack" : "SingleStack",
        internalTrafficPolicy: "Cluster",
      },
      status: {},
    },
    {
      apiVersion: "v1",
      kind: "Endpoints",
      metadata: { namespace, name, labels: { "endpointslice.kubernetes.io/skip-mirror": "true" } },
      subsets: groupBy(sorted, ({ port }) => String(port)).map((group) => ({
        addresses: group.map(({ ip }) => ({ ip })),
        ports: portsOf(group),
      })),
    },
    ...groupBy(sorted, ({ ip, port }) => `${familyOf(ip)} ${port}`).map((group, index) =>
      sliceOf(namespace, name, group, index),
    ),
  ];
}

function sliceOf(namespace: string, service: string, servers: readonly Address[], index: number): KubeObject {
  const [first] = servers;
  const { ip = "", port = 0 } = first ?? {};
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      namespace,
      // The first one has the name that everybody knows from Kubernetes.
      name: index === 0 ? service : `${service}-${familyOf(ip).toLowerCase()}-${port}`,
      labels: { "kubernetes.io/service-name": service },
    },
    addressType: familyOf(ip),
    endpoints: servers.map((server) => ({ addresses: [server.ip], conditions: { ready: true } })),
    ports: portsOf(servers),
  };
}

const familyOf = (ip: string): "IPv4" | "IPv6" => (isIPv6(ip) ? "IPv6" : "IPv4");

const portsOf = ([first]: readonly Address[]): object[] => [{ name: "https", port: first?.port ?? 0, protocol: "TCP" }];

/** In the order of their first members. */
function groupBy<T>(all: readonly T[], key: (each: T) => string): readonly (readonly T[])[] {
  return Object.values(Object.groupBy(all, (each) => ` ${key(each)}`)).filter((group) => group !== undefined);
}
