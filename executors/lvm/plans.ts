import type { Effect } from "../command/types.ts";
import type { Plan, Step } from "../driver.ts";

export const step = (why: string, effect: Effect): Step => ({ why, effect });
export const steps = (...list: readonly Step[]): Plan => ({ kind: "steps", steps: list });
export const blocked = (reason: string, message: string): Plan => ({ kind: "blocked", reason, message });
export const nothing: Plan = { kind: "steps", steps: [] };

/** Tags that we set. LVM keeps them with the object, so they survive everything that the object survives. */
export const TAGS = {
  /** UID of the Kubernetes object that a volume (group) belongs to. */
  owner: (uid: string): string => `ferrite.uid=${uid}`,
  /** Made but not yet filled: nobody was given it, so it may be filled again from the start. */
  unfilled: "ferrite.unfilled",
  /** Grown, but its file system not yet. */
  growFileSystem: "ferrite.grow-fs",
} as const;

/** UID in the owner tag; `undefined`: none of ours. */
export function ownerOf({ tags }: { readonly tags: readonly string[] }): string | undefined {
  const prefix = TAGS.owner("");
  return tags.find((tag) => tag.startsWith(prefix))?.slice(prefix.length);
}

export const mebibytes = (sizeBytes: number): string => `${Math.ceil(sizeBytes / 2 ** 20)} MiB`;
