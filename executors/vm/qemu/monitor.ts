import { createConnection, type Socket } from "node:net";
import type { Clock } from "../../../machinery/clock.ts";
import { deadline } from "../../../machinery/deadline.ts";
import { HypervisorError } from "../guest.ts";

/** One conversation with a guest's monitor: commands one after the other. */
export interface Monitor {
  /** Throws HypervisorError when QEMU refuses. */
  execute(command: string, args?: object): Promise<unknown>;
}

interface Message {
  readonly QMP?: unknown;
  readonly event?: string;
  readonly return?: unknown;
  readonly error?: { readonly class?: string; readonly desc?: string };
}

/**
 * Speaks QMP (QEMU's docs/interop/qmp-spec) with the monitor on a unix socket, for as long as `talk` runs and at most
 * `timeoutMs`. A monitor that another client holds, or whose QEMU hangs, does not answer in time: HypervisorError. Whether
 * a command that got no answer was carried out is unknown.
 */
export async function withMonitor<T>(
  path: string,
  parts: { readonly clock: Clock; readonly timeoutMs: number },
  talk: (monitor: Monitor) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const limit = deadline(parts.clock, parts.timeoutMs, `monitor ${path}`, signal);
  const socket = createConnection(path);
  const onLimit = () => socket.destroy(asError(limit.signal.reason));
  if (limit.signal.aborted) onLimit();
  limit.signal.addEventListener("abort", onLimit, { once: true });
  try {
    const messages = answers(socket);
    const execute = async (command: string, args: object = {}): Promise<unknown> => {
      socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
      const { value } = await messages.next();
      const { error, return: result } = value ?? ended();
      if (error !== undefined) throw new HypervisorError(`QEMU refused ${command}: ${error.desc ?? error.class}`);
      return result;
    };
    const greeting = (await messages.next()).value ?? ended();
    if (greeting.QMP === undefined) throw new HypervisorError(`${path} does not speak QMP`);
    await execute("qmp_capabilities");
    return await talk({ execute });
  } catch (cause) {
    if (cause instanceof HypervisorError || signal.aborted) throw cause;
    throw new HypervisorError(`monitor ${path}: ${asError(cause).message}`, { cause });
  } finally {
    limit.signal.removeEventListener("abort", onLimit);
    limit.cancel();
    socket.destroy();
  }
}

function ended(): never {
  throw new HypervisorError("the monitor ended the conversation");
}

const asError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));

/** The greeting and the answers, in order; events go by. */
async function* answers(socket: Socket): AsyncGenerator<Message, undefined> {
  for await (const line of lines(socket)) {
    const message = parse(line);
    if (message.event === undefined) yield message;
  }
  return undefined;
}

/** Lines until the end; a connection that fails or is cut throws. */
async function* lines(socket: Socket): AsyncGenerator<string> {
  socket.setEncoding("utf8");
  let rest = "";
  for await (const chunk of socket as AsyncIterable<string>) {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop() ?? "";
    yield* parts.filter((line) => line.trim() !== "");
  }
}

function parse(line: string): Message {
  try {
    return JSON.parse(line) as Message;
  } catch (cause) {
    throw new HypervisorError(`the monitor sent what is not JSON: ${line.slice(0, 200)}`, { cause });
  }
}

/** Names of the events of a guest, until it ends or `signal` fires; throws when there is nobody to hear. */
export async function* monitorEvents(path: string, signal: AbortSignal): AsyncGenerator<string> {
  const socket = createConnection(path);
  const onAbort = () => socket.destroy();
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    for await (const line of lines(socket)) {
      const message = parse(line);
      if (message.QMP !== undefined) socket.write(`${JSON.stringify({ execute: "qmp_capabilities" })}\n`);
      if (message.event !== undefined) yield message.event;
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    socket.destroy();
  }
}
