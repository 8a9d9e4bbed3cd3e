import type { FieldError } from "../status.ts";
import { childPath, forbidden, indexPath, invalidValue, isObject, required, tooLong } from "./field-error.ts";

/** Name rules of apimachinery `util/validation`, with its texts. Each returns what is wrong, or undefined. */

const DNS_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";

const regexText = (message: string, pattern: string, ...examples: readonly string[]): string =>
  `${message} (e.g. ${examples.map((e) => `'${e}'`).join(", or ")}, regex used for validation is '${pattern}')`;

export function dns1035LabelProblem(text: string): string | undefined {
  if (text.length > 63) return "must be no more than 63 bytes";
  if (/^[a-z]([-a-z0-9]*[a-z0-9])?$/.test(text)) return undefined;
  return regexText(
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
    "[a-z]([-a-z0-9]*[a-z0-9])?",
    "my-name",
    "abc-123",
  );
}

export function dns1123SubdomainProblem(text: string): string | undefined {
  if (text.length > 253) return "must be no more than 253 bytes";
  if (text.split(".").every((label) => /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(label))) return undefined;
  return regexText(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
    `${DNS_LABEL}(\\.${DNS_LABEL})*`,
    "example.com",
  );
}

const QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const QUALIFIED_TEXT =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

export function qualifiedNameProblem(text: string): string | undefined {
  const parts = text.split("/");
  if (parts.length > 2) {
    return `${regexText(`a qualified name ${QUALIFIED_TEXT}`, QUALIFIED, "MyName", "my.name", "123-abc")} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`;
  }
  const [prefix, name] = parts.length === 2 ? parts : [undefined, text];
  if (prefix === "") return "prefix part must be non-empty";
  const prefixProblem = prefix === undefined ? undefined : dns1123SubdomainProblem(prefix);
  if (prefixProblem !== undefined) return `prefix part ${prefixProblem}`;
  if (name === "" || name === undefined) return "name part must be non-empty";
  if (name.length > 63) return "name part must be no more than 63 bytes";
  if (/^[A-Za-z0-9][-A-Za-z0-9_.]*$/.test(name) && /[A-Za-z0-9]$/.test(name)) return undefined;
  return `name part ${regexText(QUALIFIED_TEXT, QUALIFIED, "MyName", "my.name", "123-abc")}`;
}

export function labelValueProblem(text: string): string | undefined {
  if (text.length > 63) return "must be no more than 63 bytes";
  if (text === "" || (/^[A-Za-z0-9][-A-Za-z0-9_.]*$/.test(text) && /[A-Za-z0-9]$/.test(text))) return undefined;
  return regexText(
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
    "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?",
    "MyValue",
    "my_value",
    "12345",
  );
}

export function pathSegmentProblem(name: string): string | undefined {
  if (name === "." || name === "..") return `may not be '${name}'`;
  const wrong = ["/", "%"].find((char) => name.includes(char));
  return wrong === undefined ? undefined : `may not contain '${wrong}'`;
}

const ANNOTATIONS_MAX_BYTES = 256 * 1024;

/** metav1's ValidateObjectMeta for metadata whose types are right. Names need only be path segments. */
export function objectMetaErrors(metadata: Readonly<Record<string, unknown>>, path: string): FieldError[] {
  const text = (field: string): string => (typeof metadata[field] === "string" ? metadata[field] : "");
  const check = (field: string, problem: (value: string) => string | undefined): FieldError[] => {
    const detail = text(field) === "" ? undefined : problem(text(field));
    return detail === undefined ? [] : [invalidValue(childPath(path, field), text(field), detail)];
  };
  return [
    ...check("generateName", pathSegmentProblem),
    ...check("name", pathSegmentProblem),
    ...check("namespace", (value) =>
      value.includes(".") ? dns1035LabelProblem(value) : dns1123SubdomainProblem(value),
    ),
    ...mapErrors(metadata["labels"], childPath(path, "labels"), labelValueProblem),
    ...annotationErrors(metadata["annotations"], childPath(path, "annotations")),
    ...ownerErrors(metadata["ownerReferences"], childPath(path, "ownerReferences")),
    ...finalizerErrors(metadata["finalizers"], childPath(path, "finalizers")),
  ];
}

function mapErrors(map: unknown, path: string, valueProblem: (value: string) => string | undefined): FieldError[] {
  if (!isObject(map)) return [];
  return Object.entries(map).flatMap(([key, value]) => {
    const problems = [
      [key, qualifiedNameProblem(key)],
      [value, typeof value === "string" ? valueProblem(value) : undefined],
    ] as const;
    return problems.flatMap(([bad, detail]) => (detail === undefined ? [] : [invalidValue(path, bad, detail)]));
  });
}

function annotationErrors(map: unknown, path: string): FieldError[] {
  if (!isObject(map)) return [];
  const keys = Object.keys(map).flatMap((key) => {
    const detail = qualifiedNameProblem(key.toLowerCase());
    return detail === undefined ? [] : [invalidValue(path, key, detail)];
  });
  const size = Object.entries(map)
    .flat()
    .reduce<number>((sum, v) => sum + Buffer.byteLength(typeof v === "string" ? v : ""), 0);
  if (size <= ANNOTATIONS_MAX_BYTES) return keys;
  return [...keys, tooLong(path, ANNOTATIONS_MAX_BYTES)];
}

function ownerErrors(owners: unknown, path: string): FieldError[] {
  if (!Array.isArray(owners)) return [];
  const missing = owners.flatMap((owner: unknown, index) =>
    ["apiVersion", "kind", "name", "uid"].flatMap((field) =>
      isObject(owner) && owner[field] !== undefined && owner[field] !== ""
        ? []
        : [
            invalidValue(
              childPath(indexPath(path, index), field),
              "",
              field === "apiVersion" ? "version must not be empty" : "must not be empty",
            ),
          ],
    ),
  );
  const controllers = owners.filter((owner: unknown) => isObject(owner) && owner["controller"] === true);
  if (controllers.length < 2) return missing;
  const names = controllers
    .slice(0, 2)
    .map((owner: Record<string, unknown>) => `${String(owner["kind"])}/${String(owner["name"])}`);
  const detail = `Only one reference can have Controller set to true. Found "true" in references for ${names.join(" and ")}`;
  return [...missing, invalidValue(path, owners, detail)];
}

function finalizerErrors(finalizers: unknown, path: string): FieldError[] {
  if (!Array.isArray(finalizers)) return [];
  const bad = finalizers.flatMap((finalizer: unknown, index) => {
    if (finalizer === "") return [required(indexPath(path, index))];
    const detail = qualifiedNameProblem(String(finalizer));
    return detail === undefined ? [] : [invalidValue(indexPath(path, index), finalizer, detail)];
  });
  const isBoth = finalizers.includes("orphan") && finalizers.includes("foregroundDeletion");
  if (!isBoth) return bad;
  return [...bad, forbidden(path, "finalizer orphan and foregroundDeletion cannot be both set")];
}
