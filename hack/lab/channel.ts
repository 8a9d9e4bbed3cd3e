import { setTimeout as sleep } from "node:timers/promises";
import { JsonSocket } from "./json-socket.ts";

export interface ExecOptions {
  /** Default 30 s on an idle emulated machine; scaled by the lab's time factor. */
  readonly timeoutMs?: number;
  readonly stdin?: string | Uint8Array;
}

export interface ExecResult {
  /** 128 + N for a program that was ended by signal N, as a shell says it. */
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The program was killed, with its whole session, because its time was up. What it had done by then is unknown. */
export class ExecTimeout extends Error {
  override readonly name = "ExecTimeout";
}

/** The answer of guest-exec-status (QEMU's qga/qapi-schema.json). */
interface ExecStatus {
  readonly exited: boolean;
  readonly exitcode?: number;
  readonly signal?: number;
  readonly "out-data"?: string;
  readonly "err-data"?: string;
  readonly "out-truncated"?: boolean;
  readonly "err-truncated"?: boolean;
}

/** What the agent of Ferrite gives to the tools that it starts: they print the same in tests and in life. */
const ENVIRONMENT = [
  "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  "LC_ALL=C",
  "TZ=UTC",
  "HOME=/root",
];
/** For one command of the agent itself, not for what it starts; on a machine that is starved of CPU. */
const ANSWER_MS = 30_000;
const CHUNK_BYTES = 512 * 1024;

/**
 * Programs and files of one machine, through QEMU's guest agent on a virtio-serial port: no network takes part, so it works
 * while the machine's link is cut. One client at a time: QEMU lets a second one wait.
 */
export class Channel {
  readonly #socket: JsonSocket;
  readonly #answerMs: number;

  private constructor(socket: JsonSocket, timeFactor: number) {
    this.#socket = socket;
    this.#answerMs = ANSWER_MS * timeFactor;
  }

  /** Resolves once the machine answers. */
  static async open(path: string, timeoutMs: number, timeFactor: number, alive: () => boolean): Promise<Channel> {
    const deadline = performance.now() + timeoutMs;
    const socket = await JsonSocket.connect(path, timeoutMs, alive);
    socket.resetPeer();
    // What is written before the agent runs may be lost: ask again until it answers.
    for (;;) {
      try {
        await socket.call("guest-ping", {}, 500 * timeFactor);
        return new Channel(socket, timeFactor);
      } catch (error) {
        if (socket.closed || !alive() || performance.now() > deadline) {
          socket.close();
          throw error;
        }
      }
    }
  }

  get closed(): boolean {
    return this.#socket.closed;
  }

  close(): void {
    this.#socket.close();
  }

  /** Runs `argv` to its end. Like any pipe, its output ends when everything that inherited it has closed it. */
  async exec(argv: readonly string[], timeoutMs: number, stdin?: string | Uint8Array): Promise<ExecResult> {
    const deadline = performance.now() + timeoutMs;
    const { pid } = (await this.#call("guest-exec", {
      path: "setsid",
      arg: argv,
      env: ENVIRONMENT,
      "capture-output": true,
      ...(stdin === undefined ? {} : { "input-data": Buffer.from(stdin).toString("base64") }),
    })) as { pid: number };
    let pauseMs = 5;
    for (;;) {
      const status = (await this.#call("guest-exec-status", { pid })) as ExecStatus;
      if (status.exited) return resultOf(argv, status);
      if (performance.now() > deadline) {
        await this.#call("guest-exec", { path: "kill", arg: ["-KILL", "--", `-${pid}`] });
        throw new ExecTimeout(`${argv.join(" ")}: not done within ${Math.round(timeoutMs)} ms, killed`);
      }
      await sleep(pauseMs);
      pauseMs = Math.min(pauseMs * 1.5, 200);
    }
  }

  async putFile(path: string, content: string | Uint8Array): Promise<void> {
    const handle = await this.#call("guest-file-open", { path, mode: "w" });
    const bytes = Buffer.from(content);
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      const chunk = bytes.subarray(at, at + CHUNK_BYTES);
      const { count } = (await this.#call("guest-file-write", { handle, "buf-b64": chunk.toString("base64") })) as {
        count: number;
      };
      if (count !== chunk.length) throw new Error(`${path}: ${count} of ${chunk.length} bytes written`);
    }
    await this.#call("guest-file-close", { handle });
  }

  async getFile(path: string): Promise<Buffer> {
    const handle = await this.#call("guest-file-open", { path, mode: "r" });
    const chunks: Buffer[] = [];
    for (;;) {
      const read = (await this.#call("guest-file-read", { handle, count: CHUNK_BYTES })) as {
        "buf-b64": string;
        count: number;
        eof: boolean;
      };
      if (read.count > 0) chunks.push(Buffer.from(read["buf-b64"], "base64"));
      if (read.eof || read.count === 0) break;
    }
    await this.#call("guest-file-close", { handle });
    return Buffer.concat(chunks);
  }

  #call(command: string, args: object): Promise<unknown> {
    return this.#socket.call(command, args, this.#answerMs);
  }
}

function resultOf(argv: readonly string[], status: ExecStatus): ExecResult {
  if (status["out-truncated"] || status["err-truncated"]) {
    throw new Error(`${argv.join(" ")}: more output than the guest agent keeps (16 MiB)`);
  }
  return {
    exitCode: status.exitcode ?? 128 + (status.signal ?? 0),
    stdout: decode(status["out-data"]),
    stderr: decode(status["err-data"]),
  };
}

function decode(base64: string | undefined): string {
  return Buffer.from(base64 ?? "", "base64").toString("utf8");
}
