import {
  type GuestSpec,
  type GuestState,
  type Hypervisor,
  HypervisorError,
  type Inspection,
  type Instance,
  StartError,
} from "../vm/guest.ts";

/** One guest of the model. */
export interface ModelGuest {
  readonly uid: string | undefined;
  readonly name: string;
  readonly id: string;
  state: GuestState;
  detail: string | undefined;
  memoryBytes: number;
}

/** A hypervisor without a machine: guests are entries of a map, and heed the power button when they are told to. */
export class ModelHypervisor implements Hypervisor {
  readonly guests = new Map<string, ModelGuest>();
  /** Everything that was asked to change, in order: `prepare web`. */
  readonly acts: string[] = [];
  heedsButton = true;
  /** What `prepare` fails with, as the hypervisor's own words. */
  refusal: string | undefined;
  freeBytes = 900_000 * 1024;
  #made = 0;

  add(guest: Pick<ModelGuest, "uid" | "name"> & { readonly state?: GuestState }): ModelGuest {
    const made: ModelGuest = {
      uid: guest.uid,
      name: guest.name,
      id: `${++this.#made}`,
      state: guest.state ?? "running",
      detail: undefined,
      memoryBytes: 0,
    };
    this.guests.set(made.id, made);
    return made;
  }

  /** The guest's own end, or the machine's. */
  remove(uid: string): void {
    for (const guest of this.guests.values()) if (guest.uid === uid) this.guests.delete(guest.id);
  }

  list(): Promise<readonly Instance[]> {
    return Promise.resolve([...this.guests.values()].map(({ uid, name, id }) => ({ uid, name, id })));
  }

  inspect({ id }: Instance): Promise<Inspection> {
    const { state, detail, memoryBytes } = this.#guest(id);
    return Promise.resolve({ state, detail, memoryBytes, accelerated: true });
  }

  prepare({ uid, name, memoryBytes }: GuestSpec): Promise<void> {
    this.acts.push(`prepare ${name}`);
    if (this.refusal !== undefined) return Promise.reject(new StartError("StartFailed", this.refusal));
    if ([...this.guests.values()].some((guest) => guest.uid === uid))
      return Promise.reject(new StartError("StartFailed", `${name} is there already`));
    this.add({ uid, name, state: "prepared" }).memoryBytes = memoryBytes;
    return Promise.resolve();
  }

  resume({ id }: Instance, { name }: GuestSpec): Promise<void> {
    this.acts.push(`resume ${name}`);
    Object.assign(this.#guest(id), { state: "running", detail: undefined });
    return Promise.resolve();
  }

  askToShutDown({ id }: Instance): Promise<void> {
    const { name } = this.#guest(id);
    this.acts.push(`shut down ${name}`);
    if (this.heedsButton) this.guests.delete(id);
    return Promise.resolve();
  }

  destroy({ id }: Instance): Promise<void> {
    this.acts.push(`destroy ${this.#guest(id).name}`);
    this.guests.delete(id);
    return Promise.resolve();
  }

  balloon({ id }: Instance, memoryBytes: number): Promise<void> {
    this.acts.push(`balloon ${this.#guest(id).name} ${memoryBytes}`);
    this.#guest(id).memoryBytes = memoryBytes;
    return Promise.resolve();
  }

  freeMemory(): Promise<number> {
    return Promise.resolve(this.freeBytes);
  }

  async *follow(): AsyncGenerator<string> {}

  consoleCommand(uid: string): string {
    return `console ${uid}`;
  }

  consoleTail(): Promise<string> {
    return Promise.resolve("the last line");
  }

  forget(uid: string): Promise<void> {
    this.acts.push(`forget ${uid}`);
    return Promise.resolve();
  }

  #guest(id: string): ModelGuest {
    const guest = this.guests.get(id);
    if (guest === undefined) throw new HypervisorError(`no guest ${id}`);
    return guest;
  }
}
