export interface BrokenLine {
  readonly file: string;
  /** Text that stands there exactly once. */
  readonly find: string;
  readonly replace: string;
}

/** One line of the protocol, broken on purpose. */
export interface Mutation extends BrokenLine {
  readonly name: string;
  /** Other rules that make the same safe by themselves: they are broken too. */
  readonly also?: readonly BrokenLine[];
  /** Misfortunes in which the rule counts (`hack/simulate --kinds`); left out: any. */
  readonly kinds?: string;
}

const DECISIONS = "reconcilers/host-pair/decisions.ts";
const MEMBERSHIP = "reconcilers/mirror-replica/membership.ts";
const TAKEOVER = "reconcilers/mirror-replica/takeover.ts";
const ANSWERS = "agent/drbd-answers.ts";

const NOT_BEFORE_PROMOTION: BrokenLine = {
  file: MEMBERSHIP,
  find: "return !tookOver || observed.kernel?.role",
  replace: "return !tookOver || observed !== undefined || observed.kernel?.role",
};
const LOOK_AT_THE_DISK: BrokenLine = {
  file: TAKEOVER,
  find: 'if (!isAttached(state) || (disk !== "UpToDate" && disk !== "Consistent"))',
  replace: "if (disk === undefined)",
};
const LOOK_AT_WHAT_IT_LACKS: BrokenLine = {
  file: TAKEOVER,
  find: "if (await deps.lag.lags(uid, replica.spec.minor))",
  replace: "if (uid === replica.spec.mirrorRef.name)",
};
const LAGGING_DISK_STAYS_OFF: BrokenLine = {
  file: MEMBERSHIP,
  find: "  if (lags) return false;\n",
  replace: "",
};
const FAILED_DISK_STAYS_OFF: BrokenLine = {
  file: MEMBERSHIP,
  find: "  if (diskFailed && entry !== undefined && !entry.members.includes(me)) return false;\n",
  replace: "",
};
const RESTARTED_MEETS_NOBODY: BrokenLine = {
  file: MEMBERSHIP,
  find: "if (asked && bothIn(view, entry) && !connected(observed)) return false;",
  replace: "",
};
const IN_DOUBT = "no copy is sure; disk fails, then the link; restart after a failed disk";

/** Each takes away one rule that the promises rest on. */
export const MUTATIONS: readonly Mutation[] = [
  {
    name: "answer the kernel although the decision was lost",
    file: ANSWERS,
    find: 'if (outcome.kind === "won") return PEER_OUTDATED;',
    replace: "if (outcome !== undefined) return PEER_OUTDATED;",
  },
  {
    name: "answer the kernel without a decision",
    file: ANSWERS,
    find: "const outcome: Outcome = behind.has(mirror.uid)\n    ?",
    replace:
      'const outcome: Outcome = !behind.has(mirror.uid)\n    ? { kind: "won", status: undefined }\n    : behind.has(mirror.uid)\n    ?',
  },
  {
    name: "go on alone although the other side took over",
    file: DECISIONS,
    find: "if (!entry?.members.includes(me)) return notAMember(mirror, me, entry);\n    if (entry.primary !== undefined && entry.primary !== me)\n      return refused(",
    replace:
      'if (entry === undefined) return notAMember(mirror, me, entry);\n    if (entry.primary === "")\n      return refused(',
  },
  {
    name: "let a host outside the members become primary",
    file: DECISIONS,
    find: "if (!entry?.members.includes(me)) return notAMember(mirror, me, entry);\n    if (entry.primary === me) return unnecessary;",
    replace:
      "if (entry === undefined) return notAMember(mirror, me, entry);\n    if (entry.primary === me) return unnecessary;",
  },
  {
    name: "take over without being a member",
    file: DECISIONS,
    find: "if (lacking !== undefined) return notAMember(lacking, me, lacking);",
    replace: "",
  },
  {
    name: "leave the loser among the members",
    file: DECISIONS,
    find: "return { ...rest, members: [me], primary: me };\n    });\n  };\n}\n\n/** Opens",
    replace: "return { ...rest, primary: me };\n    });\n  };\n}\n\n/** Opens",
  },
  {
    name: "leave the lost peer among the members",
    file: DECISIONS,
    find: "if (!mine || !old.members.includes(me)) return old;\n      const { window: _, ...rest } = old;\n      return { ...rest, members: [me], primary: me };",
    replace:
      "if (!mine || !old.members.includes(me)) return old;\n      const { window: _, ...rest } = old;\n      return { ...rest, primary: me };",
  },
  {
    name: "take over without the cut",
    file: TAKEOVER,
    find: "return [{ why: `cut ${name} off from its primary`, effect: commands.disconnect(name) }];",
    replace: "return [];",
  },
  {
    name: "take over from a peer that is still connected",
    kinds: "order while it works; hang API",
    file: TAKEOVER,
    find: 'if (state.connection?.state === "Connected")',
    replace: 'if (state.connection?.state === "never")',
    also: [LOOK_AT_THE_DISK, LOOK_AT_WHAT_IT_LACKS],
  },
  {
    name: "take over with a disk that failed",
    kinds: "fail disk; fail over; hang API; order while it works",
    ...LOOK_AT_WHAT_IT_LACKS,
    also: [LOOK_AT_THE_DISK, LAGGING_DISK_STAYS_OFF],
  },
  {
    name: "meet the former primary before being promoted, and be overwritten by it",
    kinds: "promotion fails; jump clock; kill agent",
    ...NOT_BEFORE_PROMOTION,
    also: [
      {
        file: ANSWERS,
        find: "if (!entry.members.includes(peerHostName)) {",
        replace: "if (entry.members.length === 0) {",
      },
    ],
  },
  {
    name: "take over by an old order",
    kinds: "order is late; order while it works; fail over; lose host; reboot; peer restarts unseen",
    file: DECISIONS,
    find: "if (status === undefined || status.epoch !== epoch)",
    replace: "if (status === undefined || epoch < 0)",
  },
  {
    name: "meet a frozen peer after a boot as a member",
    file: MEMBERSHIP,
    find: 'diskState === "Consistent" && !talks(observed)',
    replace: 'diskState === "Failed" && !talks(observed)',
  },
  {
    name: "take a restarted peer in by a connection of before",
    kinds: "peer restarts unseen; reboot; cut replication",
    file: MEMBERSHIP,
    find: "!entry.members.includes(peer) && !decisions.isRestarted(entry, peer);",
    replace: "!entry.members.includes(peer);",
    also: [
      RESTARTED_MEETS_NOBODY,
      { file: DECISIONS, find: "    if (isRestarted(entry, peer))\n", replace: "    if (me === peer)\n" },
    ],
  },
  {
    name: "go on with a failed disk as the only member that is left",
    kinds: IN_DOUBT,
    file: MEMBERSHIP,
    find: 'if (view.lags && !isPrimary) return "Secondary";',
    replace: "",
    also: [
      LAGGING_DISK_STAYS_OFF,
      {
        file: "reconcilers/mirror-replica/doubt.ts",
        find: 'if (entry === undefined) return { kind: "none" };',
        replace:
          'if (entry === undefined || isAttached(view.observed.kernel) || !lags) return { kind: "none" };\n  if (lags) return { kind: "none" };',
      },
      { file: MEMBERSHIP, find: "  if (view.lags) return undefined;\n", replace: "" },
    ],
  },
  {
    name: "take the peer in before its disk is up to date",
    file: MEMBERSHIP,
    find: '  connected(observed) &&\n  observed.kernel?.connection?.replication === "Established" &&\n  observed.kernel.connection.peerDiskState === "UpToDate" &&\n',
    replace: "  connected(observed) &&\n",
  },
  {
    name: "keep a member whose disk failed",
    kinds: "disk fails unseen; fail disk; restart after a failed disk; fail over",
    file: MEMBERSHIP,
    find: "  if (view.lags)\n",
    replace: "  if (view.lags && me === peer)\n",
    also: [
      {
        file: MEMBERSHIP,
        find: "if (!isAttached(kernel) || kernel.device.diskState",
        replace: "if (me === peer || kernel.device.diskState",
      },
    ],
  },
  {
    name: "record nobody as primary while the peer writes",
    kinds: "peer restarts unseen; move primary; hang API; disk fails, then the link",
    file: DECISIONS,
    find: "({ ...rest, ...next })",
    replace: "({ ...rest, ...(next === undefined ? next : {}) })",
  },
  {
    name: "take the peer in by what was seen before another decision",
    kinds: "answers are late; cut replication; unreliable API; cut replication one way",
    file: DECISIONS,
    find: "if (status?.epoch !== epoch)",
    replace: "if (epoch < 0)",
  },
  {
    name: "look at the kernel before the record is read",
    file: "reconcilers/mirror-replica/reconcile.ts",
    find: "  const reading = await deps.arbiter.read(pair, context.signal);\n  const resource = resourceName(replica);\n  const seen = await observeReplica(resource, found.disk, deps.exec, context.signal);",
    replace:
      "  const resource = resourceName(replica);\n  const seen = await observeReplica(resource, found.disk, deps.exec, context.signal);\n  const reading = await deps.arbiter.read(pair, context.signal);",
  },
  {
    name: "connect one mirror while another pass takes it over",
    kinds: "one mirror is ordered; jump clock",
    file: "reconcilers/mirror-replica/reconcile.ts",
    find: "return memory.locks.holding(names, () =>",
    replace: "return memory.locks.holding([replica.metadata.name, ...names.slice(names.length)], () =>",
  },
  {
    name: "attach a disk that fell behind",
    ...LAGGING_DISK_STAYS_OFF,
  },
  {
    name: "be served by a peer that waits for being overwritten",
    kinds: "peer restarts unseen; fail disk; disk fails, then the link",
    file: MEMBERSHIP,
    find: "(connected(observed) && !waits)",
    replace: "(connected(observed) || waits)",
  },
  {
    name: "write past a member that waits for being overwritten",
    kinds: "peer restarts unseen; reboot; disk fails, then the link; hang API",
    file: MEMBERSHIP,
    find: "? SOURCE.has(connection.replication)",
    replace: "? false",
  },
  {
    name: "believe the only copy's failed disk although the peer was in step",
    file: "reconcilers/mirror-replica/lag.ts",
    find: " && observed.bitmapUUID !== undefined;",
    replace: ";",
  },
  {
    name: "decide with a failed disk for all mirrors at once",
    kinds: "disk fails, then the link; fail disk; cut replication; hang API",
    file: DECISIONS,
    find: "(old.primary === me && !behind.has(old.uid))",
    replace: "old.primary === me",
  },
  {
    name: "attach a disk under a frozen primary",
    kinds: "disk fails, then the link; fail over; API down; cut replication; fail disk",
    file: MEMBERSHIP,
    find: 'if (observed.kernel?.role !== "Primary" || connected(observed)) return true;',
    replace: "if (observed !== undefined) return true;",
    also: [FAILED_DISK_STAYS_OFF],
  },
  {
    name: "stay a member while being overwritten",
    kinds: "peer restarts unseen; cut replication; reboot",
    file: ANSWERS,
    find: "if (!entry.members.includes(hostName)) return PROCEED;",
    replace: "if (entry !== undefined) return PROCEED;",
  },
  {
    name: "resync a failed disk by DRBD's bitmap",
    file: "reconcilers/mirror-replica/renew.ts",
    find: "if (!givenUp && !diskFailed) return false;",
    replace: "if (!givenUp) return false;",
  },
  {
    name: "release a frozen device without a decision",
    kinds: "helpers die in a failover; kill helpers; fail over",
    file: "reconcilers/mirror-replica/frozen.ts",
    find: 'if (outcome.kind === "refused") return outcome;',
    replace: "",
    also: [
      {
        file: "reconcilers/mirror-replica/frozen.ts",
        find: "if (entry === undefined || !entry.members.includes(deps.hostName)) return",
        replace: "if (entry === undefined) return",
      },
    ],
  },
  {
    name: "release a frozen device while the peer may come back",
    kinds: "helpers die in a failover; kill helpers; cut replication one way",
    file: "reconcilers/mirror-replica/frozen.ts",
    find: 'if (kernel.connection !== undefined && kernel.connection.state !== "StandAlone")',
    replace: 'if (kernel.connection?.state === "never")',
  },
  {
    name: "meet the peer after a restart before it has answered",
    kinds: "peer restarts unseen; reboot; hang API; cut replication",
    ...RESTARTED_MEETS_NOBODY,
  },
  {
    name: "answer a restart although writes may wait here",
    kinds: "peer restarts unseen; reboot; hang API; cut replication",
    file: MEMBERSHIP,
    find: 'bothIn(view, entry) && kernel.role !== "Primary" && !connected(observed))',
    replace: "bothIn(view, entry))",
  },
  {
    name: "attach a disk that failed before it has begun anew",
    kinds: IN_DOUBT,
    ...FAILED_DISK_STAYS_OFF,
  },
  {
    name: "come up with a disk that may lack writes",
    kinds: IN_DOUBT,
    file: "executors/drbd/driver.ts",
    find: "...(attach ? [step(",
    replace: "...(name !== '' ? [step(",
  },
  {
    name: "make new metadata on a failed disk while it is in doubt whose copy counts",
    kinds: IN_DOUBT,
    file: "reconcilers/mirror-replica/renew.ts",
    find: "entry.members.includes(me) || entry.inDoubt === true) return false;",
    replace: "entry.members.includes(me)) return false;",
  },
  {
    name: "take a copy back in that an administrator gave up",
    kinds: IN_DOUBT,
    file: DECISIONS,
    find: "if (entry.discarded?.includes(peer) === true)",
    replace: "if (entry.discarded?.length === 0)",
  },
  {
    name: "take an administrator's word for another record than the one it was given for",
    kinds: IN_DOUBT,
    file: "reconcilers/mirror-replica/doubt.ts",
    find: "    trust.epoch === epoch &&\n",
    replace: "",
  },
];
