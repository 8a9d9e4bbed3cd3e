import { type HttpResponse, textResponse } from "./exchange.ts";

/** One thing that must be well. Rejects with what is wrong. */
export interface HealthCheck {
  readonly name: string;
  /** Whether a failure means that the process should be started again, not only that it cannot serve now. */
  readonly liveness: boolean;
  readonly check: () => Promise<void>;
}

const ENDPOINTS = new Set(["livez", "readyz", "healthz"]);

/** `/livez`, `/readyz`, `/healthz`, also `/readyz/<check>`; `undefined`: another path. */
export async function healthResponse(
  path: string,
  query: URLSearchParams,
  checks: readonly HealthCheck[],
): Promise<HttpResponse | undefined> {
  const [endpoint = "", single, ...rest] = path.split("/").slice(1);
  if (!ENDPOINTS.has(endpoint) || rest.length > 0) return undefined;
  const relevant = checks.filter(({ liveness }) => liveness || endpoint !== "livez");
  const named = relevant.filter(({ name }) => single === undefined || name === single);
  if (named.length === 0 && single !== undefined && single !== "") return textResponse(404, `no check ${single}\n`);
  const excluded = new Set(query.getAll("exclude"));
  const results = await Promise.all(named.map((each) => run(each, excluded)));
  const failed = results.some(({ ok }) => !ok);
  if (!failed && !query.has("verbose")) return textResponse(200, "ok");
  const lines = results.map(({ line }) => line).join("\n");
  return textResponse(failed ? 500 : 200, `${lines}\n${endpoint} check ${failed ? "failed" : "passed"}\n`);
}

async function run(
  { name, check }: HealthCheck,
  excluded: ReadonlySet<string>,
): Promise<{ ok: boolean; line: string }> {
  if (excluded.has(name)) return { ok: true, line: `[+]${name} excluded: ok` };
  try {
    await check();
    return { ok: true, line: `[+]${name} ok` };
  } catch {
    // What exactly is wrong is for the log: anybody may ask here.
    return { ok: false, line: `[-]${name} failed: reason withheld` };
  }
}
