import { dirname } from "node:path";
import type { Guest } from "../../hack/lab/guest.ts";
import { CommandError } from "../../executors/command/errors.ts";
import type { Executor } from "../../executors/command/types.ts";

/** Runs a driver's commands in a machine of the lab, as the agent would there. */
export function guestExecutor(guest: Guest): Executor {
  return {
    async run(command) {
      const { argv, timeoutMs = 30_000, stdin } = command;
      const options = { timeoutMs: Math.min(timeoutMs, 120_000), ...(stdin === undefined ? {} : { stdin }) };
      const output = await guest.exec(["env", "LC_ALL=C", ...argv], options);
      if (output.exitCode !== 0) throw new CommandError(command, output);
      return output;
    },
    async write(file) {
      await guest.exec(["mkdir", "-p", dirname(file.path)]);
      await guest.putFile(file.path, file.content, file.mode ?? 0o644);
    },
    async read(path) {
      const { exitCode, stdout } = await guest.exec(["cat", path]);
      return exitCode === 0 ? stdout : undefined;
    },
  };
}
