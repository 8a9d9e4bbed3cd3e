import { formatTime } from "../../machinery/clock.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { CLIENT_SIGNER, decideHostApproval, HOST_SIGNER, whyUnsignable } from "../access/csr-policy.ts";
import { type CertificateAuthority, type ReadRequest, readSigningRequest } from "../access/pki/certificates.ts";
import {
  BOOTSTRAP_NAMESPACE,
  type BootstrapToken,
  bootstrapSecretName,
  readBootstrapSecret,
  USED_BY,
} from "../access/tokens/bootstrap-tokens.ts";
import { type CsrCondition, type CsrObject, hasCondition } from "../builtin/kinds/certificate-signing-request.ts";
import type { Resource } from "../registry/types.ts";
import { builtin, type Cluster, type Place } from "./cluster.ts";
import { Loop, type LoopDeps } from "./loop.ts";
import type { FeedSubscriber } from "./object-feed.ts";

const DAY_MS = 24 * 3600 * 1000;
const LIFETIME_MS = 365 * DAY_MS;
/** How long a request is kept: undecided, and after all is said. */
const PENDING_MS = DAY_MS;
const DONE_MS = 3600 * 1000;
/** A token that has been used lets its host fetch the certificate for this long. */
const USED_TOKEN_MS = 15 * 60 * 1000;

/**
 * Approves hosts that join or renew, signs what is approved, and clears old requests away. A one-use token is marked with
 * the request's uid before that is approved: of two requests with the same token one is let in, over crashes too.
 */
export class CertificateSigning implements FeedSubscriber {
  readonly #cluster: Cluster;
  readonly #deps: LoopDeps;
  readonly #authority: CertificateAuthority;
  readonly #loop: Loop;

  constructor(cluster: Cluster, deps: LoopDeps, authority: CertificateAuthority) {
    this.#cluster = cluster;
    this.#deps = deps;
    this.#authority = authority;
    this.#loop = new Loop("certificate-signing", deps, (name) => this.#pass(name));
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  put(resource: Resource, object: KubeObject): void {
    if (resource.plural === "certificatesigningrequests") this.#loop.add(object.metadata.name ?? "");
  }

  remove(): void {}

  async #pass(name: string): Promise<number | void> {
    const place: Place = {
      resource: builtin(this.#cluster, "certificates.k8s.io", "CertificateSigningRequest"),
      namespace: "",
      name,
    };
    const csr = (await this.#cluster.get(place)) as CsrObject | undefined;
    if (csr === undefined) return;
    const done = Boolean(csr.status?.certificate) || hasCondition(csr, "Denied") || hasCondition(csr, "Failed");
    const leftMs = this.#leftMs(csr, done);
    if (leftMs <= 0) {
      await this.#cluster.delete(place, { uid: csr.metadata.uid ?? "", resourceVersion: csr.metadata.resourceVersion });
      return;
    }
    if (!done && [HOST_SIGNER, CLIENT_SIGNER].includes(csr.spec.signerName)) await this.#work(place, csr);
    return leftMs;
  }

  /** Until the request is cleared away. */
  #leftMs(csr: CsrObject, done: boolean): number {
    const created = Date.parse(csr.metadata.creationTimestamp ?? "");
    const keptMs = done ? DONE_MS : PENDING_MS;
    return Number.isNaN(created) ? keptMs : created + keptMs - this.#deps.clock.now().getTime();
  }

  async #work(place: Place, csr: CsrObject): Promise<void> {
    const request = await readOrWhy(csr);
    const why = typeof request === "string" ? request : whyUnsignable(csr, request);
    if (hasCondition(csr, "Approved")) {
      if (why !== undefined || typeof request === "string") return this.#fail(place, csr, why ?? "");
      return this.#sign(place, csr, request);
    }
    if (why !== undefined || typeof request === "string" || csr.spec.signerName !== HOST_SIGNER) return;
    const decision = decideHostApproval(csr, request, await this.#token(csr));
    if (!decision.approve) {
      this.#deps.log.info({ csr: place.name, why: decision.why }, "certificate request is left to a person");
      return;
    }
    if (await this.#claimToken(csr, request)) await this.#approve(place, csr, decision.reason);
  }

  #tokenPlace({ spec }: CsrObject): Place | undefined {
    const id = /^system:bootstrap:([a-z0-9]{6})$/.exec(spec.username ?? "")?.[1];
    if (id === undefined) return undefined;
    return {
      resource: builtin(this.#cluster, "", "Secret"),
      namespace: BOOTSTRAP_NAMESPACE,
      name: bootstrapSecretName(id),
    };
  }

  async #token(csr: CsrObject): Promise<BootstrapToken | undefined> {
    const place = this.#tokenPlace(csr);
    const secret = place === undefined ? undefined : await this.#cluster.get(place);
    return secret === undefined ? undefined : readBootstrapSecret(secret);
  }

  /** True when the request may be approved: it needs no token, or the token is now its own. */
  async #claimToken(csr: CsrObject, request: ReadRequest): Promise<boolean> {
    const place = this.#tokenPlace(csr);
    const { uid = "" } = csr.metadata;
    if (place === undefined) return true;
    await this.#cluster.update(place, {
      change: (live) => (readBootstrapSecret(live)?.usedBy === undefined ? this.#marked(live, uid) : undefined),
    });
    return decideHostApproval(csr, request, await this.#token(csr)).approve;
  }

  #marked(secret: KubeObject, uid: string): KubeObject {
    const soon = new Date(this.#deps.clock.now().getTime() + USED_TOKEN_MS);
    const expires = readBootstrapSecret(secret)?.expires;
    const earliest = expires === undefined || expires > soon ? soon : expires;
    const expiration = Buffer.from(earliest.toISOString()).toString("base64");
    secret.metadata.annotations = { ...secret.metadata.annotations, [USED_BY]: uid };
    return { ...secret, data: { ...(secret["data"] as object), expiration } };
  }

  async #approve(place: Place, csr: CsrObject, reason: string): Promise<void> {
    await this.#setCondition(place, csr, "approval", {
      type: "Approved",
      status: "True",
      reason,
      message: "approved by the server",
    });
    this.#deps.log.info({ csr: place.name, user: csr.spec.username, reason }, "certificate request approved");
  }

  async #fail(place: Place, csr: CsrObject, message: string): Promise<void> {
    await this.#setCondition(place, csr, "status", {
      type: "Failed",
      status: "True",
      reason: "SignerValidationFailure",
      message,
    });
  }

  async #setCondition(place: Place, csr: CsrObject, subresource: string, condition: CsrCondition): Promise<void> {
    const now = formatTime(this.#deps.clock.now());
    const stamped = { ...condition, lastUpdateTime: now, lastTransitionTime: now };
    await this.#cluster.update(place, {
      uid: csr.metadata.uid,
      subresource,
      change(object) {
        const live = object as CsrObject;
        if (hasCondition(live, condition.type) || hasCondition(live, "Denied")) return undefined;
        return { ...live, status: { ...live.status, conditions: [...(live.status?.conditions ?? []), stamped] } };
      },
    });
  }

  async #sign(place: Place, csr: CsrObject, request: ReadRequest): Promise<void> {
    const wantedMs = (csr.spec.expirationSeconds ?? Number.POSITIVE_INFINITY) * 1000;
    const pem = await this.#authority.issue({
      subject: request.subject,
      publicKey: request.publicKey,
      use: "client",
      names: [],
      now: this.#deps.clock.now(),
      lifetimeMs: Math.min(wantedMs, LIFETIME_MS),
    });
    const certificate = Buffer.from(pem).toString("base64");
    await this.#cluster.update(place, {
      uid: csr.metadata.uid,
      subresource: "status",
      // Another server may have signed meanwhile: the first certificate stays.
      change: (live) =>
        (live as CsrObject).status?.certificate
          ? undefined
          : { ...live, status: { ...(live["status"] as object), certificate } },
    });
    this.#deps.log.info({ csr: place.name, subject: request.subject.commonName }, "certificate signed");
  }
}

async function readOrWhy(csr: CsrObject): Promise<ReadRequest | string> {
  try {
    return await readSigningRequest(Buffer.from(csr.spec.request, "base64").toString("latin1"));
  } catch (error) {
    return `spec.request cannot be used: ${error instanceof Error ? error.message : String(error)}`;
  }
}
