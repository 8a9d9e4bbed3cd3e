/** A process that wants to lead and writes ConfigMaps while it does. Arguments: URL, PKI directory, identity. */
import { readFileSync } from "node:fs";
import { httpsTransport } from "../../client/https-transport.ts";
import { lead } from "./elector-work.ts";

const [url = "", directory = "", identity = ""] = process.argv.slice(2);
const read = (name: string) => readFileSync(`${directory}/${name}`, "utf8");
const { transport } = httpsTransport({
  servers: [url],
  ca: read("ca.crt"),
  credentials: async () => ({ cert: read("admin.crt"), key: read("admin.key") }),
});
await lead(transport, identity, AbortSignal.timeout(120_000), (what) => process.stdout.write(`${what}\n`));
