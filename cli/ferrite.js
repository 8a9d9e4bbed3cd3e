#!/usr/bin/env -S MALLOC_ARENA_MAX=1 node --max-semi-space-size=8
import * as nodeModule from "node:module";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";

// Before anything that an older one does not have; a named import would fail with words about exports.
const NODE_MAJOR = 24;
if (Number(process.versions.node.split(".")[0]) < NODE_MAJOR) {
  process.stderr.write(`ferrite needs Node.js ${NODE_MAJOR} or later; ${process.execPath} is ${process.version}\n`);
  process.exit(1);
}
// V8 and malloc let garbage grow to several times what lives, which suits a machine with nothing else to run. Here the
// virtual machines shall have the memory: a server of 10,000 objects takes about 190 MiB like this. What can only
// be given on the command line, or to malloc, is above.
setFlagsFromString("--heap-growing-percent=40");
// Types are stripped and modules compiled once, not at each start: a server is ready in half the time, and without the
// compiler 20 MB smaller, which is why this file is not TypeScript. The cache is code that will be run: it lies beside the
// program, where nobody but its owner can write.
nodeModule.enableCompileCache(join(import.meta.dirname, "../.ferrite/compile-cache"));
await import("./ferrite.ts");
