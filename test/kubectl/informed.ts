import { CustomObjectsApi, KubeConfig, type KubernetesObject, makeInformer } from "@kubernetes/client-node";

const RESTART_MS = 100;

/** Another project's client that follows widgets, started again after each error as its manual says. */
export class Informed {
  /** Name and resourceVersion of what is there, by what it was told. */
  readonly known = new Map<string, string>();
  /** What it was told that does not fit what it was told before. */
  readonly misfits: string[] = [];
  readonly #informer: ReturnType<typeof makeInformer<KubernetesObject>>;
  #stopped = false;

  private constructor(kubeconfig: string, namespace: string) {
    const config = new KubeConfig();
    config.loadFromFile(kubeconfig);
    const api = config.makeApiClient(CustomObjectsApi);
    const where = { group: "example.com", version: "v1", namespace, plural: "widgets" };
    const path = `/apis/example.com/v1/namespaces/${namespace}/widgets`;
    this.#informer = makeInformer<KubernetesObject>(config, path, () => api.listNamespacedCustomObject(where));
    this.#informer.on("add", (object) => this.#put(object));
    this.#informer.on("update", (object) => this.#put(object));
    this.#informer.on("delete", ({ metadata }) => this.known.delete(metadata?.name ?? ""));
    this.#informer.on("error", () => this.#startAgain());
  }

  static async start(kubeconfig: string, namespace: string): Promise<Informed> {
    const informed = new Informed(kubeconfig, namespace);
    await informed.#informer.start();
    return informed;
  }

  #put({ metadata }: KubernetesObject): void {
    const { name = "", resourceVersion = "" } = metadata ?? {};
    const before = this.known.get(name);
    if (Number(resourceVersion) < Number(before ?? 0))
      this.misfits.push(`${name} from ${before} to ${resourceVersion}`);
    this.known.set(name, resourceVersion);
  }

  #startAgain(): void {
    if (this.#stopped) return;
    setTimeout(() => void this.#informer.start().catch(() => this.#startAgain()), RESTART_MS);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#informer.stop();
  }
}
