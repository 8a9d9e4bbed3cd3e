import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { HypervisorError } from "../../../../executors/vm/guest.ts";
import { monitorEvents, withMonitor } from "../../../../executors/vm/qemu/monitor.ts";
import { systemClock } from "../../../../machinery/clock.ts";

const GREETING = '{"QMP": {"version": {"qemu": {"major": 7}}, "capabilities": ["oob"]}}\r\n';
let folder: string;
let path: string;
let server: Server;
const never = new AbortController().signal;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ferrite-qmp-"));
  path = join(folder, "qmp");
});
afterEach(async () => {
  await new Promise((closed) => server.close(closed));
  rmSync(folder, { recursive: true });
});

/** A monitor that answers each command by `answer`; what it sends is cut into pieces anywhere. */
async function serve(answer: (command: string, socket: Socket) => void, greeting = GREETING): Promise<void> {
  server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.write(greeting.slice(0, 9));
    socket.write(greeting.slice(9));
    socket.on("data", (data) => {
      for (const line of data.toString().trim().split("\n")) answer(JSON.parse(line).execute, socket);
    });
  });
  await new Promise<void>((listening) => server.listen(path, listening));
}
const ask = (command: string, timeoutMs = 5_000, signal = never) =>
  withMonitor(path, { clock: systemClock, timeoutMs }, (monitor) => monitor.execute(command), signal);
const ok = (socket: Socket, value: unknown = {}) => socket.write(`${JSON.stringify({ return: value })}\r\n`);

describe("withMonitor", () => {
  it("greets, asks, and passes events by", async () => {
    await serve((command, socket) => {
      socket.write('{"event": "RESUME", "timestamp": {}}\r\n');
      ok(socket, command === "query-status" ? { status: "running" } : {});
    });
    expect(await ask("query-status")).toEqual({ status: "running" });
  });

  it("says what QEMU refused", async () => {
    await serve((command, socket) =>
      command === "qmp_capabilities"
        ? ok(socket)
        : socket.write('{"error": {"class": "GenericError", "desc": "No balloon device"}}\n'),
    );
    await expect(ask("balloon")).rejects.toThrow(/refused balloon: No balloon device/);
  });

  it("gives up on a monitor that does not answer, as one that another client holds", async () => {
    await serve(() => undefined, "");
    await expect(ask("query-status", 50)).rejects.toBeInstanceOf(HypervisorError);
  });

  it("fails when QEMU ends in the middle of an answer", async () => {
    await serve((command, socket) => {
      if (command === "qmp_capabilities") ok(socket);
      else socket.end('{"return": {"sta');
    });
    await expect(ask("query-status")).rejects.toBeInstanceOf(HypervisorError);
  });

  it("fails on what is no QMP at all", async () => {
    await serve(() => undefined, "SSH-2.0-x\r\n");
    await expect(ask("query-status")).rejects.toThrow(/not JSON/);
  });

  it("fails when nobody listens", async () => {
    await serve(() => undefined);
    await expect(
      withMonitor(join(folder, "none"), { clock: systemClock, timeoutMs: 500 }, async () => 1, never),
    ).rejects.toThrow(/ENOENT/);
  });

  it("ends with the caller's signal, which is no failure of the guest", async () => {
    await serve(() => undefined, "");
    const stop = new AbortController();
    const asked = ask("query-status", 5_000, stop.signal);
    stop.abort(new Error("the agent stops"));
    await expect(asked).rejects.toThrow("the agent stops");
  });
});

describe("monitorEvents", () => {
  it("tells events until the guest ends", async () => {
    await serve((_, socket) => {
      ok(socket);
      socket.write('{"event": "POWERDOWN"}\r\n{"event": "SHUTDOWN"}\r\n');
      socket.end();
    });
    const heard: string[] = [];
    for await (const event of monitorEvents(path, never)) heard.push(event);
    expect(heard).toEqual(["POWERDOWN", "SHUTDOWN"]);
  });
});
