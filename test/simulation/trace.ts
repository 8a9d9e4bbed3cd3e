import type { Logger } from "../../machinery/log.ts";

/** A logger whose lines go into the trace of a run; passes and progress are left out. */
export function traceLogger(write: (line: string) => void): Logger {
  const line = (fields: unknown, message?: string) => {
    const { err, step, reason, event, code } = (typeof fields === "object" && fields !== null ? fields : {}) as Record<
      string,
      unknown
    >;
    const facts = [step, reason, event, code, err instanceof Error ? err.message : undefined].filter(
      (fact) => fact !== undefined,
    );
    write(
      `${typeof fields === "string" ? fields : (message ?? "")}${facts.length > 0 ? `: ${facts.map(String).join(" ")}` : ""}`,
    );
  };
  const quiet = () => undefined;
  const logger = { child: () => logger, debug: quiet, trace: quiet, info: line, warn: line, error: line, fatal: line };
  return logger as unknown as Logger;
}
