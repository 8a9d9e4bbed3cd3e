import { OperatorError } from "../machinery/errors.ts";

/** What one of our own programs in /usr/lib/ferrite said is not what it says: never taken for "nothing there". */
export class ReportError extends OperatorError {
  readonly reason = "UnreadableReport";
}

export type Fields = Readonly<{ [name: string]: unknown }>;
export type Check<T> = (value: unknown) => value is T;

export const isText: Check<string> = (value) => typeof value === "string";
export const isNumber: Check<number> = (value): value is number => Number.isSafeInteger(value);
export const isBoolean: Check<boolean> = (value) => typeof value === "boolean";
export const isList: Check<readonly unknown[]> = (value) => Array.isArray(value);
export const isFields: Check<Fields> = (value): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
export const oneOf =
  <T extends string>(...words: readonly T[]): Check<T> =>
  (value): value is T =>
    words.some((word) => word === value);

export function parseReport(text: string): Fields {
  try {
    return checked(JSON.parse(text), "report", isFields);
  } catch (cause) {
    throw new ReportError(`not a report: ${text.slice(0, 200)}`, { cause });
  }
}

export const field = <T>(fields: Fields, name: string, check: Check<T>): T => checked(fields[name], name, check);

/** Each element of a list, which is an object too. */
export const records = (fields: Fields, name: string): readonly Fields[] =>
  field(fields, name, isList).map((each) => checked(each, `${name}[]`, isFields));

export const texts = (fields: Fields, name: string): readonly string[] =>
  field(fields, name, isList).map((each) => checked(each, `${name}[]`, isText));

function checked<T>(value: unknown, name: string, check: Check<T>): T {
  if (check(value)) return value;
  throw new ReportError(`${name} cannot be ${JSON.stringify(value)}`);
}
