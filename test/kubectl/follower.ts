import { setTimeout as pause } from "node:timers/promises";
import { ApiClient } from "../../hack/bench/api-client.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { describeEvent, eventOf } from "./history.ts";
import type { Kubectl } from "./kubectl.ts";

const RETRY_MS = 50;

/** Something that keeps a log of what it was told, however often the connection breaks. */
export interface Follower {
  /** The newest revision that it was told. */
  readonly revision: number;
  stop(): Promise<void>;
}

/**
 * A watch of the plainest kind: whenever its stream ends it is opened again from the last resourceVersion that it saw,
 * at the next of `kubeconfigs`; it never lists.
 */
export class RawFollower implements Follower {
  readonly log: string[] = [];
  /** How many streams there were. */
  opened = 0;
  revision: number;
  readonly #following: Promise<void>;
  #client: ApiClient | undefined;
  #stopped = false;

  constructor(kubeconfigs: readonly string[], path: string, afterRevision: number) {
    this.revision = afterRevision;
    this.#following = this.#follow(kubeconfigs, path);
  }

  async #follow(kubeconfigs: readonly string[], path: string): Promise<void> {
    for (let turn = 0; !this.#stopped; turn += 1) {
      this.#client = new ApiClient(kubeconfigs[turn % kubeconfigs.length] ?? "");
      await this.#once(this.#client, path).catch(() => pause(RETRY_MS));
      this.#client.close();
    }
  }

  async #once(client: ApiClient, path: string): Promise<void> {
    const ended = Promise.withResolvers<void>();
    const query = `watch=1&allowWatchBookmarks=true&resourceVersion=${this.revision}`;
    const target = `${path}${path.includes("?") ? "&" : "?"}${query}`;
    await client.watch(target, (line) => this.#take(line), ended.resolve);
    this.opened += 1;
    await ended.promise;
  }

  #take(line: string): void {
    const { type, object } = JSON.parse(line) as { type: string; object: KubeObject };
    // An ERROR is kept as it is: it is none of the events that are expected.
    if (type === "ERROR") this.log.push(line);
    else if (type !== "BOOKMARK") this.log.push(describeEvent(eventOf(type, object)));
    if (type !== "ERROR") this.revision = Number(object.metadata.resourceVersion);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#client?.close();
    await this.#following;
  }
}

const FORM =
  'jsonpath={.type} {.object.metadata.name}@{.object.metadata.resourceVersion} {.object.metadata.annotations.step}{"\\n"}';

/** `kubectl get --watch`, started again whenever it ends; each run has a log of its own, which begins with its list. */
export class KubectlFollower implements Follower {
  readonly logs: string[][] = [];
  readonly #following: Promise<void>;
  #end = (): void => {};
  #stopped = false;

  constructor(kubectl: Kubectl, ...what: readonly string[]) {
    this.#following = this.#follow(kubectl, what);
  }

  get revision(): number {
    return Number(/@(\d+) /.exec(this.logs.at(-1)?.at(-1) ?? "")?.[1] ?? 0);
  }

  async #follow(kubectl: Kubectl, what: readonly string[]): Promise<void> {
    while (!this.#stopped) {
      const log: string[] = [];
      const child = kubectl.start(["get", ...what, "--watch", "--output-watch-events", "-o", FORM]);
      this.#end = () => child.kill();
      let rest = "";
      child.stdout?.on("data", (chunk: Buffer) => {
        const lines = (rest + chunk.toString()).split("\n");
        rest = lines.pop() ?? "";
        // One that never got through is no run.
        if (log.length === 0 && lines.length > 0) this.logs.push(log);
        log.push(...lines);
      });
      await new Promise((resolve) => child.once("close", resolve));
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#end();
    await this.#following;
  }
}
