import { expect, it } from "vitest";
import { dryRunExecutor } from "../../../../executors/command/dry-run.ts";
import { CommandError } from "../../../../executors/command/errors.ts";
import { localExecutor } from "../../../../executors/command/local.ts";
import { type Exchange, recordExecutor, replayExecutor, TapeCut } from "../../../../executors/command/tape.ts";
import type { Command, Effect } from "../../../../executors/command/types.ts";

const never = new AbortController().signal;
const echo = (word: string): Command => ({ kind: "run", argv: ["echo", word], mutates: true });
const fail: Command = { kind: "run", argv: ["false"], mutates: true };

it("replays what was recorded, failures included", async () => {
  const tape: Exchange[] = [];
  const recorder = recordExecutor(localExecutor, (exchange) => tape.push(exchange));
  await recorder.run(echo("a"), never);
  await recorder.run(fail, never).catch(() => undefined);
  await recorder.read("/no/such/file", never);

  const player = replayExecutor(tape);
  expect((await player.run(echo("a"), never)).stdout).toBe("a\n");
  await expect(player.run(fail, never)).rejects.toBeInstanceOf(CommandError);
  expect(() => player.assertDrained()).toThrow("1 step(s) never asked for, next: read /no/such/file");
  expect(await player.read("/no/such/file", never)).toBeUndefined();
  player.assertDrained();
});

it("refuses another question than the recorded one", async () => {
  const player = replayExecutor([{ kind: "run", argv: ["echo", "a"], exitCode: 0, stdout: "", stderr: "" }]);
  await expect(player.run(echo("b"), never)).rejects.toThrow("asked for run echo b, tape has run echo a");
});

it("cuts where it is told to", async () => {
  const player = replayExecutor([{ kind: "read", path: "/x", content: "" }], 0);
  await expect(player.read("/x", never)).rejects.toBeInstanceOf(TapeCut);
});

it("a dry run reads for real and only reports effects", async () => {
  const effects: Effect[] = [];
  const dry = dryRunExecutor(localExecutor, (effect) => effects.push(effect));
  expect((await dry.run({ ...echo("real"), mutates: false }, never)).stdout).toBe("real\n");
  expect((await dry.run(echo("only said"), never)).stdout).toBe("");
  await dry.write({ kind: "write", path: "/no/such/dir/x", content: "" }, never);
  expect(effects.map((effect) => effect.kind)).toEqual(["run", "write"]);
});
