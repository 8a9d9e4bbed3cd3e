import { type Logger, pino } from "pino";

export type { Logger };

/**
 * The only place that calls `pino()`. Messages are constant, data goes into fields, an error is `err`.
 * Levels: error = a human should look, warn = will be tried again, info = the world changed, debug = the rest.
 */
export function createLogger(options: { readonly level?: string; readonly name?: string } = {}): Logger {
  return pino({
    level: options.level ?? "info",
    base: options.name === undefined ? {} : { name: options.name },
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: ["token", "*.token", "authorization", "*.authorization", "headers.authorization"], censor: "***" },
  });
}

export const silentLogger: Logger = pino({ level: "silent" });
