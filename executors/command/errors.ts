import { OperatorError } from "../../machinery/errors.ts";
import type { Command, CommandOutput } from "./types.ts";

/** How much of a program's error text goes into messages and conditions. */
const SHOWN_CHARACTERS = 1000;

/** A program that did not end with exit code 0. `output` holds what it printed until then. */
export class CommandError extends OperatorError {
  readonly reason = "CommandFailed";
  readonly command: Command;
  readonly output: CommandOutput;
  /** The program was ended from outside (time-out, shutdown): what it did is unknown. */
  readonly outcomeUnknown: boolean;

  constructor(
    command: Command,
    output: CommandOutput,
    options: ErrorOptions & { readonly outcomeUnknown?: string } = {},
  ) {
    const why = options.outcomeUnknown ?? `exit code ${output.exitCode}`;
    const said = (output.stderr.trim() || output.stdout.trim()).slice(-SHOWN_CHARACTERS);
    super(`${command.argv.join(" ")}: ${why}${said === "" ? "" : `: ${said}`}`, options);
    this.command = command;
    this.output = output;
    this.outcomeUnknown = options.outcomeUnknown !== undefined;
  }
}
