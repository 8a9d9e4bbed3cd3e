/** Runs the named suites (default: all), one vitest project each, and adds up what they report. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";

const SUITES = ["check", "quick", "etcd", "kubectl", "lab", "lab-long", "xen"] as const;
/** Run only when named. */
const ON_REQUEST: readonly Suite[] = ["lab-long", "xen"];
type Suite = (typeof SUITES)[number];
/** Some three times what a suite takes on two idle cores: one that hangs fails, and the others are still run. */
const LIMIT_MINUTES: Readonly<Record<Suite, number>> = {
  check: 5,
  quick: 9,
  etcd: 15,
  kubectl: 15,
  lab: 60,
  "lab-long": 60,
  xen: 30,
};

interface Totals {
  passed: number;
  failed: number;
}

/** Runs one vitest project. A suite that dies without a report counts as one failure, never as nothing. */
function runVitest(suite: Suite): Totals {
  const report = `.ferrite/test/${suite}.json`;
  rmSync(report, { force: true });
  const { status } = spawnSync(
    "vitest",
    [
      "run",
      "--project",
      suite,
      "--reporter=default",
      "--reporter=json",
      `--outputFile.json=${report}`,
      ...(suite.startsWith("lab") || suite === "xen" ? ["--no-file-parallelism"] : []),
    ],
    { stdio: "inherit", timeout: LIMIT_MINUTES[suite] * 60_000, killSignal: "SIGKILL" },
  );
  try {
    const { numPassedTests, numFailedTests, success } = JSON.parse(readFileSync(report, "utf8"));
    const failed = numFailedTests === 0 && (!success || status !== 0) ? 1 : numFailedTests;
    return { passed: numPassedTests, failed };
  } catch {
    process.stdout.write(
      `${suite}: no report (${status === null ? `killed after ${LIMIT_MINUTES[suite]} minutes` : `exit ${status}`})\n`,
    );
    return { passed: 0, failed: 1 };
  }
}

function runSuite(suite: Suite): Totals {
  const prepared = spawnSync("bash", ["hack/prepare", suite], { stdio: "inherit" });
  if (prepared.status !== 0) {
    process.stdout.write(`${suite}: its prerequisites could not be installed\n`);
    return { passed: 0, failed: 1 };
  }
  if (suite !== "check") return runVitest(suite);
  const { status } = spawnSync("bash", ["hack/check"], { stdio: "inherit" });
  return status === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !SUITES.includes(name as Suite));
if (unknown.length > 0) {
  process.stderr.write(`unknown suite ${unknown.join(", ")}: there are ${SUITES.join(", ")}\n`);
  process.exit(2);
}
mkdirSync(".ferrite/test", { recursive: true });
const begun = Date.now();
const total: Totals = { passed: 0, failed: 0 };
for (const suite of SUITES.filter((name) => (asked.length === 0 ? !ON_REQUEST.includes(name) : asked.includes(name)))) {
  const started = Date.now();
  const { passed, failed } = runSuite(suite);
  total.passed += passed;
  total.failed += failed;
  process.stdout.write(
    `suite ${suite}: ${passed} passed, ${failed} failed (${Math.round((Date.now() - started) / 1000)} s)\n`,
  );
}
process.stdout.write(`all of it: ${Math.round((Date.now() - begun) / 1000)} s\n`);
process.stdout.write(`${total.passed} passed, ${total.failed} failed\n`);
process.exit(total.failed === 0 ? 0 : 1);
