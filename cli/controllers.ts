import { hostname } from "node:os";
import type { Command } from "commander";
import { httpsTransport } from "../client/https-transport.ts";
import { loadKubeconfig } from "../client/kubeconfig/client-node.ts";
import { startControllers } from "../controllers/start.ts";
import { systemClock } from "../machinery/clock.ts";
import { createLogger } from "../machinery/log.ts";
import { systemRandom } from "../machinery/random.ts";

interface ControllersFlags {
  readonly kubeconfig?: string;
  readonly logLevel: string;
}

export function addControllersCommand(program: Command): void {
  program
    .command("controllers")
    .description("run Ferrite's controllers against a Kubernetes API")
    .option("--kubeconfig <path>", "how to reach the API; absent: KUBECONFIG, or the cluster that this runs in")
    .option("--log-level <level>", "trace, debug, info, warn, error", "info")
    .action((flags: ControllersFlags) => controllers(flags));
}

/** Runs until SIGTERM or SIGINT. */
async function controllers(flags: ControllersFlags): Promise<void> {
  const log = createLogger({ level: flags.logLevel, name: "controllers" });
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
  });
  const { transport, close } = httpsTransport(await loadKubeconfig(flags.kubeconfig));
  const running = startControllers({ transport, clock: systemClock, random: systemRandom, log, instance: hostname() });
  await stopped;
  await running.stop();
  close();
}
