import { type Environment, Optional } from "@marcbachmann/cel-js";
import { formatCheck } from "../../formats.ts";
import {
  dns1035LabelProblem,
  dns1123SubdomainProblem,
  labelValueProblem,
  qualifiedNameProblem,
} from "../../meta-rules.ts";
import { registerAll, registerNamespace } from "./register.ts";

class NamedFormat {
  readonly name: string;
  readonly problem: (text: string) => string | undefined;

  constructor(name: string, problem: (text: string) => string | undefined) {
    this.name = name;
    this.problem = problem;
  }
}

const dns1123LabelProblem = (text: string): string | undefined => {
  if (text.length > 63) return "must be no more than 63 bytes";
  return text.includes(".") ? "must not contain dots" : dns1123SubdomainProblem(text);
};
const prefix =
  (problem: (text: string) => string | undefined) =>
  (text: string): string | undefined =>
    problem(text.endsWith("-") ? `${text.slice(0, -1)}a` : text);
const byFormat = (name: string) => (text: string) =>
  formatCheck(name)?.(text) === true ? undefined : `invalid ${name}`;

const FORMATS: ReadonlyMap<string, NamedFormat> = new Map(
  Object.entries({
    dns1123Label: dns1123LabelProblem,
    dns1123Subdomain: dns1123SubdomainProblem,
    dns1035Label: dns1035LabelProblem,
    qualifiedName: qualifiedNameProblem,
    labelValue: labelValueProblem,
    dns1123LabelPrefix: prefix(dns1123LabelProblem),
    dns1123SubdomainPrefix: prefix(dns1123SubdomainProblem),
    dns1035LabelPrefix: prefix(dns1035LabelProblem),
    uri: byFormat("uri"),
    uuid: byFormat("uuid"),
    byte: byFormat("byte"),
    date: byFormat("date"),
    datetime: byFormat("datetime"),
  }).map(([name, problem]) => [name, new NamedFormat(name, problem)]),
);

/** `format.dns1123Label().validate(name)` and its like (apiserver `library/format.go`). */
export function registerNamedFormats(env: Environment): void {
  env.registerType("kubernetes.NamedFormat", NamedFormat);
  const byName = Object.fromEntries(
    [...FORMATS].map(([name, format]) => [`${name}(): kubernetes.NamedFormat`, () => format]),
  );
  registerNamespace(env, "format", {
    ...byName,
    "named(string): optional<kubernetes.NamedFormat>": (_format: unknown, name: string) =>
      Optional.of(FORMATS.get(name)),
  });
  registerAll(env, {
    "kubernetes.NamedFormat.validate(string): optional<list<string>>": (format: NamedFormat, text: string) => {
      const problem = format.problem(text);
      return problem === undefined ? Optional.none() : Optional.of([problem]);
    },
  });
}
