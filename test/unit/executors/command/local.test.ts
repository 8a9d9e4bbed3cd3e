import { mkdtemp, readdir, readFile, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { CommandError } from "../../../../executors/command/errors.ts";
import { localExecutor } from "../../../../executors/command/local.ts";

const never = new AbortController().signal;
const run = (argv: readonly [string, ...string[]], options: { timeoutMs?: number; stdin?: string } = {}) =>
  localExecutor.run({ kind: "run", argv, mutates: false, ...options }, never);

it("gives output and passes stdin", async () => {
  expect(await run(["sh", "-c", "cat; echo oops >&2"], { stdin: "in\n" })).toEqual({
    exitCode: 0,
    stdout: "in\n",
    stderr: "oops\n",
  });
});

it("runs with a fixed environment", async () => {
  process.env.LC_ALL = "de_DE.UTF-8";
  expect((await run(["sh", "-c", "echo $LC_ALL $TZ"])).stdout).toBe("C UTC\n");
});

it("says what failed and how", async () => {
  const error = await run(["sh", "-c", "echo no such thing >&2; exit 5"]).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(CommandError);
  expect(error).toMatchObject({ outcomeUnknown: false, output: { exitCode: 5, stderr: "no such thing\n" } });
  expect(String(error)).toContain("exit code 5: no such thing");
});

it("fails for a program that is not there, and knows that nothing happened", async () => {
  const error = await run(["ferrite-no-such-program"]).catch((error: unknown) => error);
  expect(error).toMatchObject({ outcomeUnknown: false, output: { exitCode: -1 } });
});

it("ends a program that takes too long and says that its outcome is unknown", async () => {
  await expect(run(["sleep", "30"], { timeoutMs: 50 })).rejects.toMatchObject({ outcomeUnknown: true });
});

it("ends what a program has started, too", async () => {
  const directory = await mkdtemp(join(tmpdir(), "ferrite-"));
  const file = join(directory, "pid");
  const script = `sleep 300 & echo $! > ${file}; wait`;
  await expect(run(["sh", "-c", script], { timeoutMs: 300 })).rejects.toMatchObject({ outcomeUnknown: true });
  const child = (await readFile(file, "utf8")).trim();
  // Gone, or dead and not yet collected by its new parent.
  const state = () =>
    readFile(`/proc/${child}/stat`, "utf8").then(
      (stat) => stat.split(" ")[2],
      () => "gone",
    );
  await vi.waitFor(async () => expect(["gone", "Z", "X"]).toContain(await state()));
});

it("ends a program that ignores SIGTERM", async () => {
  const script = "trap '' TERM; while :; do sleep 0.05; done";
  await expect(run(["sh", "-c", script], { timeoutMs: 100 })).rejects.toMatchObject({ outcomeUnknown: true });
});

it("starts nothing after a shutdown, and knows that nothing happened", async () => {
  const command = { kind: "run", argv: ["true"], mutates: true } as const;
  await expect(localExecutor.run(command, AbortSignal.abort())).rejects.toMatchObject({ outcomeUnknown: false });
});

it("ends a program that prints without end", async () => {
  await expect(run(["head", "-c", "20000000", "/dev/zero"])).rejects.toThrow("printed too much");
});

it("ends a program at shutdown", async () => {
  const shutdown = new AbortController();
  const running = localExecutor.run({ kind: "run", argv: ["sleep", "30"], mutates: true }, shutdown.signal);
  shutdown.abort();
  await expect(running).rejects.toMatchObject({ outcomeUnknown: true });
});

it("writes whole files with their mode and leaves nothing beside them", async () => {
  const directory = await mkdtemp(join(tmpdir(), "ferrite-"));
  const path = join(directory, "sub", "file");
  await localExecutor.write({ kind: "write", path, content: "one", mode: 0o600 }, never);
  await localExecutor.write({ kind: "write", path, content: "two", mode: 0o600 }, never);
  expect(await readFile(path, "utf8")).toBe("two");
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readdir(join(directory, "sub"))).toEqual(["file"]);
});

it("tells a missing file from an unreadable one", async () => {
  expect(await localExecutor.read("/no/such/file", never)).toBeUndefined();
  await expect(localExecutor.read("/etc", never)).rejects.toThrow();
});
