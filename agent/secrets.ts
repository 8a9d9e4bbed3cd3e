import { isNotFound } from "../client/errors.ts";
import type { ApiObject } from "../client/api-object.ts";
import type { RestClient } from "../client/rest.ts";
import type { ResourceType } from "../machinery/resource-type.ts";

interface Secret extends ApiObject {
  readonly data?: Readonly<Record<string, string>>;
}

const SECRETS: ResourceType<Secret> = { group: "", version: "v1", kind: "Secret", plural: "secrets", namespaced: true };

/** Reads one key of a Secret that an object of this host refers to; `undefined`: the Secret or the key is not there. */
export function secretReader(client: Pick<RestClient, "get">) {
  return async (namespace: string, name: string, key: string): Promise<string | undefined> => {
    try {
      const value = (await client.get(SECRETS, { namespace, name })).data?.[key];
      return value === undefined ? undefined : Buffer.from(value, "base64").toString("utf8");
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  };
}
