import type { Environment } from "@marcbachmann/cel-js";
import { formatQuantity, parseQuantity } from "../../../../machinery/quantity.ts";
import { succeeds } from "./network.ts";
import { registerAll } from "./register.ts";

const NANO = 10n ** 9n;

class CelQuantity {
  readonly nano: bigint;
  readonly format: ReturnType<typeof parseQuantity>["format"];

  constructor({ nano, format }: ReturnType<typeof parseQuantity>) {
    this.nano = nano;
    this.format = format;
  }

  plus(nano: bigint): CelQuantity {
    return new CelQuantity({ nano: this.nano + nano, format: this.format });
  }

  toString(): string {
    return formatQuantity(this);
  }
}

const parse = (text: string): CelQuantity => new CelQuantity(parseQuantity(text));
const sign = (nano: bigint): bigint => (nano > 0n ? 1n : nano < 0n ? -1n : 0n);

function asInteger({ nano }: CelQuantity): bigint {
  if (nano % NANO !== 0n) throw new Error("cannot convert value to integer");
  return nano / NANO;
}

/** Quantities (apiserver `library/quantity.go`). */
export function registerQuantity(env: Environment): void {
  env.registerType("kubernetes.Quantity", CelQuantity);
  env.registerOperator(
    "kubernetes.Quantity == kubernetes.Quantity",
    (a: CelQuantity, b: CelQuantity) => a.nano === b.nano,
  );
  registerAll(env, {
    "quantity(string): kubernetes.Quantity": parse,
    "isQuantity(string): bool": (text: string) => succeeds(() => parse(text)),
    "kubernetes.Quantity.sign(): int": ({ nano }: CelQuantity) => sign(nano),
    "kubernetes.Quantity.isInteger(): bool": ({ nano }: CelQuantity) => nano % NANO === 0n,
    "kubernetes.Quantity.asInteger(): int": asInteger,
    "kubernetes.Quantity.asApproximateFloat(): double": ({ nano }: CelQuantity) => Number(nano) / Number(NANO),
    "kubernetes.Quantity.add(kubernetes.Quantity): kubernetes.Quantity": (a: CelQuantity, b: CelQuantity) =>
      a.plus(b.nano),
    "kubernetes.Quantity.add(int): kubernetes.Quantity": (a: CelQuantity, b: bigint) => a.plus(b * NANO),
    "kubernetes.Quantity.sub(kubernetes.Quantity): kubernetes.Quantity": (a: CelQuantity, b: CelQuantity) =>
      a.plus(-b.nano),
    "kubernetes.Quantity.sub(int): kubernetes.Quantity": (a: CelQuantity, b: bigint) => a.plus(-b * NANO),
    "kubernetes.Quantity.isGreaterThan(kubernetes.Quantity): bool": (a: CelQuantity, b: CelQuantity) => a.nano > b.nano,
    "kubernetes.Quantity.isLessThan(kubernetes.Quantity): bool": (a: CelQuantity, b: CelQuantity) => a.nano < b.nano,
    "kubernetes.Quantity.compareTo(kubernetes.Quantity): int": (a: CelQuantity, b: CelQuantity) =>
      sign(a.nano - b.nano),
  });
}
