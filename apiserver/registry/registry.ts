import { type Resource, type VirtualResource } from "./types.ts";

/** Every served resource, looked up by path; changes as CRDs come and go. */
export class Registry {
  readonly #builtins: readonly Resource[];
  readonly #virtual: readonly VirtualResource[];
  readonly #custom = new Map<string, readonly Resource[]>();
  #byPath = new Map<string, Resource>();
  #generation = 0;

  constructor(builtins: readonly Resource[], virtual: readonly VirtualResource[]) {
    this.#builtins = builtins;
    this.#virtual = virtual;
    this.#rebuild();
  }

  /** Grows with every change: discovery and OpenAPI documents are cached by it. */
  get generation(): number {
    return this.#generation;
  }

  find(group: string, version: string, plural: string): Resource | undefined {
    return this.#byPath.get(pathKey(group, version, plural));
  }

  findVirtual(group: string, version: string, plural: string, subresource: string): VirtualResource | undefined {
    return this.#virtual.find(
      (each) =>
        each.group === group && each.version === version && each.plural === plural && each.subresource === subresource,
    );
  }

  all(): readonly Resource[] {
    return [...this.#byPath.values()];
  }

  virtual(): readonly VirtualResource[] {
    return this.#virtual;
  }

  /** Sets the served versions of one CRD; an empty list takes it away. */
  setCustom(crdName: string, resources: readonly Resource[]): void {
    if (resources.length === 0) {
      if (!this.#custom.delete(crdName)) return;
    } else this.#custom.set(crdName, resources);
    this.#rebuild();
  }

  #rebuild(): void {
    const custom = [...this.#custom].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, resources]) => resources);
    // Built-ins go last: a CRD can never take the path of one.
    this.#byPath = new Map(
      [...custom, ...this.#builtins].map((each) => [pathKey(each.group, each.version, each.plural), each]),
    );
    this.#generation += 1;
  }
}

const pathKey = (group: string, version: string, plural: string): string => `${group}/${version}/${plural}`;
