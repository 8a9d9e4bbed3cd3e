import { CommandError } from "../../command/errors.ts";
import type { Command, Executor } from "../../command/types.ts";

export type Accelerator = "kvm" | "tcg";

const FIRMWARE_BYTES = 2 ** 16;
/** Where a processor begins: 16 bytes below the end. */
const RESET_VECTOR = FIRMWARE_BYTES - 16;
/**
 * push 0x0501, pop dx; push 0x2a2a, push sp, pop si; outsb: writes 0x2a to the port of QEMU's isa-debug-exit, which ends
 * with 2 * 0x2a + 1. Instructions that are plain text, so that the file is one too.
 */
const PROGRAM = "\x68\x01\x05\x5a\x68\x2a\x2a\x54\x5e\x6e";
const PROOF_EXIT_CODE = 85;
const PROBE_TIMEOUT_MS = 20_000;
const PATH = "/run/ferrite/kvm-probe.bin";

const firmware = (): string => `${"\0".repeat(RESET_VECTOR)}${PROGRAM}`.padEnd(FIRMWARE_BYTES, "\0");

/** A machine of ten instructions. */
export function probeCommand(accelerator: Accelerator): Command {
  const machine = ["-nodefaults", "-no-user-config", "-display", "none", "-m", "16", "-machine", "q35", "-no-reboot"];
  const program = ["-accel", accelerator, "-cpu", "max", "-bios", PATH, "-device", "isa-debug-exit"];
  return {
    kind: "run",
    argv: ["qemu-system-x86_64", ...machine, ...program],
    mutates: false,
    timeoutMs: PROBE_TIMEOUT_MS,
  };
}

/**
 * KVM where it runs instructions, else emulation. /dev/kvm alone says little: in virtual machines it may be there and
 * refuse the first processor, or never come back from it.
 */
export async function chooseAccelerator(exec: Executor, signal: AbortSignal): Promise<Accelerator> {
  await exec.write({ kind: "write", path: PATH, content: firmware() }, signal);
  try {
    await exec.run(probeCommand("kvm"), signal);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return error.output.exitCode === PROOF_EXIT_CODE && !error.outcomeUnknown ? "kvm" : "tcg";
  }
  return "tcg"; // a machine that just ends has proved nothing
}
