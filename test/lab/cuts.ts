import { setTimeout as sleep } from "node:timers/promises";
import { BEFORE_AGENT } from "../../hack/lab/agent.ts";
import type { Guest } from "../../hack/lab/guest.ts";

const FOLDER = "/persist/cuts";
/** What the agent changes a machine with. */
const TOOLS = "lvm drbdadm drbdsetup mkfs.ext4 wipefs dd resize2fs e2fsck rm";

/**
 * Stands before each tool in the PATH, and comes in when the agent calls it. When a command that changes something has succeeded for the first time,
 * the agent is killed before it can hear of it, or the machine loses its power. Which commands that happened to is kept.
 */
const WRAPPER = `#!/bin/sh
PATH=/usr/sbin:/usr/bin
tool=\${0##*/}
real=$(command -v "$tool")
[ -s ${FOLDER}/how ] || exec "$real" "$@"
grep -q ferrite-agent /proc/$PPID/cmdline || exec "$real" "$@"
case "$tool $*" in
"lvm fullreport"* | "lvm version"* | "wipefs --no-act"* | "drbdadm dump-md"*) exec "$real" "$@" ;;
"drbdsetup down"* | "drbdsetup resume-io"*) ;;
"drbdsetup "*) exec "$real" "$@" ;;
"rm -f /etc/drbd.d/"*) ;;
"rm "*) exec "$real" "$@" ;;
esac
key=$tool
skip=
for arg; do
  if [ -n "$skip" ]; then skip=; elif [ "$arg" = --config ]; then skip=1; else key="$key $arg"; fi
done
! grep -qxF -e "$key" ${FOLDER}/done || exec "$real" "$@"
"$real" "$@" || exit
echo "$key" >>${FOLDER}/done
sync ${FOLDER}/done
case $(cat ${FOLDER}/how) in
agent) pkill -9 -f '^node .*ferrite-agent.mjs agent ' ;;
power)
  echo b >/proc/sysrq-trigger
  sleep 60
  ;;
esac
exit 0
`;

const INSTALL = `#!/bin/sh
for tool in ${TOOLS}; do ln -sf ${FOLDER}/wrapper /usr/local/sbin/$tool; done
`;

/** Interrupts a machine's agent after every step that it takes, once after each. */
export class Cuts {
  readonly #guest: Guest;
  #watching = false;
  #watcher: Promise<void> = Promise.resolve();

  private constructor(guest: Guest) {
    this.#guest = guest;
  }

  static async on(guest: Guest): Promise<Cuts> {
    await guest.sh(`mkdir -p ${FOLDER}`);
    await guest.putFile(`${FOLDER}/wrapper`, WRAPPER, 0o755);
    await guest.putFile(BEFORE_AGENT, INSTALL, 0o755);
    await guest.sh(`: >${FOLDER}/done; sync; ${BEFORE_AGENT}`);
    return new Cuts(guest);
  }

  /** `agent`: kill -9, and it is started again; `power`: the plug is pulled, and put in again. */
  async begin(how: "agent" | "power"): Promise<void> {
    await this.#guest.sh(`: >${FOLDER}/done; echo ${how} >${FOLDER}/how; sync`);
    if (how !== "power") return;
    this.#watching = true;
    this.#watcher = this.#keepPowered();
  }

  /** Stops it, and tells after which commands it happened, in order. */
  async end(): Promise<string[]> {
    this.#watching = false;
    await this.#watcher;
    if (!this.#guest.isOn()) await this.#powerOn();
    const done = await this.#guest.sh(`: >${FOLDER}/how; sync; cat ${FOLDER}/done`);
    return done.split("\n").filter((line) => line !== "");
  }

  async #keepPowered(): Promise<void> {
    while (this.#watching) {
      if (!this.#guest.isOn()) await this.#powerOn();
      await sleep(200);
    }
  }

  async #powerOn(): Promise<void> {
    await this.#guest.powerOff();
    await this.#guest.powerOn();
  }
}
