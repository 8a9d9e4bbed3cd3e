import { spawn } from "node:child_process";
import { join } from "node:path";
import { text } from "node:stream/consumers";

/** What image.sh built; read-only, shared by every lab of this user. */
export interface Image {
  readonly kernel: string;
  readonly initramfs: string;
  readonly root: string;
  /** An empty ext4; every machine keeps a copy as its system disk. */
  readonly system: string;
  /** The hypervisor that the machines start, with the kernel as its first domain; absent: the kernel alone. */
  readonly xen?: string;
}

/** Builds the image if there is none for today's recipe and package versions. Progress goes to stderr. */
export async function ensureImage(kind: "plain" | "xen" = "plain"): Promise<Image> {
  const argv = [join(import.meta.dirname, "image.sh"), ...(kind === "xen" ? ["xen"] : [])];
  const child = spawn("bash", argv, { stdio: ["ignore", "pipe", "inherit"] });
  const exit = new Promise<number | null>((resolve, reject) => {
    child.once("close", resolve).once("error", reject);
  });
  const [folder, code] = await Promise.all([text(child.stdout), exit]);
  if (code !== 0) throw new Error(`hack/lab/image.sh failed (exit ${code}); its messages stand above`);
  const image = imageIn(folder.trim());
  return kind === "xen" ? { ...image, xen: join(folder.trim(), "xen") } : image;
}

function imageIn(folder: string): Image {
  return {
    kernel: join(folder, "vmlinux"),
    initramfs: join(folder, "initramfs.cpio"),
    root: join(folder, "root.img"),
    system: join(folder, "system.img"),
  };
}
