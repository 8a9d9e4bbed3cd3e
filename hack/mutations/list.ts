/** One line of the protocol, broken on purpose. */
export interface Mutation {
  readonly name: string;
  readonly file: string;
  /** Text that stands there exactly once. */
  readonly find: string;
  readonly replace: string;
  /** Misfortunes in which the rule counts (`hack/simulate --kinds`); left out: any. */
  readonly kinds?: string;
}

const DECISIONS = "reconcilers/host-pair/decisions.ts";
const MEMBERSHIP = "reconcilers/mirror-replica/membership.ts";
const TAKEOVER = "reconcilers/mirror-replica/takeover.ts";
const ANSWERS = "agent/drbd-answers.ts";

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
    kinds: "order while it works; hang API; cut replication",
    file: TAKEOVER,
    find: 'if (state.connection?.state === "Connected")',
    replace: 'if (state.connection?.state === "never")',
  },
  {
    name: "take over with a disk that failed",
    kinds: "disk fails unseen; fail over; restart after a failed disk",
    file: TAKEOVER,
    find: "if (await deps.lag.lags(uid, replica.spec.minor))",
    replace: "if (uid === replica.spec.mirrorRef.name)",
  },
  {
    name: "take over without looking at the disk",
    kinds: "fail over; reboot; restart after a failed disk; peer restarts unseen",
    file: TAKEOVER,
    find: 'if (!isAttached(state) || (disk !== "UpToDate" && disk !== "Consistent"))',
    replace: "if (!isAttached(state))",
  },
  {
    name: "meet the former primary before being promoted",
    kinds: "fail over; kill agent; lose host",
    file: MEMBERSHIP,
    find: "return !tookOver || observed.kernel?.role",
    replace: "return !tookOver || observed !== undefined || observed.kernel?.role",
  },
  {
    name: "take over by an old order",
    kinds: "order is late; order while it works; fail over; lose host",
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
    kinds: "peer restarts unseen; reboot",
    file: MEMBERSHIP,
    find: "!entry.members.includes(peer) && !decisions.isRestarted(entry, peer);",
    replace: "!entry.members.includes(peer);",
  },
  {
    name: "go on with a failed disk as the only member that is left",
    kinds: "disk fails unseen; peer restarts unseen; reboot",
    file: MEMBERSHIP,
    find: 'if (view.lags && !isPrimary) return "Secondary";',
    replace: "",
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
    kinds: "fail over; order is late; lose host",
    file: "reconcilers/mirror-replica/reconcile.ts",
    find: "return memory.locks.holding(names, () =>",
    replace: "return memory.locks.holding([replica.metadata.name, ...names.slice(names.length)], () =>",
  },
  {
    name: "attach a disk that fell behind",
    file: MEMBERSHIP,
    find: "  if (lags) return false;\n",
    replace: "",
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
  },
  {
    name: "let a resync overwrite a member from outside",
    kinds: "fail over; order is late; reboot; peer restarts unseen; kill agent",
    file: ANSWERS,
    find: "if (!entry.members.includes(peerHostName)) {",
    replace: "if (entry.members.length === 0) {",
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
    file: MEMBERSHIP,
    find: "if (asked && bothIn(view, entry) && !connected(observed)) return false;",
    replace: "",
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
    kinds: "disk fails, then the link; restart after a failed disk; fail disk; hang API",
    file: MEMBERSHIP,
    find: "  if (diskFailed && entry !== undefined && !entry.members.includes(me)) return false;\n",
    replace: "",
  },
  {
    name: "come up with a disk that may lack writes",
    kinds: "disk fails, then the link; restart after a failed disk; disk fails unseen; hang API",
    file: "executors/drbd/driver.ts",
    find: "...(attach ? [step(",
    replace: "...(name !== '' ? [step(",
  },
  {
    name: "make new metadata on a failed disk while it is in doubt whose copy counts",
    kinds: "disk fails, then the link; restart after a failed disk; disk fails unseen; hang API",
    file: "reconcilers/mirror-replica/renew.ts",
    find: "entry.members.includes(me) || entry.inDoubt === true) return false;",
    replace: "entry.members.includes(me)) return false;",
  },
  {
    name: "take a copy back in that an administrator gave up",
    kinds: "disk fails, then the link; restart after a failed disk; disk fails unseen; hang API",
    file: DECISIONS,
    find: "if (entry.discarded?.includes(peer) === true)",
    replace: "if (entry.discarded?.length === 0)",
  },
  {
    name: "take an administrator's word for another record than the one it was given for",
    kinds: "disk fails, then the link; restart after a failed disk; disk fails unseen; hang API",
    file: "reconcilers/mirror-replica/doubt.ts",
    find: "    trust.epoch === epoch &&\n",
    replace: "",
  },
];
