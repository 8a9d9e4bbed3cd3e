/**
 * Simulated machines for a control plane that runs: node hack/simulated/main.ts KUBECONFIG COUNT. Says `joined` on stdout when all
 * of them have, and runs until SIGTERM or SIGINT. The machines' disks are memory: they end with the process.
 */
import { loadKubeconfigFile } from "../../client/kubeconfig/file.ts";
import { createLogger } from "../../machinery/log.ts";
import { hostNames, SimulatedCluster } from "./cluster.ts";

const [kubeconfig, text] = process.argv.slice(2);
const count = Number(text);
if (kubeconfig === undefined || !Number.isInteger(count) || count < 1)
  throw new Error("usage: node hack/simulated/main.ts KUBECONFIG COUNT");
const stop = new AbortController();
for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stop.abort(new Error(signal)));
const cluster = new SimulatedCluster({
  hosts: hostNames(count),
  connection: await loadKubeconfigFile(kubeconfig),
  log: createLogger({ level: "info", name: "simulated" }),
});
try {
  await cluster.run(() => process.stdout.write("joined\n"), stop.signal);
} catch (error) {
  if (!stop.signal.aborted) throw error;
}
process.exit(0); // the models' timers would keep it alive
