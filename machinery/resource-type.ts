/** What a client must know of a kind to build its URLs. `T` is the TypeScript type of its objects. */
export interface ResourceType<T = unknown> {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  /** Never set: ties `T` to the value. */
  readonly object?: T;
}
