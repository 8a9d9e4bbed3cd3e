import { CLEANUP_FINALIZER } from "../../crds/constants.ts";
import type { Host } from "../../crds/generated/host.ts";
import type { Mirror } from "../../crds/generated/mirror.ts";
import type { MirrorReplica, ReplicaFileSystem, ReplicaVerify } from "../../crds/generated/mirror-replica.ts";
import type { Volume } from "../../crds/generated/volume.ts";
import { CommandError } from "../../executors/command/errors.ts";
import type { Executor } from "../../executors/command/types.ts";
import * as commands from "../../executors/drbd/commands.ts";
import { isGrowth, planReplica } from "../../executors/drbd/driver.ts";
import type { Step } from "../../executors/driver.ts";
import { isAttached, type ObservedReplica, observeReplica } from "../../executors/drbd/observe.ts";
import { Locks } from "../../machinery/locks.ts";
import { done, type Reconcile, type ReconcileContext, requeueAfter } from "../../machinery/result.ts";
import { type Arbiter, pairName } from "../host-pair/arbiter.ts";
import { RECORD_HAS_CHANGED } from "../host-pair/decisions.ts";
import type { ObjectAccess, ObjectReader } from "../object-access.ts";
import { applyPlan, BLOCKED_RETRY_MS, ready, type Report, runPass, waiting } from "../pass.ts";
import { desiredReplica, resourceName } from "./desired.ts";
import { finalizeReplica } from "./finalize.ts";
import { type LagMemory, updateLag } from "./lag.ts";
import {
  allowedMetadata,
  allowedRole,
  connected,
  differs,
  isFresh,
  isLoser,
  isTrespasser,
  mayAttach,
  mayConnect,
  type MembershipView,
  neededDecision,
} from "./membership.ts";
import { type FrozenStep, releaseFrozen } from "./frozen.ts";
import { doubtPass } from "./doubt.ts";
import { FileSystems, fileSystemPass } from "./file-system.ts";
import { Meetings } from "./meetings.ts";
import type { ServedDevices } from "../served-devices.ts";
import { renewDisk } from "./renew.ts";
import { discardPass } from "./split-brain.ts";
import { believeRestored } from "./restored.ts";
import { SafetySettings } from "./settings.ts";
import { replicaConditions, replicaFields } from "./status.ts";
import { type Surroundings, surroundings } from "./surroundings.ts";
import { takeOver } from "./takeover.ts";
import { isVerifying, Verifications } from "./verify.ts";

export interface MirrorReplicaDeps {
  readonly hostName: string;
  readonly exec: Executor;
  readonly arbiter: Arbiter;
  readonly lag: LagMemory;
  /** Whether the kernel's helper waits for an answer about this resource's lost peer. */
  isAsked(resource: string): Promise<boolean>;
  readonly monotonicMs: () => number;
  readonly served: ServedDevices;
  /** Makes sure that the kernel calls our helper and no other: with any other nobody decides. */
  ensureHelper(signal: AbortSignal): Promise<void>;
  readonly replicas: ObjectAccess<MirrorReplica>;
  readonly mirrors: ObjectReader<Mirror>;
  readonly volumes: ObjectReader<Volume>;
  readonly hosts: ObjectReader<Host>;
  /** One key of a Secret; `undefined`: the Secret or the key is not there. */
  secret(namespace: string, name: string, key: string): Promise<string | undefined>;
}

/** While a resync runs its progress is looked at, for no event tells it; so is a peer that does not come. */
const SOON_MS = 2_000;
/** How long a note takes from the API to the cache. */
const NOTED_MS = 300;
/** Facts of DRBD change without an event that reaches the queue; events2 only makes it faster. */
const OBSERVE_AGAIN_MS = 15_000;
/** Where both sides are members, whole, and talk to each other, every change of that is an event. */
const OBSERVE_WHOLE_MS = 60_000;

/** One host's side of a Mirror: makes DRBD what the spec asks, as far as the record of the pair allows it. */
export function mirrorReplicaReconciler(deps: MirrorReplicaDeps): Reconcile {
  const memory = {
    meetings: new Meetings(deps.monotonicMs),
    verifications: new Verifications(),
    files: new FileSystems(),
    settings: new SafetySettings(),
    toldRestarts: new Set<string>(),
    locks: new Locks(),
  };
  return async (context, request) => {
    const replica = deps.replicas.get(request);
    if (replica?.spec.hostName !== deps.hostName) return done;
    if (replica.metadata.deletionTimestamp !== undefined) return finalizeReplica(deps, context, replica);
    if (!replica.metadata.finalizers?.includes(CLEANUP_FINALIZER)) {
      await deps.replicas.addFinalizer(replica, CLEANUP_FINALIZER);
      return done; // the write comes back as a change
    }
    return runPass(context, deps.replicas, replica, () => onePass(deps, memory, context, replica));
  };
}

/** Steps that follow on each other are taken in one pass, each after a new look at the world. */
const MAX_STEPS = 10;

/** What this process remembers between passes. Forgotten, it only asks, waits or tells once more. */
interface Memory {
  readonly meetings: Meetings;
  readonly verifications: Verifications;
  readonly files: FileSystems;
  readonly settings: SafetySettings;
  /** Resources whose disk came back with the machine, since this process has recorded that. */
  readonly toldRestarts: Set<string>;
  /** By resource. */
  readonly locks: Locks;
}

async function onePass(
  deps: MirrorReplicaDeps,
  memory: Memory,
  context: ReconcileContext,
  replica: MirrorReplica,
): Promise<Report<MirrorReplica>> {
  await deps.ensureHelper(context.signal);
  const found = await surroundings(deps, replica);
  if ("conditions" in found) return found;
  for (let taken = 1; ; taken++) {
    const { report, goOn } = await oneStep(deps, memory, context, replica, found);
    if (!goOn || taken === MAX_STEPS) return report;
  }
}

interface StepResult {
  readonly report: Report<MirrorReplica>;
  /** The world or the record was changed: look again at once. */
  readonly goOn: boolean;
}

/**
 * One step of a resource at a time; a takeover holds all resources of the pair, so that no other pass connects one of them
 * between its cut and its decision.
 */
function oneStep(
  deps: MirrorReplicaDeps,
  memory: Memory,
  context: ReconcileContext,
  replica: MirrorReplica,
  found: Surroundings,
): Promise<StepResult> {
  const { spec } = replica;
  const held = spec.takeover === undefined ? [replica] : deps.replicas.list().filter((each) => isOfPair(each, spec));
  const names = [replica, ...held].map((each) => resourceName(each));
  return memory.locks.holding(names, () => lockedStep(deps, memory, context, replica, found));
}

const isOfPair = (replica: MirrorReplica, { hostName, peerHostName }: MirrorReplica["spec"]): boolean =>
  replica.spec.hostName === hostName && replica.spec.peerHostName === peerHostName;

async function lockedStep(
  deps: MirrorReplicaDeps,
  memory: Memory,
  context: ReconcileContext,
  replica: MirrorReplica,
  found: Surroundings,
): Promise<StepResult> {
  const end = (report: Report<MirrorReplica>): StepResult => ({ report, goOn: false });
  const pair = pairName(replica.spec.hostName, replica.spec.peerHostName);
  // The record first: what is seen after it is not of before a decision that it shows.
  const reading = await deps.arbiter.read(pair, context.signal);
  const resource = resourceName(replica);
  const seen = await observeReplica(resource, found.disk, deps.exec, context.signal);
  const { meetings, verifications, files } = memory;
  const settings = await memory.settings.look(resource, seen, deps.exec, context.signal);
  const observed = settings.again ? { ...seen, appliedDigest: undefined } : seen;
  const comparison = verifications.look(resource, replica, observed, context.now());
  const fileSystem = files.known(resource, replica, deps.mirrors.get(mirrorOf(replica)));
  const fields = reported(replica, replicaFields(replica, observed, context.now()), comparison.state, fileSystem);
  if (reading.past !== undefined) {
    const why = await believeRestored(deps, context, replica, reading);
    if (why === undefined) return end(waiting(reading.past.reason, reading.past.message, fields));
    deps.replicas.event(replica, "Normal", "StoreRestored", `the restored record is believed: ${why}`);
    return { report: changed(replica, fields), goOn: true };
  }
  const { record } = reading;
  if (record === undefined) return end(waiting("NoRecord", `HostPair ${pair} is not there yet`, fields));
  const entry = record.status?.mirrors.find(({ uid }) => uid === found.mirror.uid);
  const { hostName: me, minor } = replica.spec;
  const lags = await updateLag({ uid: found.mirror.uid, minor, me, entry, observed }, deps.lag);
  if (!isFresh(observed)) memory.toldRestarts.delete(resource);
  const view: MembershipView = {
    mirror: found.mirror,
    me,
    peer: replica.spec.peerHostName,
    entry,
    epoch: record.status?.epoch ?? 0,
    observed,
    lags,
    diskFailed: await deps.lag.diskFailed(minor),
    toldRestart: memory.toldRestarts.has(resource),
    beginsFirstGeneration: beginsFirstGeneration(replica),
    wanted: replica.spec,
  };
  const apply = (steps: readonly Step[]) =>
    applyPlan({ kind: "steps", steps }, { access: deps.replicas, object: replica, exec: deps.exec, context });
  const takeover = await takeOver(deps, context, replica, record.status);
  if (takeover.kind === "refused") return end(waiting(takeover.reason, takeover.message, fields));
  if (takeover.kind === "cut") await apply(takeover.steps);
  if (takeover.kind === "decided") deps.replicas.event(replica, "Warning", "TookOver", takeover.why);
  if (takeover.kind !== "none") return { report: changed(replica, fields), goOn: true };
  const frozen: FrozenStep = lags
    ? { kind: "none" }
    : await releaseFrozen(deps, meetings, context, replica, entry, observed);
  if (frozen.kind === "refused") return end(waiting(frozen.reason, frozen.message, fields));
  if (frozen.kind === "steps") {
    await apply(frozen.steps);
    return { report: changed(replica, fields), goOn: true };
  }
  if (isLoser(view) || isTrespasser(view)) return stepDown(view, replica, fields, apply);
  const doubtful = doubtPass(view, record);
  if (doubtful.kind === "refused") return end(waiting(doubtful.reason, doubtful.message, fields));
  if (doubtful.kind === "none" && (await renewDisk(deps, context, view, { minor, disk: found.disk }, apply)))
    return { report: changed(replica, fields), goOn: true };
  const discarding = discardPass(replica, view);
  if (discarding.kind === "refused") return end(waiting(discarding.reason, discarding.message, fields));
  const asked = doubtful.kind === "decide" ? doubtful : discarding;
  const needed = asked.kind === "decide" ? asked.needed : neededDecision(view);
  let refused: Report<MirrorReplica> | undefined;
  if (needed !== undefined) {
    const outcome = await deps.arbiter.decide(pair, needed.decision, context.signal);
    if (outcome.kind === "won") {
      if (needed.tellsRestart === true) memory.toldRestarts.add(resource);
      if (needed.settlesDoubt === true) {
        await deps.lag.clear(found.mirror.uid);
        await deps.lag.bury(minor);
      }
      const now = outcome.status?.mirrors.find(({ uid }) => uid === found.mirror.uid);
      if (now !== undefined && !now.members.includes(me)) await deps.lag.clear(found.mirror.uid);
      deps.replicas.event(replica, "Normal", "Decided", needed.why);
      return { report: changed(replica, fields), goOn: true };
    }
    if (outcome.reason === RECORD_HAS_CHANGED) return { report: changed(replica, fields), goOn: true };
    refused = waiting(outcome.reason, outcome.message, fields);
    if (needed.onlyForPromotion !== true) return end(refused);
  }
  const name = resourceName(replica);
  const connect = replica.spec.connect && mayConnect(view) && meetings.mayConnect(name, view);
  const desired = desiredReplica(replica, {
    ...found,
    role: meetings.mayPromote(name, view) ? allowedRole(view) : "Secondary",
    connect,
    discard: discarding.kind === "discard",
    attach: mayAttach(view),
    twoPrimaries: entry?.window !== undefined,
    metadata: allowedMetadata(view, replica.spec.firstGeneration !== undefined),
    recorded: entry !== undefined,
  });
  const plan = planReplica(desired, observed);
  const device = isAttached(observed.kernel) ? `/dev/drbd${minor}` : found.disk;
  const server = deps.served.by(`/dev/drbd${minor}`);
  if (server !== undefined && desired.role === "Secondary" && observed.kernel?.role === "Primary")
    return end(waiting("DeviceInUse", `/dev/drbd${minor} is in use: the export ${server} still serves it`, fields));
  const result = await applyPlan(plan, { access: deps.replicas, object: replica, exec: deps.exec, context, device });
  if (result === "changed" && settings.again && isAttached(observed.kernel)) {
    memory.settings.tried(resource);
    deps.replicas.event(replica, "Warning", "SettingsUnsafe", `set back: ${settings.problems.join(", ")}`);
  }
  if (result === "changed" && isGrowth(plan))
    return end({ ...changed(replica, fields), next: requeueAfter(SOON_MS, "see how far it has grown") });
  if (result === "changed") return { report: changed(replica, fields), goOn: true };
  const { volumeRef } = replica.spec.backing;
  if (typeof result === "object" && result.reason === "DeviceMissing" && volumeRef !== undefined)
    return end(inactive(volumeRef.name, fields));
  if (result !== "nothing to do") return end(waiting(result.reason, result.message, fields));
  if (refused !== undefined) return end(refused);
  // Only a new meeting has DRBD repair what a comparison marked: from the primary, once the record shows the other side out.
  if (differs(observed) && observed.kernel?.role === "Primary" && entry !== undefined) {
    await apply([{ why: `part ${name} from its peer, whose copy differs`, effect: commands.disconnect(name) }]);
    return { report: changed(replica, fields), goOn: true };
  }
  const mine = entry?.primary === me && observed.kernel?.role === "Primary" && observed.kernel.suspended.length === 0;
  if (mine && observed.kernel?.device?.diskState === "UpToDate") {
    const outcome = await fileSystemPass(replica, fileSystem, observed.kernel, deps.exec, context.signal);
    if (outcome.kind === "blocked") return end(waiting(outcome.reason, outcome.message, fields));
    if (outcome.kind === "note") return end(noted(replica, { ...fields, fileSystem: outcome.state }));
    if (outcome.kind === "steps") {
      await apply(outcome.steps);
      files.done(resource, outcome.done);
      return { report: changed(replica, fields), goOn: true };
    }
    if (comparison.begun !== undefined) {
      await apply(comparison.steps);
      verifications.follow(resource, comparison.begun);
      return { report: changed(replica, fields), goOn: true };
    }
  }
  // Looking for the peer is paced by time, not by events.
  const soon = fields.resync !== undefined || isVerifying(observed) || (replica.spec.connect && !connected(observed));
  const whole = observed.kernel?.device?.diskState === "UpToDate" && isPeerUpToDate(observed);
  const calm = whole && connected(observed) && entry?.members.length === 2 ? OBSERVE_WHOLE_MS : OBSERVE_AGAIN_MS;
  const next = soon ? SOON_MS : calm;
  const [state, ...others] = replicaConditions(replica, observed, isLoser(view));
  const first = settings.problems.length > 0 ? unsafe(resource, settings.problems) : state;
  return end({
    fields,
    conditions: [first, ...others].filter((fact) => fact !== undefined),
    next: requeueAfter(next, "look at DRBD again"),
  });
}

const isPeerUpToDate = ({ kernel }: ObservedReplica): boolean => kernel?.connection?.peerDiskState === "UpToDate";

const unsafe = (name: string, problems: readonly string[]) =>
  ready(
    "False",
    "SettingsUnsafe",
    `DRBD's settings of ${name} were changed by something else, and applying the file did not change them back: ${problems.join(", ")}; end what changes them, then drbdadm adjust ${name}`,
  );

/** Another host goes on: this one becomes secondary once nothing has the device open. Nothing is forced. */
async function stepDown(
  view: MembershipView,
  replica: MirrorReplica,
  fields: ReturnType<typeof replicaFields>,
  apply: (steps: readonly Step[]) => Promise<unknown>,
): Promise<StepResult> {
  const name = resourceName(replica);
  try {
    await apply([{ why: `make ${name} secondary: ${view.peer} has gone on`, effect: commands.demote(name) }]);
    return { report: changed(replica, fields), goOn: true };
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const [first, ...others] = replicaConditions(replica, view.observed, isLoser(view));
    const byHand = ready(
      "False",
      "PrimaryWithoutLeave",
      `${view.me} was promoted or released by hand, while ${view.peer} goes on: what is written on ${view.me} splits the data; stop what has the device open there`,
    );
    const conditions = [isTrespasser(view) ? byHand : first, ...others].filter((fact) => fact !== undefined);
    return {
      report: { fields, conditions, next: requeueAfter(BLOCKED_RETRY_MS, "see whether it was let go") },
      goOn: false,
    };
  }
}

const INACTIVE_RETRY_MS = 1000;

/** After a boot: what the Volume's own pass then does changes nothing in the API, so no event tells of it. */
function inactive(volume: string, fields: Report<MirrorReplica>["fields"] & object): Report<MirrorReplica> {
  const report = waiting<MirrorReplica>("BackingNotReady", `the device of Volume ${volume} is not active yet`, fields);
  return { ...report, next: requeueAfter(INACTIVE_RETRY_MS, "look whether it is active") };
}

/** The world or the record was changed: what it is now, the next pass says. */
const changed = (replica: MirrorReplica, fields: Report<MirrorReplica>["fields"] & object): Report<MirrorReplica> => ({
  fields,
  conditions: [ready("False", "Progressing", `${replica.spec.hostName} is being brought to what is asked`)],
  next: requeueAfter(0, "see what was changed"),
});

/** Was noted, and is to be seen in the object before it is acted on. */
const noted = (replica: MirrorReplica, fields: Report<MirrorReplica>["fields"] & object): Report<MirrorReplica> => ({
  ...changed(replica, fields),
  next: requeueAfter(NOTED_MS, "see what was noted"),
});

/** A device whose file system is still to be made is nobody's to use. */
function reported(
  replica: MirrorReplica,
  { devicePath, ...facts }: ReturnType<typeof replicaFields>,
  verify: ReplicaVerify | undefined,
  fileSystem: ReplicaFileSystem | undefined,
): ReturnType<typeof replicaFields> {
  const usable = replica.spec.fileSystem === undefined || fileSystem?.state === "Made";
  return {
    ...facts,
    ...(devicePath === undefined || !usable ? {} : { devicePath }),
    ...(verify === undefined ? {} : { verify }),
    ...(fileSystem === undefined ? {} : { fileSystem }),
  };
}

const mirrorOf = ({ metadata, spec }: MirrorReplica) => ({ namespace: metadata.namespace, name: spec.mirrorRef.name });

/** The side that is to be primary begins: only a primary can take the other side in. */
const beginsFirstGeneration = ({ spec }: MirrorReplica): boolean =>
  spec.firstGeneration !== undefined && spec.role === "Primary";
