import type { Environment } from "@marcbachmann/cel-js";

/** Functions by signature (`string.reverse(): string`). All are synchronous, which spares the engine its promises. */
export type Functions = Readonly<Record<string, (...args: never[]) => unknown>>;

export function registerAll(env: Environment, functions: Functions): void {
  for (const [signature, handler] of Object.entries(functions)) {
    env.registerFunction(signature, handler as (...args: unknown[]) => unknown, { async: false });
  }
}

/** Makes `name.function(…)` possible: a constant of a type of its own that carries the functions. */
export function registerNamespace(env: Environment, name: string, functions: Functions): void {
  class Namespace {
    readonly name = name;
  }
  const type = `${name[0]?.toUpperCase()}${name.slice(1)}Namespace`;
  env.registerType(type, Namespace);
  env.registerConstant(name, type, new Namespace());
  registerAll(env, Object.fromEntries(Object.entries(functions).map(([signature, f]) => [`${type}.${signature}`, f])));
}
