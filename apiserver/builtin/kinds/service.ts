import type { KubeObject } from "../../../machinery/object.ts";
import type { SchemaNode } from "../../schema/types.ts";
import { AGE, type BuiltinKind } from "../builtin-kind.ts";
import { flag, int32, kindSchema, listOf, mapOf, objectReference, record, text } from "../schema-nodes.ts";

/** Where this cluster's API is found by tools: one Service, `default/kubernetes`, kept by the servers themselves. */
const WHY =
  "the API server itself keeps default/kubernetes, which says where it is found; Ferrite has no other Services, for it has no Pods";

interface Port {
  readonly name?: string;
  readonly port: number;
  readonly protocol?: string;
}

interface Subset {
  readonly addresses?: readonly { readonly ip: string }[];
  readonly ports?: readonly Port[];
}

const NONE = "<none>";
const joined = (parts: readonly string[]): string => (parts.length === 0 ? NONE : parts.join(","));

const portsCell = (ports: readonly Port[] = []): string =>
  joined(ports.map(({ port, protocol = "TCP" }) => `${port}/${protocol}`));

const hostPort = (ip: string, port: number): string => (ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`);

const endpointsCell = ({ subsets = [] }: KubeObject & { subsets?: readonly Subset[] }): string =>
  joined(
    subsets.flatMap(({ addresses = [], ports = [] }) =>
      addresses.flatMap(({ ip }) => ports.map(({ port }) => hostPort(ip, port))),
    ),
  );

const port = (description: string, more: Readonly<Record<string, SchemaNode>> = {}): SchemaNode =>
  record(description, {
    name: text("Name of the port."),
    protocol: text("TCP, UDP or SCTP.", { default: "TCP" }),
    port: int32("Number of the port."),
    appProtocol: text("Protocol on top of it, such as https."),
    ...more,
  });

export const serviceKind: BuiltinKind = {
  group: "",
  version: "v1",
  kind: "Service",
  plural: "services",
  namespaced: true,
  shortNames: ["svc"],
  categories: ["all"],
  readOnly: WHY,
  selectableFields: ["spec.clusterIP", "spec.type"],
  schema: kindSchema("A name for a set of addresses that serve the same thing.", {
    spec: record("What is served.", {
      type: text("ClusterIP: within the cluster."),
      clusterIP: text("None: there is no address in front of the servers; ask the Endpoints."),
      clusterIPs: listOf("The same, as a list.", text("An address, or None.")),
      ports: listOf(
        "The ports.",
        port("One port.", {
          targetPort: { description: "Port of the servers, by number or name.", "x-kubernetes-int-or-string": true },
        }),
      ),
      selector: mapOf("Labels of the Pods behind it; never set here.", text("A value.")),
      sessionAffinity: text("None."),
      ipFamilies: listOf("IPv4, IPv6.", text("A family.")),
      ipFamilyPolicy: text("SingleStack or PreferDualStack."),
      internalTrafficPolicy: text("Cluster."),
    }),
    status: record("Empty here.", {}),
  }),
  columns: [
    { name: "Type", type: "string", jsonPath: ".spec.type", description: "How it is reached" },
    { name: "Cluster-IP", type: "string", jsonPath: ".spec.clusterIP", description: "Address in front of the servers" },
    {
      name: "External-IP",
      type: "string",
      jsonPath: ".spec.externalIPs",
      description: "From outside",
      cell: () => NONE,
    },
    {
      name: "Port(s)",
      type: "string",
      jsonPath: ".spec.ports",
      description: "Ports",
      cell: ({ spec }) => portsCell((spec as { ports?: readonly Port[] } | undefined)?.ports),
    },
    AGE,
    {
      name: "Selector",
      type: "string",
      jsonPath: ".spec.selector",
      priority: 1,
      description: "Pods",
      cell: () => NONE,
    },
  ],
};

export const endpointsKind: BuiltinKind = {
  group: "",
  version: "v1",
  kind: "Endpoints",
  plural: "endpoints",
  singular: "endpoints",
  namespaced: true,
  shortNames: ["ep"],
  readOnly: WHY,
  schema: kindSchema("The addresses behind a Service of the same name.", {
    subsets: listOf(
      "Addresses with the ports that all of them have.",
      record("Some addresses.", {
        addresses: listOf("The addresses.", record("One address.", { ip: text("The IP address.") })),
        ports: listOf("The ports.", port("One port.")),
      }),
    ),
  }),
  columns: [
    { name: "Endpoints", type: "string", jsonPath: ".subsets", description: "Addresses", cell: endpointsCell },
    AGE,
  ],
};

interface Slice extends KubeObject {
  endpoints?: readonly { readonly addresses: readonly string[] }[];
  ports?: readonly Port[];
}

export const endpointSliceKind: BuiltinKind = {
  group: "discovery.k8s.io",
  version: "v1",
  kind: "EndpointSlice",
  plural: "endpointslices",
  namespaced: true,
  readOnly: WHY,
  schema: kindSchema("Some of the addresses behind a Service; the label kubernetes.io/service-name says which one.", {
    addressType: text("IPv4, IPv6 or FQDN."),
    endpoints: listOf(
      "The addresses.",
      record("One server.", {
        addresses: listOf("Its addresses.", text("An address.")),
        conditions: record("How it is.", {
          ready: flag("Whether it serves."),
          serving: flag("The same, also while it ends."),
          terminating: flag("Whether it ends."),
        }),
        hostname: text("Its host name."),
        targetRef: objectReference("The object behind it; none here."),
      }),
    ),
    ports: listOf("The ports that all of them have.", port("One port.")),
  }),
  columns: [
    { name: "AddressType", type: "string", jsonPath: ".addressType", description: "Kind of address" },
    {
      name: "Ports",
      type: "string",
      jsonPath: ".ports",
      description: "Ports",
      cell: ({ ports = [] }: Slice) => joined(ports.map((each) => String(each.port))),
    },
    {
      name: "Endpoints",
      type: "string",
      jsonPath: ".endpoints",
      description: "Addresses",
      cell: ({ endpoints = [] }: Slice) => joined(endpoints.flatMap(({ addresses }) => addresses)),
    },
    AGE,
  ],
};
