/** Where the agent and QEMU keep what belongs to running guests; it dies with the machine, as they do. */
export const RUN = "/run/ferrite/vm";
/** Consoles' logs outlive the machine. */
const LOGS = "/var/log/ferrite/guests";

/** Paths of one guest; the directory's name is its UID. */
export interface GuestFiles {
  readonly directory: string;
  readonly pid: string;
  /** Monitor for commands; one client at a time. */
  readonly monitor: string;
  /** A second monitor, on which only events are heard. */
  readonly events: string;
  readonly console: string;
  readonly consoleLog: string;
}

export function guestFiles(uid: string, name: string): GuestFiles {
  const directory = `${RUN}/${uid}`;
  return {
    directory,
    pid: `${directory}/pid`,
    monitor: `${directory}/monitor.sock`,
    events: `${directory}/events.sock`,
    console: `${directory}/console.sock`,
    consoleLog: `${LOGS}/${name}.log`,
  };
}
