import { setTimeout as pause } from "node:timers/promises";
import { type Answer, ApiClient } from "../../hack/bench/api-client.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { type Event, eventOf } from "./history.ts";

const RETRY_MS = 20;
/** So often an object is deleted and made anew. */
const DELETE_EACH = 8;

export interface WrittenKind {
  readonly path: string;
  /** Everything but the metadata. */
  readonly body: object;
}

/**
 * Creates, replaces and deletes one object again and again, and keeps what was acknowledged. After a write without an
 * answer, or with one that leaves open whether it was done, it reads what is there and goes on from that.
 */
export class Writer {
  /** Everything that a server said was done. The revision of a delete is not told: 0. */
  readonly acknowledged: Event[] = [];
  /** Writes of which nobody said whether they were done. */
  unknown = 0;
  readonly name: string;
  readonly #kind: WrittenKind;
  readonly #kubeconfigs: readonly string[];
  #client: ApiClient;
  #turn = 0;
  #step = 0;
  #there: KubeObject | undefined;
  #lookedAgain = false;
  #stopped = false;

  constructor(kubeconfigs: readonly string[], kind: WrittenKind, name: string) {
    this.#kubeconfigs = kubeconfigs;
    this.#kind = kind;
    this.name = name;
    this.#client = new ApiClient(kubeconfigs[0] ?? "");
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Until `stop`. Throws when it is refused what it may do. */
  async run(): Promise<void> {
    while (!this.#stopped) {
      this.#step += 1;
      const outcome = await this.#write();
      if (outcome === "unknown") await this.#lookAgain();
      this.#lookedAgain = outcome === "unknown";
    }
    this.#client.close();
  }

  async #write(): Promise<"done" | "unknown"> {
    const there = this.#there;
    const type = there === undefined ? "ADDED" : this.#step % DELETE_EACH === 0 ? "DELETED" : "MODIFIED";
    const answer = await this.#ask(type);
    // The write of a server that has died may still be on its way when another one is asked what is there.
    const overtaken = this.#lookedAgain && (answer?.status === 409 || answer?.status === 404);
    if (answer === undefined || answer.status >= 500 || answer.status === 429 || overtaken) {
      this.unknown += 1;
      return "unknown";
    }
    if (answer.status >= 300) throw new Error(`${type} ${this.name}: ${answer.text}`);
    const object = JSON.parse(answer.text) as KubeObject;
    this.#there = type === "DELETED" ? undefined : object;
    this.acknowledged.push(type === "DELETED" && there !== undefined ? deleted(there) : eventOf(type, object));
    return "done";
  }

  #ask(type: string): Promise<Answer | undefined> {
    const { path, body } = this.#kind;
    const one = `${path}/${this.name}`;
    const metadata = { name: this.name, labels: { parity: this.#step % 2 === 0 ? "even" : "odd" } };
    const annotations = { step: String(this.#step) };
    const resourceVersion = this.#there?.metadata.resourceVersion;
    const object = { ...body, metadata: { ...metadata, annotations, ...(resourceVersion && { resourceVersion }) } };
    const asked =
      type === "DELETED"
        ? this.#client.ask("DELETE", one, JSON.stringify({ preconditions: { resourceVersion } }))
        : this.#client.ask(type === "ADDED" ? "POST" : "PUT", type === "ADDED" ? path : one, JSON.stringify(object));
    return asked.catch(() => undefined);
  }

  /** Asks, at one server after the other, until one knows. */
  async #lookAgain(): Promise<void> {
    for (;;) {
      this.#client.close();
      this.#turn += 1;
      this.#client = new ApiClient(this.#kubeconfigs[this.#turn % this.#kubeconfigs.length] ?? "");
      const answer = await this.#client.ask("GET", `${this.#kind.path}/${this.name}`).catch(() => undefined);
      if (answer?.status === 200 || answer?.status === 404) {
        this.#there = answer.status === 200 ? (JSON.parse(answer.text) as KubeObject) : undefined;
        return;
      }
      await pause(RETRY_MS);
    }
  }
}

/** The answer tells the uid alone. */
const deleted = (there: KubeObject): Event => ({ ...eventOf("DELETED", there), revision: 0 });

/** One more write, which every watch comes to see; returns its revision. */
export async function writeLast(kubeconfig: string, { path, body }: WrittenKind): Promise<number> {
  const client = new ApiClient(kubeconfig);
  const metadata = { name: "last", labels: { parity: "even" }, annotations: { step: "last" } };
  const { text } = await client.ask("POST", path, JSON.stringify({ ...body, metadata }));
  client.close();
  return eventOf("ADDED", JSON.parse(text) as KubeObject).revision;
}
