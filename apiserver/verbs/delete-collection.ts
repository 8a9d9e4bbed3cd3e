import type { Presented } from "../objects/present.ts";
import { parseSelection } from "../objects/selection.ts";
import { ApiError } from "../status.ts";
import { readOptions } from "./body.ts";
import type { ApiCall, ListReply, VerbContext } from "./call.ts";
import { parseDeleteOptions } from "./delete-options.ts";
import { deleteObject } from "./delete.ts";
import { readAll } from "./list.ts";

/** Deletes what matches now, one by one, each with the options given; answers with what was there. */
export async function deleteCollection(context: VerbContext, call: ApiCall): Promise<ListReply> {
  const options = parseDeleteOptions(call.query, await readOptions(call));
  const selection = parseSelection(call.query, call.resource);
  const state = await readAll(context, call, selection);
  const items: Presented[] = [];
  for (const { object } of state.items) {
    const { name = "", namespace = "", uid } = object.metadata;
    const own = { ...call, info: { ...call.info, namespace, name } };
    try {
      // The uid keeps a namesake that was made in the meantime alive.
      const preconditions = { ...(uid === undefined ? {} : { uid }), ...options.preconditions };
      items.push((await deleteObject(context, own, name, { ...options, preconditions })).object);
    } catch (error) {
      if (!(error instanceof ApiError) || error.reason !== "NotFound") throw error;
    }
  }
  return { ...state, items };
}
