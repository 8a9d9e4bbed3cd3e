/** The command line; `ferrite.js` is what starts it. */
import { writeSync } from "node:fs";
import { Command } from "commander";
import { OperatorError } from "../machinery/errors.ts";
import packageJson from "../package.json" with { type: "json" };

interface CommandModule {
  readonly commands: readonly string[];
  readonly load: () => Promise<(program: Command) => void>;
}

/** Where each command is: they share little, and what one needs would be dead weight in the processes of the others. */
const MODULES: readonly CommandModule[] = [
  { commands: ["server"], load: async () => (await import("./server.ts")).addServerCommand },
  { commands: ["backup", "restore"], load: async () => (await import("./backup.ts")).addBackupCommands },
  { commands: ["controllers"], load: async () => (await import("./controllers.ts")).addControllersCommand },
  { commands: ["agent", "join"], load: async () => (await import("./agent-commands.ts")).addAgentCommands },
];

const program = new Command("ferrite").description(packageJson.description).version(packageJson.version);
program
  .command("version")
  .description("print the version")
  .action(() => {
    process.stdout.write(`ferrite ${packageJson.version}\n`);
  });
const asked = MODULES.filter(({ commands }) => commands.includes(process.argv[2] ?? ""));
for (const { load } of asked.length > 0 ? asked : MODULES) (await load())(program);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof OperatorError)) throw error;
  // Something may still be open that would keep the process here.
  writeSync(process.stderr.fd, `error: ${error.message}\n`);
  process.exit(1);
}
