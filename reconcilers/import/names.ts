import type { Export } from "../../crds/generated/export.ts";
import type { Import } from "../../crds/generated/import.ts";
import { exportNameOf } from "../export/names.ts";

/** Name below /dev/gnbd. */
export const deviceNameOf = (imported: Import, exported: Export): string =>
  imported.spec.deviceName ?? exportNameOf(exported);

const backendPrefix = ({ metadata }: Import): string => `ferrite/${metadata.uid ?? ""}/`;

/**
 * What the kernel keeps as the identity of a device: this Import and that Export. An export that was made anew under the
 * same name holds other data: it never takes the place of the old one under a device that is in use.
 */
export const backendOf = (imported: Import, exported: Export): string =>
  `${backendPrefix(imported)}${exported.metadata.uid ?? ""}`;

export const isDeviceOf = (imported: Import, backend: string): boolean => backend.startsWith(backendPrefix(imported));
