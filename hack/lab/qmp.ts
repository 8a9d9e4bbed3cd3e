import { setTimeout as sleep } from "node:timers/promises";
import { JsonSocket } from "./json-socket.ts";
import { blockNode, type Disk, diskDevice } from "./qemu.ts";

const ANSWER_MS = 30_000;

/** One conversation with a QEMU process. */
export class Qmp {
  readonly #socket: JsonSocket;

  private constructor(socket: JsonSocket) {
    this.#socket = socket;
  }

  static async connect(path: string, alive: () => boolean): Promise<Qmp> {
    const socket = await JsonSocket.connect(path, ANSWER_MS, alive);
    await socket.call("qmp_capabilities", {}, ANSWER_MS);
    return new Qmp(socket);
  }

  close(): void {
    this.#socket.close();
  }

  call(execute: string, args: object = {}): Promise<unknown> {
    return this.#socket.call(execute, args, ANSWER_MS);
  }

  /** Writes the state of the devices to `path`; the memory stays in its shared file. */
  async saveState(path: string): Promise<void> {
    await this.call("stop");
    await this.#ignoreSharedMemory();
    await this.call("migrate", { uri: `exec:cat > ${path}` });
    await this.#migrated();
  }

  /** For a QEMU started with `-incoming defer`; leaves the machine paused. */
  async loadState(path: string): Promise<void> {
    await this.#ignoreSharedMemory();
    await this.call("migrate-incoming", { uri: `exec:cat ${path}` });
    await this.#migrated();
  }

  /** Every read, write, flush and discard of that disk ends in EIO from now on. */
  async failDisk(id: string): Promise<void> {
    const failing = ["read", "write", "flush", "discard", "write-zeroes"];
    await this.call("blockdev-add", {
      driver: "blkdebug",
      "node-name": `${id}-failing`,
      image: id,
      "inject-error": failing.map((iotype) => ({ event: "none", iotype, errno: 5 })),
    });
    await this.#setBackend(id, `${id}-failing`);
  }

  async healDisk(id: string): Promise<void> {
    await this.#setBackend(id, id);
    await this.call("blockdev-del", { "node-name": `${id}-failing` });
  }

  /** Pulls the disk out of the running machine, whether it is in use or not, and puts another one into its slot. */
  async swapDisk(disk: Disk, index: number, wasFailed: boolean, timeoutMs: number): Promise<void> {
    const gone = this.#deviceDeleted(disk.id, timeoutMs);
    await this.call("device_del", { id: disk.id });
    await gone;
    if (wasFailed) await this.call("blockdev-del", { "node-name": `${disk.id}-failing` });
    await this.call("blockdev-del", { "node-name": disk.id });
    await this.call("blockdev-add", blockNode(disk.id, disk.path));
    await this.call("device_add", diskDevice(disk, index));
  }

  #setBackend(id: string, nodeName: string): Promise<unknown> {
    const path = `/machine/peripheral/${id}/virtio-backend`;
    return this.call("qom-set", { path, property: "drive", value: nodeName });
  }

  /** The guest lets go of a device in its own time. */
  #deviceDeleted(id: string, timeoutMs: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(
      () => reject(new Error(`the guest did not let go of ${id} in ${timeoutMs} ms`)),
      timeoutMs,
    );
    const forget = this.#socket.onEvent((event, data) => {
      if (event === "DEVICE_DELETED" && (data as { device?: string }).device === id) resolve();
    });
    return promise.finally(() => {
      clearTimeout(timer);
      forget();
    });
  }

  #ignoreSharedMemory(): Promise<unknown> {
    const capabilities = [{ capability: "x-ignore-shared", state: true }];
    return this.call("migrate-set-capabilities", { capabilities });
  }

  async #migrated(): Promise<void> {
    const deadline = performance.now() + ANSWER_MS;
    for (;;) {
      const { status } = (await this.call("query-migrate")) as { status?: string };
      if (status === "completed") return;
      if (status === "failed" || performance.now() > deadline) throw new Error(`QEMU's migration: ${status}`);
      await sleep(20);
    }
  }
}
