import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";

const PROGRAM = join(import.meta.dirname, "../../../cli/ferrite.js");
/** Run before the program: this Node says that it is another. */
const pretend = (version: string): string =>
  `data:text/javascript,Object.defineProperty(process.versions,"node",{value:"${version}"})`;

it("an older Node is told what is needed", () => {
  const { status, stderr } = spawnSync(process.execPath, ["--import", pretend("20.20.2"), PROGRAM], {
    encoding: "utf8",
  });
  expect([status, stderr]).toEqual([1, expect.stringMatching(/^ferrite needs Node\.js 24 or later; .* is v.*\n$/)]);
});
