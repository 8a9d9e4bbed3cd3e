import { defineConfig } from "vitest/config";

/** One project per suite of `./hack/test`, from the fastest to the one that boots kernels. */
const suite = (name: string, include: readonly string[], testTimeout: number) => ({
  test: { name, include: [...include], testTimeout, hookTimeout: testTimeout * 2, isolate: true },
});

/** Emulated machines share two cores with the test: one scenario after another. */
const lab = (name: string, include: readonly string[]) => ({
  test: {
    name,
    include: [...include],
    setupFiles: ["test/lab/on-failure.ts"],
    testTimeout: 600_000,
    hookTimeout: 900_000,
    fileParallelism: false,
  },
});

export default defineConfig({
  test: {
    projects: [
      suite("quick", ["test/unit/**/*.test.ts", "test/simulation/**/*.test.ts"], 15_000),
      suite("etcd", ["test/etcd/**/*.test.ts"], 120_000),
      suite("kubectl", ["test/kubectl/**/*.test.ts"], 120_000),
      lab("lab", ["test/lab/*.test.ts"]),
      // Long scenarios that are not dependable enough yet on busy machines: a command of their own.
      lab("lab-long", ["test/lab/long/*.test.ts"]),
      // Machines that start Xen, from an image of their own.
      lab("xen", ["test/xen/*.test.ts"]),
    ],
  },
});
