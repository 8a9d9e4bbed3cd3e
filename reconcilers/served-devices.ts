/**
 * Devices that this host's exports have open, as far as this process knows: of one that was served before a restart it knows
 * again once its pass has run. Who wants such a device waits until it is let go, instead of trying and failing.
 */
export class ServedDevices {
  /** Device by the export's name. */
  readonly #devices = new Map<string, string>();

  serve(exported: string, device: string): void {
    this.#devices.set(exported, device);
  }

  release(exported: string): void {
    this.#devices.delete(exported);
  }

  /** The export that has the device open; `undefined`: none that is known. */
  by(device: string): string | undefined {
    return [...this.#devices].find(([, served]) => served === device)?.[0];
  }
}
