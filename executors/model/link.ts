import type { Clock } from "../../machinery/clock.ts";
import type { Random } from "../../machinery/random.ts";

/** By the timeouts of the network options; as short as they may be. */
const DETECT_MS = { least: 300, spread: 3500 };
const RETRANSMIT_MS = 200;
const EVERYBODY = "*";

/**
 * The cable between two hosts. A message that is under way while it is cut arrives after it was mended, as with TCP,
 * provided that its receiver still believes in the connection.
 */
export class ModelLink {
  readonly #clock: Clock;
  readonly #random: Random;
  /** Hosts whose messages are lost. */
  readonly #cutFrom = new Set<string>();
  /** Grows with every cut: a timeout that was started for an earlier one is void. */
  #cuts = 0;
  readonly #onCut: ((cut: number) => void)[] = [];
  readonly #onMend: (() => void)[] = [];

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Both ways. */
  get up(): boolean {
    return this.#cutFrom.size === 0;
  }

  /** Whether the cut with this number still holds. */
  holds(cut: number): boolean {
    return !this.up && this.#cuts === cut;
  }

  onCut(listener: (cut: number) => void): void {
    this.#onCut.push(listener);
  }

  onMend(listener: () => void): void {
    this.#onMend.push(listener);
  }

  /** What `from` sends is lost, so that the link works one way only; left out: nothing comes through. */
  cut(from = EVERYBODY): void {
    const wasUp = this.up;
    this.#cutFrom.add(from);
    if (!wasUp) return;
    this.#cuts++;
    for (const listener of this.#onCut) listener(this.#cuts);
  }

  mend(): void {
    if (this.up) return;
    this.#cutFrom.clear();
    for (const listener of this.#onMend) listener();
  }

  /** When a lost peer is noticed. */
  detectionMs(): number {
    return DETECT_MS.least + this.#random.next() * DETECT_MS.spread;
  }

  latencyMs(): number {
    return 0.2 + this.#random.next() * 3;
  }

  /** One direction of one connection: in order, nothing lost while `isOpen`. */
  direction(from: string, isOpen: () => boolean): (deliver: () => void) => void {
    const queue: (() => void)[] = [];
    const drain = () => {
      if (!isOpen()) {
        queue.splice(0);
        return;
      }
      if (this.#cutFrom.has(from) || this.#cutFrom.has(EVERYBODY)) {
        this.#clock.schedule(RETRANSMIT_MS, drain);
        return;
      }
      queue.shift()?.();
      if (queue.length > 0) this.#clock.schedule(this.latencyMs(), drain);
    };
    return (deliver) => {
      queue.push(deliver);
      if (queue.length === 1) this.#clock.schedule(this.latencyMs(), drain);
    };
  }
}
