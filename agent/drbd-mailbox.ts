import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Where the kernel's helper leaves its requests (`manifests/install/drbd-helper`). */
const DRBD_REQUESTS = "/run/ferrite/drbd";

export interface DrbdRequest {
  /** `fence-peer`, `before-resync-target`, `local-io-error`, … */
  readonly event: string;
  /** Resource name, or `minor-<n>`. */
  readonly subject: string;
}

/** Requests of the kernel's helper. They outlive the agent, and die with the machine. */
export interface DrbdMailbox {
  /** Ids of the requests that lie there. */
  list(): Promise<readonly string[]>;
  /** `undefined`: gone, or answered and not picked up yet. */
  read(id: string): Promise<DrbdRequest | undefined>;
  /** The exit code for a helper that waits. */
  answer(id: string, code: number): Promise<void>;
  /** Takes away a request that nobody waits for. */
  remove(id: string): Promise<void>;
}

/** Whether a helper waits to hear what becomes of this resource's lost peer. */
export async function isAsked(mailbox: DrbdMailbox, resource: string): Promise<boolean> {
  for (const id of await mailbox.list()) {
    const request = await mailbox.read(id);
    if (request?.event === "fence-peer" && request.subject === resource) return true;
  }
  return false;
}

/** The mailbox in a directory: `<id>.request` holds two lines, `<id>.answer` the exit code. */
export function fileMailbox(directory = DRBD_REQUESTS): DrbdMailbox {
  const path = (id: string, kind: "request" | "answer") => join(directory, `${id}.${kind}`);
  return {
    async list() {
      const names = await namesIn(directory);
      return names.flatMap((name) => (name.endsWith(".request") ? [name.slice(0, -".request".length)] : []));
    },
    async read(id) {
      if ((await readIfThere(path(id, "answer"))) !== "") return undefined;
      const [event = "", subject = ""] = (await readIfThere(path(id, "request"))).split("\n");
      return event === "" ? undefined : { event, subject };
    },
    async answer(id, code) {
      await writeFile(`${path(id, "answer")}.new`, `${code}\n`);
      await rename(`${path(id, "answer")}.new`, path(id, "answer"));
    },
    remove: (id) => rm(path(id, "request"), { force: true }),
  };
}

/** Makes the directory where it is missing: the helper has to find it. */
async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    return [];
  }
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}
