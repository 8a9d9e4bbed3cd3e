import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import type { Executor } from "../../../../executors/command/types.ts";
import type { ObservedReplica } from "../../../../executors/drbd/observe.ts";
import { parseShow } from "../../../../executors/drbd/parse-show.ts";
import { differences, SafetySettings } from "../../../../reconcilers/mirror-replica/settings.ts";

const never = new AbortController().signal;
/** As the kernel shows a resource that was made without any of our settings. */
const defaults: string = JSON.parse(
  readFileSync("test/fixtures/drbd/9.22.0-kernel-8.4.11/drbdsetup-show-defaults.json", "utf8"),
).stdout;
const safe = defaults
  .replace("on-no-data-accessible	io-error", "on-no-data-accessible	suspend-io")
  .replace("on-io-error     	detach", "on-io-error     	call-local-io-error")
  .replace("fencing         	dont-care", "fencing         	resource-and-stonith")
  .replace("after-sb-0pri   	disconnect", "after-sb-0pri   	discard-zero-changes");

/** A kernel that shows `text`, and how often it was asked. */
function kernel(text: () => string) {
  const asked: string[] = [];
  const exec: Executor = {
    async run({ argv }) {
      asked.push(argv.join(" "));
      return { exitCode: 0, stdout: text(), stderr: "" };
    },
    read: async () => undefined,
    realPath: async (path) => path,
    write: () => Promise.reject(new Error("only looks")),
  };
  return { exec, asked };
}
const running = (appliedDigest: string | undefined): ObservedReplica => ({
  configFile: "",
  appliedDigest,
  kernel: {
    name: "r0",
    role: "Secondary",
    suspended: [],
    connection: undefined,
    device: { minor: 1000, diskState: "UpToDate", sizeBytes: 1 },
  },
  metadata: "yes",
  holds: "",
  currentUUID: undefined,
  progress: undefined,
});

it("names each setting that is not safe, its value and what it must be", () => {
  expect(differences(parseShow(defaults).get("r0")!)).toEqual([
    "options on-no-data-accessible is io-error and must be suspend-io",
    "disk on-io-error is detach and must be call-local-io-error",
    "disk fencing is dont-care and must be resource-and-stonith",
    "net after-sb-0pri is disconnect and must be discard-zero-changes",
  ]);
  expect(differences(parseShow(safe).get("r0")!)).toEqual([]);
});

it("does not look for the settings of what is not there: standing alone, without a disk", () => {
  const bare = `resource r0 {\n options {\n on-no-data-accessible suspend-io;\n }\n _this_host {\n volume 0 {\n device minor 1000;\n }\n }\n}\n`;
  expect(differences(parseShow(bare).get("r0")!)).toEqual([]);
});

it("reads them back once for each file that was applied", async () => {
  const { exec, asked } = kernel(() => safe);
  const settings = new SafetySettings();
  const look = (digest?: string) => settings.look("r0", running(digest), exec, never);
  expect(await look()).toEqual({ problems: [], again: false });
  expect(asked).toEqual([]);
  for (const digest of ["one", "one", "two", "two"]) expect(await look(digest)).toEqual({ problems: [], again: false });
  expect(asked).toEqual(Array(2).fill("drbdsetup show --show-defaults r0"));
});

it("has the file applied once more, then says what is wrong until it is right", async () => {
  let text = defaults;
  const { exec } = kernel(() => text);
  const settings = new SafetySettings();
  const look = () => settings.look("r0", running("one"), exec, never);
  expect(await look()).toMatchObject({ again: true });
  // A pass may have had something else to do first.
  expect(await look()).toMatchObject({ again: true });
  settings.tried("r0");
  expect((await look()).again).toBe(false);
  expect((await look()).problems).toContain("disk fencing is dont-care and must be resource-and-stonith");
  text = safe;
  expect(await look()).toEqual({ problems: [], again: false });
  text = defaults;
  expect(await look()).toEqual({ problems: [], again: false }); // seen: the next start of the agent looks again
});

it("an output without the resource is no proof", async () => {
  const settings = new SafetySettings();
  const { exec } = kernel(() => "");
  expect((await settings.look("r0", running("one"), exec, never)).problems).toEqual([]);
  const later = kernel(() => defaults);
  expect((await settings.look("r0", running("one"), later.exec, never)).again).toBe(true);
});
