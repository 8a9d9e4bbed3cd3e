#!/usr/bin/env node
import { enableCompileCache } from "node:module";
import { join } from "node:path";

// Types are stripped and modules compiled once, not at each start: a server is ready in half the time, and without the
// compiler 20 MB smaller, which is why this file is not TypeScript. The cache is code that will be run: it lies beside the
// program, where nobody but its owner can write.
enableCompileCache(join(import.meta.dirname, "../.ferrite/compile-cache"));
await import("./ferrite.ts");
