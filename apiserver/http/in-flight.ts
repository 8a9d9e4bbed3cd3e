import { MASTERS_GROUP } from "../access/rbac/authorizer.ts";
import type { Attributes } from "../access/types.ts";
import { ApiError } from "../status.ts";

/** Requests that are answered at the same time; watches last and do not count. */
export interface InFlightLimits {
  readonly reading: number;
  readonly writing: number;
}

/** kube-apiserver's defaults. */
export const DEFAULT_LIMITS: InFlightLimits = { reading: 400, writing: 200 };

const READING = new Set(["get", "list", "head"]);
const RETRY_AFTER_SECONDS = 1;

/**
 * Refuses what would only wait behind too much else: 429 with Retry-After, which clients obey by themselves. A crowd must
 * not keep administrators out, nor Leases, by which hosts are taken for dead or alive.
 */
export class InFlight {
  readonly #limits: InFlightLimits;
  #reading = 0;
  #writing = 0;

  constructor(limits: InFlightLimits = DEFAULT_LIMITS) {
    this.#limits = limits;
  }

  /** Runs `work` if there is room. Throws ApiError TooManyRequests. */
  async run<T>(attributes: Attributes, work: () => Promise<T>): Promise<T> {
    if (isExempt(attributes)) return work();
    const reads = READING.has(attributes.verb);
    if (reads ? this.#reading >= this.#limits.reading : this.#writing >= this.#limits.writing) throw tooMany();
    if (reads) this.#reading += 1;
    else this.#writing += 1;
    try {
      return await work();
    } finally {
      if (reads) this.#reading -= 1;
      else this.#writing -= 1;
    }
  }
}

function isExempt({ verb, resourceRequest, apiGroup, user }: Attributes): boolean {
  // What is no resource is health, metrics and discovery: small, and asked for most when all is not well.
  if (verb === "watch" || !resourceRequest) return true;
  return apiGroup === "coordination.k8s.io" || user.groups.includes(MASTERS_GROUP);
}

const tooMany = (): ApiError =>
  new ApiError("TooManyRequests", "Too many requests, please try again later.", {
    details: { retryAfterSeconds: RETRY_AFTER_SECONDS },
  });
