import { stringify } from "yaml";
import { KINDS } from "./all.ts";
import { customResourceDefinition } from "./manifest.ts";
import { referencePages } from "./reference.ts";
import { kebab, typeScriptSources } from "./typescript.ts";

const HEADER = "# Made by hack/generate from crds/definitions/. Do not edit.\n";

/** Path -> content of every file that is made from the definitions. */
export function generatedFiles(): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const kind of KINDS) {
    const yaml = stringify(customResourceDefinition(kind), { lineWidth: 120, aliasDuplicateObjects: false });
    files.set(`crds/${kebab(kind.kind)}.yaml`, HEADER + yaml);
  }
  for (const [name, page] of referencePages(KINDS)) files.set(`docs/reference/${name}`, page);
  for (const [name, source] of typeScriptSources(KINDS)) files.set(`crds/generated/${name}`, source);
  return files;
}
