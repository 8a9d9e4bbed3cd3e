/**
 * Bundles what is installed on machines, since Node does not strip types below node_modules: node hack/build.ts makes
 * dist/ferrite-agent.mjs; with a folder named, both that and server/ferrite.mjs in it.
 */
import { join, resolve } from "node:path";
import { type BuildOptions, build } from "esbuild";

const folder = process.argv[2];
const common: BuildOptions = {
  absWorkingDir: resolve(import.meta.dirname, ".."),
  bundle: true,
  minify: true,
  keepNames: true,
  platform: "node",
  target: "node24",
  format: "esm",
  logLevel: "warning",
  // Some packages are CommonJS and ask for node's own modules by require.
  banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
};
await build({ ...common, entryPoints: ["cli/ferrite-agent.ts"], outfile: join(folder ?? "dist", "ferrite-agent.mjs") });
if (folder !== undefined)
  await build({
    ...common,
    entryPoints: ["cli/ferrite.ts"],
    outdir: join(folder, "server"),
    outExtension: { ".js": ".mjs" },
    // Each command in files of its own, as in the sources: what it does not need is not loaded.
    splitting: true,
  });
