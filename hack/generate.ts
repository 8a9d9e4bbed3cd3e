/** `hack/generate [--check]`: writes what is made from crds/definitions/, or says what differs and exits 1. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { generatedFiles } from "../crds/definitions/generated-files.ts";

/** Folders in which every file of that form is generated: others there are left over. */
const OWNED: readonly { readonly folder: string; readonly suffix: string }[] = [
  { folder: "crds", suffix: ".yaml" },
  { folder: "crds/generated", suffix: ".ts" },
  { folder: "docs/reference", suffix: ".md" },
];

const wanted = generatedFiles();
const present = OWNED.flatMap(({ folder, suffix }) =>
  readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(suffix))
    .map((entry) => `${folder}/${entry.name}`),
);
const leftOver = present.filter((path) => !wanted.has(path));
const differing = [...wanted].filter(
  ([path, content]) => !present.includes(path) || readFileSync(path, "utf8") !== content,
);

if (process.argv.includes("--check")) {
  for (const path of [...leftOver, ...differing.map(([path]) => path)])
    process.stderr.write(`${path} is out of date\n`);
  process.exitCode = leftOver.length + differing.length === 0 ? 0 : 1;
} else {
  for (const path of leftOver) rmSync(path);
  for (const [path, content] of differing) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    process.stdout.write(`wrote ${path}\n`);
  }
}
