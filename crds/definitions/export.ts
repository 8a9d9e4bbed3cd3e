import * as f from "./fragments.ts";
import {
  column,
  type KindDefinition,
  messageColumn,
  readyColumn,
  reasonColumn,
  wideColumn,
} from "./kind-definition.ts";
import { exactlyOneOf, flag, immutable, integer, list, object, oneOf, text } from "./schema-node.ts";

export const exportKind: KindDefinition = {
  kind: "Export",
  plural: "exports",
  shortNames: ["fexp"],
  scope: "Namespaced",
  description:
    "A block device offered on the network to the clients that it names. An Export of a Mirror follows its primary.",
  spec: object(
    "What is offered, how and to whom.",
    {
      ...f.BLOCK_SOURCE_FIELDS,
      protocol: oneOf(["NBD", "ISCSI", "NVMeTCP"], "How it is offered.", "NBD"),
      exportName: text(
        "Name by which clients ask for it, unique in the cluster. Absent: this object's name, with the namespace in " +
          "front unless that is default.",
        { minLength: 1, maxLength: 63, pattern: "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$" },
      ),
      readOnly: flag("Refuse writes.", { default: false }),
      clients: list(
        "Who may connect; nobody when empty. A client that is taken off the list is cut off at once.",
        object(
          "One client.",
          {
            hostName: f.hostName("A host of this cluster."),
            cidr: text("A network such as 192.0.2.0/24 or an address such as 192.0.2.7/32.", {
              maxLength: 49,
              pattern: "^[0-9a-fA-F.:]+/[0-9]{1,3}$",
            }),
          },
          { name: "ExportClient", rules: [exactlyOneOf(["hostName", "cidr"])] },
        ),
        { max: 128 },
      ),
      chapSecretRef: f.secretRef("iSCSI and NVMe only: Secret with the keys username and password."),
      tls: object(
        "NBD only: encrypt, and know clients by certificate.",
        { "secretRef!": f.secretRef("Secret with the keys tls.crt, tls.key and ca.crt.") },
        { name: "ExportTls" },
      ),
    },
    {
      name: "ExportSpec",
      rules: [
        f.BLOCK_SOURCE_RULE,
        immutable("volumeRef", "make another Export"),
        immutable("mirrorRef", "make another Export"),
        immutable("importRef", "make another Export"),
        immutable("protocol", "clients are connected by it"),
        immutable("exportName", "clients are connected by it"),
        {
          rule: "!has(self.tls) || self.protocol == 'NBD'",
          message: "tls is for protocol NBD",
          fieldPath: ".tls",
        },
        {
          rule: "!has(self.chapSecretRef) || self.protocol != 'NBD'",
          message: "chapSecretRef is for protocols ISCSI and NVMeTCP; NBD knows clients by tls",
          fieldPath: ".chapSecretRef",
        },
      ],
    },
  ),
  status: object(
    "What is offered now.",
    {
      ...f.commonStatus({ Ready: "clients can connect." }),
      hostName: f.hostName("The host that serves it now."),
      address: text("Address that it listens on.", { maxLength: 45 }),
      port: integer("TCP port.", { minimum: 1, maximum: 65535 }),
      target: text("Export name, IQN or NQN that clients ask for.", { maxLength: 223 }),
      connectedClients: list(
        "Who is connected.",
        object(
          "One connection.",
          {
            "address!": text("The client's address and port.", { maxLength: 64 }),
            hostName: f.hostName("The host of this cluster that it is."),
            since: f.time("Since when."),
          },
          { name: "ConnectedClient" },
        ),
        { max: 256, keys: ["address"] },
      ),
    },
    { name: "ExportStatus" },
  ),
  columns: [
    readyColumn,
    column("Protocol", ".spec.protocol", "How it is offered."),
    column("Host", ".status.hostName", "The host that serves it."),
    column("Address", ".status.address", "Address."),
    column("Port", ".status.port", "TCP port.", "integer"),
    column("Clients", ".status.connectedClients[*].hostName", "Who is connected."),
    reasonColumn,
    wideColumn("Target", ".status.target", "Name that clients ask for."),
    messageColumn,
  ],
  selectableFields: [".status.hostName"],
};
