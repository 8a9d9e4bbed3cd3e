import { Environment } from "@marcbachmann/cel-js";
import { registerLists } from "./library/lists.ts";
import { registerNamedFormats } from "./library/named-format.ts";
import { registerNetwork } from "./library/network.ts";
import { registerQuantity } from "./library/quantity.ts";
import { registerAll } from "./library/register.ts";
import { registerStrings } from "./library/strings.ts";

/** Functions that the engine has too, but not as CEL means them: calls are sent to `__name` instead. */
export const RENAMED: ReadonlySet<string> = new Set([
  "matches",
  "indexOf",
  "lastIndexOf",
  "substring",
  "lowerAscii",
  "upperAscii",
]);

function createBase(): Environment {
  const env = new Environment({
    enableOptionalTypes: true,
    homogeneousAggregateLiterals: false,
    // A rule is small; its parts multiply what one evaluation can cost.
    limits: { maxAstNodes: 10_000, maxDepth: 100, maxListElements: 1000, maxMapEntries: 1000, maxCallArguments: 32 },
  });
  registerStrings(env);
  registerLists(env);
  registerNetwork(env);
  registerQuantity(env);
  registerNamedFormats(env);
  registerAll(env, {
    "int(google.protobuf.Timestamp): int": (time: Date) => BigInt(Math.floor(time.getTime() / 1000)),
    "string(google.protobuf.Timestamp): string": (time: Date) => time.toISOString().replace(".000Z", "Z"),
    "string(google.protobuf.Duration): string": String,
  });
  return env;
}

/** The functions of every rule. Clone it to add types and variables. */
export const BASE: Environment = createBase();

const duration = BASE.clone().registerVariable("text", "string").parse("duration(text)");

/** A string such as `1h30m` as the engine's duration. */
export const parseDuration = (text: unknown): unknown => duration({ text }) as unknown;
