import type { Command, CommandOutput, Executor } from "./types.ts";

interface Look {
  /** Ends when the program does, well or not. */
  readonly running: Promise<unknown>;
  /** Of those who asked while it ran: begins when it has ended, so that it sees all that was before they asked. */
  next?: Promise<CommandOutput>;
}

/**
 * Programs that only look are run once for all who ask for the same while one of them runs: to list a hundred volumes a
 * hundred times at once would take a hundred times as long. Nobody gets an answer that is older than the question.
 */
export function sharedLooks(inner: Executor): Executor {
  const looks = new Map<string, Look>();
  const begin = (key: string, command: Command, signal: AbortSignal): Promise<CommandOutput> => {
    const output = inner.run(command, signal);
    const look: Look = { running: output.catch(() => undefined) };
    looks.set(key, look);
    void look.running.then(() => {
      if (looks.get(key) === look) looks.delete(key);
    });
    return output;
  };
  const join = (key: string, look: Look, command: Command, signal: AbortSignal): Promise<CommandOutput> => {
    look.next ??= look.running.then(() => begin(key, command, signal));
    return look.next;
  };
  return {
    ...inner,
    run(command, signal) {
      if (command.mutates || command.stdin !== undefined) return inner.run(command, signal);
      const key = JSON.stringify([command.argv, command.timeoutMs]);
      const look = looks.get(key);
      return look === undefined ? begin(key, command, signal) : join(key, look, command, signal);
    },
  };
}
