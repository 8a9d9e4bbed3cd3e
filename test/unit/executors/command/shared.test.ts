import { expect, it } from "vitest";
import { CommandError } from "../../../../executors/command/errors.ts";
import { sharedLooks } from "../../../../executors/command/shared.ts";
import type { Command, CommandOutput, Executor } from "../../../../executors/command/types.ts";

const never = new AbortController().signal;
const look = (...argv: [string, ...string[]]): Command => ({ kind: "run", argv, mutates: false });

/** Programs that end when the test says so; each prints how many have been started before it. */
function programs() {
  const started: { readonly argv: string; end: (error?: unknown) => void }[] = [];
  const inner: Executor = {
    run: (command) =>
      new Promise<CommandOutput>((resolve, reject) => {
        const stdout = String(started.length);
        const end = (error?: unknown) => (error ? reject(error) : resolve({ exitCode: 0, stdout, stderr: "" }));
        started.push({ argv: command.argv.join(" "), end });
      }),
    write: () => Promise.resolve(),
    read: () => Promise.resolve(undefined),
    realPath: (path) => Promise.resolve(path),
  };
  return { started, exec: sharedLooks(inner) };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

it("answers all who ask while one looks by a look that begins after they asked", async () => {
  const { started, exec } = programs();
  const first = exec.run(look("lvm", "fullreport"), never);
  const others = [1, 2, 3].map(() => exec.run(look("lvm", "fullreport"), never));
  await settle();
  expect(started).toHaveLength(1);
  started[0]?.end();
  expect((await first).stdout).toBe("0");
  await settle();
  expect(started).toHaveLength(2);
  // Too late for the second look.
  const late = exec.run(look("lvm", "fullreport"), never);
  started[1]?.end();
  expect((await Promise.all(others)).map(({ stdout }) => stdout)).toEqual(["1", "1", "1"]);
  await settle();
  started[2]?.end();
  expect((await late).stdout).toBe("2");
});

it("looks again for whoever comes when nobody looks", async () => {
  const { started, exec } = programs();
  for (const count of [0, 1]) {
    const output = exec.run(look("lvm", "fullreport"), never);
    started[count]?.end();
    expect((await output).stdout).toBe(String(count));
    await settle();
  }
});

it("shares no other program, and none that changes something", async () => {
  const { started, exec } = programs();
  const change: Command = { kind: "run", argv: ["lvm", "lvcreate"], mutates: true };
  for (const command of [change, change, look("drbdadm", "dump-md", "a"), look("drbdadm", "dump-md", "b")])
    void exec.run(command, never);
  await settle();
  expect(started.map(({ argv }) => argv)).toEqual([
    "lvm lvcreate",
    "lvm lvcreate",
    "drbdadm dump-md a",
    "drbdadm dump-md b",
  ]);
});

it("tells a failure only to those whose look it was", async () => {
  const { started, exec } = programs();
  const command = look("lvm", "fullreport");
  const first = exec.run(command, never);
  const second = exec.run(command, never);
  started[0]?.end(new CommandError(command, { exitCode: 5, stdout: "", stderr: "" }));
  await expect(first).rejects.toThrow("exit code 5");
  await settle();
  started[1]?.end();
  expect((await second).stdout).toBe("1");
});
