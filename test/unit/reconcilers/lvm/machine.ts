import { TapeCut } from "../../../../executors/command/tape.ts";
import type { Command } from "../../../../executors/command/types.ts";
import { CLEANUP_FINALIZER } from "../../../../crds/constants.ts";
import type { MirrorReplica } from "../../../../crds/generated/mirror-replica.ts";
import type { Snapshot } from "../../../../crds/generated/snapshot.ts";
import type { VolumeGroup } from "../../../../crds/generated/volume-group.ts";
import type { Volume } from "../../../../crds/generated/volume.ts";
import { silentLogger } from "../../../../machinery/log.ts";
import type { Reconcile, Request } from "../../../../machinery/result.ts";
import type { ObjectAccess, Reconciled } from "../../../../reconcilers/object-access.ts";
import { snapshotReconciler } from "../../../../reconcilers/snapshot/reconcile.ts";
import { volumeGroupReconciler } from "../../../../reconcilers/volume-group/reconcile.ts";
import { volumeReconciler } from "../../../../reconcilers/volume/reconcile.ts";
import { LvmModel } from "../../../../executors/model/lvm.ts";

const GENERATED = { apiVersion: "ferrite.dev/v1alpha1" } as const;
const NOW = new Date("2026-01-01T00:00:00Z");

/** One kind in the API. An object with a deletionTimestamp and no finalizer is gone, as there. */
class Store<T extends Reconciled> implements ObjectAccess<T> {
  readonly #objects = new Map<string, T>();
  readonly #effect: (what: string) => void;

  constructor(effect: (what: string) => void) {
    this.#effect = effect;
  }

  put(object: T): void {
    const gone = object.metadata.deletionTimestamp !== undefined && !object.metadata.finalizers?.length;
    if (gone) this.#objects.delete(object.metadata.name);
    else this.#objects.set(object.metadata.name, object);
  }

  get = ({ name }: Pick<Request, "name">): T | undefined => this.#objects.get(name);
  list = (): readonly T[] => [...this.#objects.values()];

  async addFinalizer({ metadata }: T, finalizer: string): Promise<void> {
    this.#effect(`add the finalizer of ${metadata.name}`);
    this.#change(metadata.name, { metadata: { ...metadata, finalizers: [finalizer] } });
  }

  async removeFinalizer({ metadata }: T): Promise<void> {
    this.#effect(`remove the finalizer of ${metadata.name}`);
    this.#change(metadata.name, { metadata: { ...metadata, finalizers: [] } });
  }

  async writeStatus({ metadata }: T, status: NonNullable<T["status"]>): Promise<void> {
    const was = this.get(metadata)?.status;
    const next = { ...status, ...hostOf(was) };
    if (JSON.stringify(was) === JSON.stringify(next)) return;
    this.#effect(`write the status of ${metadata.name}`);
    this.#change(metadata.name, { status: next });
  }

  event(): void {}

  #change(name: string, change: object): void {
    const object = this.#objects.get(name);
    if (object !== undefined) this.put({ ...object, ...change });
  }
}

/** Written by another writer, and kept. */
const hostOf = (status: unknown): object => {
  const { hostName } = (status ?? {}) as { readonly hostName?: string };
  return hostName === undefined ? {} : { hostName };
};

/** A machine with LVM's tools, its agent's reconcilers, and the API. The agent dies before the n-th thing that it does. */
export class Machine {
  readonly model: LvmModel;
  readonly effects: string[] = [];
  dieBefore = Number.POSITIVE_INFINITY;
  readonly volumeGroups = new Store<VolumeGroup>((what) => this.#effect(what));
  readonly volumes = new Store<Volume>((what) => this.#effect(what));
  readonly snapshots = new Store<Snapshot>((what) => this.#effect(what));

  /** This host's side of the mirror `m1`, if it has one. */
  replica: MirrorReplica | undefined;
  readonly #replicas = {
    get: () => this.replica,
    list: () => (this.replica === undefined ? [] : [this.replica]),
  };

  constructor(model = new LvmModel().withDisk("/dev/sdb").withDisk("/dev/sdc")) {
    this.model = model;
  }

  #effect(what: string): void {
    if (this.dieBefore-- <= 0) throw new TapeCut(`died before: ${what}`);
    this.effects.push(what);
  }

  /** A new life of the agent: passes over every object until none has anything to do. Throws TapeCut when it dies. */
  async run(): Promise<void> {
    const { volumeGroups, volumes, snapshots } = this;
    const exec = {
      run: (command: Command) => {
        if (command.mutates) this.#effect(command.argv.join(" "));
        return this.model.run(command);
      },
      write: () => this.model.write(),
      read: (path: string) => this.model.read(path),
      realPath: (path: string) => this.model.realPath(path),
    };
    const base = { hostName: "alpha", exec, volumeGroups, replicas: this.#replicas };
    const kinds: readonly (readonly [Store<Reconciled>, Reconcile])[] = [
      [volumeGroups, volumeGroupReconciler({ ...base, volumes })],
      [volumes, volumeReconciler({ ...base, volumes, snapshots })],
      [snapshots, snapshotReconciler({ ...base, snapshots, volumes })],
    ];
    for (let round = 0; round < 20; round++) {
      const before = this.effects.length;
      for (const [store, reconcile] of kinds)
        for (const { metadata } of store.list())
          await reconcile(
            { log: silentLogger, signal: new AbortController().signal, now: () => NOW },
            { namespace: metadata.namespace ?? "", name: metadata.name },
          );
      if (this.effects.length === before) return;
    }
    throw new Error(`still busy after 20 rounds:\n${this.effects.join("\n")}`);
  }

  group(change: Partial<VolumeGroup["spec"]> = {}): void {
    const metadata = { name: "vg1", uid: "g1", ...this.volumeGroups.get({ name: "vg1" })?.metadata };
    const spec = {
      hostName: "alpha",
      physicalVolumes: [{ device: "/dev/sdb" }],
      overwrite: false,
      deletionPolicy: "Delete",
      ...change,
    };
    const { status } = this.volumeGroups.get({ name: "vg1" }) ?? {};
    this.volumeGroups.put({ ...GENERATED, kind: "VolumeGroup", metadata, spec, status } as unknown as VolumeGroup);
  }

  volume(name: string, change: Partial<Volume["spec"]> = {}): void {
    const was = this.volumes.get({ name });
    const metadata = { namespace: "default", name, uid: `u-${name}`, ...was?.metadata };
    const spec = { volumeGroupRef: { name: "vg1" }, size: "64Mi", thin: false, ...was?.spec, ...change };
    const status = was?.status ?? { hostName: "alpha" };
    this.volumes.put({ ...GENERATED, kind: "Volume", metadata, spec, status } as unknown as Volume);
  }

  snapshot(name: string, of: string): void {
    const metadata = { namespace: "default", name, uid: `u-${name}` };
    const spec = { volumeRef: { name: of }, size: "32Mi" };
    const object = { ...GENERATED, kind: "Snapshot", metadata, spec, status: { hostName: "alpha" } };
    this.snapshots.put(object as unknown as Snapshot);
  }

  /** `kubectl delete` of everything. */
  deleteAll(): void {
    for (const store of [this.volumeGroups, this.volumes, this.snapshots] as unknown as Store<Reconciled>[])
      for (const object of store.list())
        store.put({ ...object, metadata: { ...object.metadata, deletionTimestamp: NOW.toISOString() } });
  }

  /** All that counts about the world: LVM, what the disks say of themselves, and the objects. */
  state(): unknown {
    const { volumeGroups, volumes, snapshots, model } = this;
    const objects = [volumeGroups, volumes, snapshots].flatMap((store) => store.list() as readonly Reconciled[]);
    return structuredClone({
      groups: model.groups.map((group) => ({ ...group, volumes: group.volumes.toSorted(byName) })),
      disks: [...model.disks],
      objects: objects.map(({ kind, metadata, status }) => ({
        is: `${kind}/${metadata.name}`,
        finalizers: metadata.finalizers?.includes(CLEANUP_FINALIZER),
        status,
      })),
    });
  }
}

const byName = (a: { readonly name: string }, b: { readonly name: string }): number => (a.name < b.name ? -1 : 1);
