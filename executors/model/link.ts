import type { Clock } from "../../machinery/clock.ts";
import type { Random } from "../../machinery/random.ts";

const RETRANSMIT_MS = 200;

/**
 * The cable between two hosts. A message that is under way while it is cut arrives after it was mended, as with TCP,
 * provided that its receiver still believes in the connection.
 */
export class ModelLink {
  readonly #clock: Clock;
  readonly #random: Random;
  #up = true;
  /** Grows with every cut: a timeout that was started for an earlier one is void. */
  #cuts = 0;
  readonly #onCut: ((cut: number) => void)[] = [];
  readonly #onMend: (() => void)[] = [];

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  get up(): boolean {
    return this.#up;
  }

  /** Whether the cut with this number still holds. */
  holds(cut: number): boolean {
    return !this.#up && this.#cuts === cut;
  }

  onCut(listener: (cut: number) => void): void {
    this.#onCut.push(listener);
  }

  onMend(listener: () => void): void {
    this.#onMend.push(listener);
  }

  cut(): void {
    if (!this.#up) return;
    this.#up = false;
    this.#cuts++;
    for (const listener of this.#onCut) listener(this.#cuts);
  }

  mend(): void {
    if (this.#up) return;
    this.#up = true;
    for (const listener of this.#onMend) listener();
  }

  latencyMs(): number {
    return 0.2 + this.#random.next() * 3;
  }

  /** One direction of one connection: in order, nothing lost while `isOpen`. */
  direction(isOpen: () => boolean): (deliver: () => void) => void {
    const queue: (() => void)[] = [];
    const drain = () => {
      if (!isOpen()) {
        queue.splice(0);
        return;
      }
      if (!this.#up) {
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
