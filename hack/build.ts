/** Bundles what is installed on machines: `dist/ferrite-agent.mjs`. Node does not strip types below node_modules. */
import { build } from "esbuild";

await build({
  entryPoints: ["cli/ferrite-agent.ts"],
  outfile: "dist/ferrite-agent.mjs",
  bundle: true,
  minify: true,
  keepNames: true,
  platform: "node",
  target: "node24",
  format: "esm",
  logLevel: "warning",
  banner: {
    js: [
      // Some packages are CommonJS and ask for node's own modules by require.
      'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
      // The machine's memory is for its guests: the heap is collected before it has grown to twice what lives.
      'import { setFlagsFromString } from "node:v8"; setFlagsFromString("--heap-growing-percent=20");',
    ].join("\n"),
  },
});
