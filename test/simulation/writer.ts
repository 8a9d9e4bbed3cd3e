import type { ModelReplica } from "../../executors/model/replica.ts";
import type { DrbdModel } from "../../executors/model/drbd.ts";
import type { Clock } from "../../machinery/clock.ts";
import type { Random } from "../../machinery/random.ts";
import type { Checks } from "./checks.ts";

const LOOK_MS = 300;
const MOST_WAITING = 3;

/**
 * A guest that may run on either host: where the device is Primary it opens it and writes, without asking anybody. It
 * closes the device when it is told to go, once its writes were answered.
 */
export class Writer {
  readonly #name: string;
  readonly #host: string;
  readonly #model: () => DrbdModel;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #checks: Checks;
  readonly #mayRun: () => boolean;
  readonly #nextBlock: () => number;
  #open: ModelReplica | undefined;
  #waiting = 0;
  acknowledged = 0;

  constructor(parts: {
    readonly name: string;
    readonly host: string;
    readonly model: () => DrbdModel;
    readonly clock: Clock;
    readonly random: Random;
    readonly checks: Checks;
    readonly mayRun: () => boolean;
    /** Every write has a block of its own. */
    readonly nextBlock: () => number;
  }) {
    this.#name = parts.name;
    this.#host = parts.host;
    this.#model = parts.model;
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.#checks = parts.checks;
    this.#mayRun = parts.mayRun;
    this.#nextBlock = parts.nextBlock;
  }

  start(): void {
    this.#clock.schedule((0.5 + this.#random.next()) * LOOK_MS, () => {
      this.#look();
      this.start();
    });
  }

  #look(): void {
    const replica = this.#model().kernel(this.#host).get(this.#name);
    if (this.#open !== replica) {
      this.#open = undefined; // the machine was restarted: nothing of before is left
      this.#waiting = 0;
    }
    if (replica === undefined) return;
    if (this.#open === undefined) {
      if (replica.role !== "Primary" || !this.#mayRun()) return;
      this.#open = replica;
      replica.openers++;
    }
    if (!this.#mayRun()) {
      if (this.#waiting > 0) return;
      replica.openers--;
      this.#open = undefined;
      return;
    }
    this.#checks.readable(replica);
    if (this.#waiting < MOST_WAITING) this.#write(replica);
  }

  #write(replica: ModelReplica): void {
    const block = this.#nextBlock();
    this.#waiting++;
    this.#model().write(replica, block, (ok) => {
      if (this.#open !== replica) return;
      this.#waiting--;
      if (!ok) return;
      this.acknowledged++;
      this.#checks.acknowledged(replica, block);
    });
  }
}
