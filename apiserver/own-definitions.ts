import { KINDS } from "../crds/definitions/all.ts";
import { customResourceDefinition } from "../crds/definitions/manifest.ts";
import type { KubeObject } from "../machinery/object.ts";
import packageJson from "../package.json" with { type: "json" };
import { objectKey } from "./objects/key.ts";
import { isCrdKind } from "./registry/crd-kind.ts";
import { ApiError } from "./status.ts";
import { apply } from "./verbs/apply.ts";
import type { VerbContext } from "./verbs/call.ts";
import { serverCall } from "./verbs/server-call.ts";

/** Version of the Ferrite that a definition comes from. */
const VERSION_ANNOTATION = "ferrite.dev/version";
const FIELD_MANAGER = "ferrite-server";

/** Ferrite's own kinds, as `crds/*.yaml` holds them, marked with the version of this program. */
export function ownDefinitions(version: string = packageJson.version): readonly KubeObject[] {
  return KINDS.map((kind) => {
    const definition = customResourceDefinition(kind) as unknown as KubeObject;
    return { ...definition, metadata: { ...definition.metadata, annotations: { [VERSION_ANNOTATION]: version } } };
  });
}

/**
 * Applies definitions server-side, by force, as a manager of its own: makes those that are missing, changes those that
 * differ, writes nothing otherwise. What a later version of Ferrite has installed stays: an old server that comes back
 * beside a new one would otherwise drop fields that are in use. May run on several servers at once. Throws ApiError.
 */
export async function installDefinitions(context: VerbContext, definitions: readonly KubeObject[]): Promise<void> {
  const resource = context.registry.all().find(isCrdKind);
  if (resource === undefined) throw new Error("CustomResourceDefinitions are not registered");
  for (const definition of definitions) {
    const { name = "" } = definition.metadata;
    const { stored } = await context.storage.get(objectKey(resource, "", name));
    if (isNewer(versionOf(stored?.object), versionOf(definition))) continue;
    const call = {
      ...serverCall(resource, "", name),
      query: new URLSearchParams({ fieldManager: FIELD_MANAGER, force: "true" }),
      body: () => Promise.resolve(Buffer.from(JSON.stringify(definition))),
    };
    await again(() =>
      apply(context, call, { fieldManager: FIELD_MANAGER, force: true, fieldValidation: "Strict", dryRun: false }),
    );
  }
}

/** Another server may make the same definition between our look and our write: then it is there to be applied to. */
async function again(write: () => Promise<unknown>): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (!(error instanceof ApiError) || (error.reason !== "AlreadyExists" && error.reason !== "NotFound")) throw error;
    await write();
  }
}

const versionOf = (object: KubeObject | undefined): string => object?.metadata.annotations?.[VERSION_ANNOTATION] ?? "";

/** Compares `1.2.3` number by number; what has none is older than all that have one. */
function isNewer(version: string, than: string): boolean {
  const order = new Intl.Collator("en", { numeric: true });
  return order.compare(version, than) > 0;
}
