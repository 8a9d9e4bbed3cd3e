import { type Clock, systemClock } from "../machinery/clock.ts";
import { type Logger, silentLogger } from "../machinery/log.ts";
import type { KubeObject } from "../machinery/object.ts";
import { type Random, systemRandom } from "../machinery/random.ts";
import type { AuditLog } from "./access/audit.ts";
import { EscalationCheck } from "./access/escalation.ts";
import { hostAuthorizer } from "./access/host-authorizer.ts";
import { firstToAllow, rbacAuthorizer } from "./access/rbac/authorizer.ts";
import type { CertificateAuthority } from "./access/pki/certificates.ts";
import type { Authorizer } from "./access/types.ts";
import { kindReader, makeAdmission } from "./admission.ts";
import { bootstrap } from "./bootstrap.ts";
import { builtinResources } from "./builtin/builtin-resources.ts";
import { Caches } from "./caches.ts";
import type { HttpRequest, HttpResponse } from "./http/exchange.ts";
import { handle, type HandlerOptions } from "./http/handler.ts";
import { InFlight, type InFlightLimits } from "./http/in-flight.ts";
import { type Listener, type ListenerOptions, listen } from "./http/node-listener.ts";
import { type Identity, type IdentityOptions, makeIdentity } from "./identity.ts";
import { Metrics } from "./metrics.ts";
import type { Presented } from "./objects/present.ts";
import { ServerAddress } from "./lifecycle/server-address.ts";
import { startLifecycle } from "./lifecycle/start.ts";
import { VerbsCluster } from "./lifecycle/verbs-cluster.ts";
import { OpenApi } from "./openapi/openapi.ts";
import { installDefinitions } from "./own-definitions.ts";
import { followPolicy } from "./policy.ts";
import { CrdCleanup } from "./registry/crd-cleanup.ts";
import { CrdFollower } from "./registry/crd-follower.ts";
import { crdKind, isCrdKind } from "./registry/crd-kind.ts";
import type { CustomResourceDefinition } from "./registry/custom-resources.ts";
import { Registry } from "./registry/registry.ts";
import type { Resource } from "./registry/types.ts";
import { compileSchema } from "./schema/compile.ts";
import { checkSharedKeys, type SharedKeys } from "./shared-keys.ts";
import { qualifiedResource } from "./status.ts";
import type { Storage } from "./storage/types.ts";
import type { VerbContext, WriteHooks } from "./verbs/call.ts";
import { VERSION } from "./version.ts";

export interface ServerOptions {
  readonly storage: Storage;
  readonly identity?: IdentityOptions;
  /** Absent: other servers on the store may have other keys. */
  readonly sharedKeys?: SharedKeys;
  /** Signs certificate requests, and stands in every namespace; absent: neither. */
  readonly authority?: CertificateAuthority;
  /** In place of RBAC. */
  readonly authorizer?: Authorizer;
  /** Absent: no socket; requests come by `handle` only. */
  readonly listen?: {
    readonly host: string;
    /** 0: a free one. */
    readonly port: number;
    /** IP address that others reach this server by; absent: it is not published as `default/kubernetes`. */
    readonly advertise?: string;
    /** PEM. */
    readonly tls: { readonly key: string; readonly certificate: string; readonly clientCa: string };
  };
  /** CustomResourceDefinitions that are there, as they stand here, before the first request is answered. */
  readonly definitions?: readonly KubeObject[];
  readonly audit?: Pick<AuditLog, "record">;
  /** Default: kube-apiserver's. */
  readonly inFlight?: InFlightLimits;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly log?: Logger;
}

export interface ApiServer {
  /** `https://host:port`; empty without `listen`. */
  readonly url: string;
  handle(request: HttpRequest): Promise<HttpResponse>;
  /** Serves new connections with another certificate. */
  renewTls(tls: ListenerOptions["tls"]): void;
  /** Ends watches, lets requests under way finish, at most 3 s; the storage stays open. */
  stop(): Promise<void>;
}

const STOP_GRACE_MS = 3000;

interface Basics {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** Starts the Kubernetes API on a store. Resolves when all that is in the store is served. */
export async function startServer(options: ServerOptions): Promise<ApiServer> {
  const { clock = systemClock, random = systemRandom, log = silentLogger } = options;
  const metrics = new Metrics(clock);
  const basics: Basics = { storage: metrics.measure(options.storage), clock, random, log };
  const core = await startCore(options, basics);
  const { context, caches, registry } = core;
  const cluster = new VerbsCluster(context);
  if (options.sharedKeys !== undefined) await checkSharedKeys(cluster, options.sharedKeys);
  metrics.countObjects(() => storedObjects(cluster, caches));
  const lifecycle = await startLifecycle({ ...basics, caches, cluster, registry, authority: options.authority });
  let listener: Listener | undefined;
  const handler: HandlerOptions = {
    context,
    documents: {
      registry,
      openApi: new OpenApi(registry, VERSION.gitVersion),
      tokens: core.identity.tokens,
      serverAddress: () => (listener === undefined ? "" : `${listener.host}:${listener.port}`),
    },
    checks: [
      { name: "ping", liveness: true, check: async () => {} },
      { name: "etcd", liveness: false, check: async () => void (await caches.currentRevision()) },
    ],
    authenticator: core.identity.authenticator,
    authorizer: core.authorizer,
    inFlight: new InFlight(options.inFlight),
    metrics,
    audit: options.audit,
    clock,
    random,
    log,
  };
  const respond = (request: HttpRequest): Promise<HttpResponse> => handle(handler, request);
  if (options.listen !== undefined) {
    const onError = (error: unknown): void => log.error({ err: error }, "connection failed");
    listener = await listen({ ...options.listen, handle: respond, clock, onError });
  }
  const address = startAddress(options, basics, cluster, listener);
  return {
    url: listener === undefined ? "" : `https://${listener.host}:${listener.port}`,
    handle: respond,
    renewTls: (tls) => listener?.renew(tls),
    async stop() {
      await address?.stop();
      await listener?.close(STOP_GRACE_MS);
      await lifecycle.stop();
      await core.stop();
    },
  };
}

function* storedObjects(cluster: VerbsCluster, caches: Caches): Iterable<readonly [string, number]> {
  for (const resource of cluster.resources()) {
    const count = caches.count(resource);
    if (count !== undefined) yield [qualifiedResource(resource), count];
  }
}

/** Tells where this server is found, when it is to be found by others. */
function startAddress(
  { listen: wanted }: ServerOptions,
  basics: Basics,
  cluster: VerbsCluster,
  listener: Listener | undefined,
): ServerAddress | undefined {
  if (wanted?.advertise === undefined || listener === undefined) return undefined;
  const address = new ServerAddress(cluster, basics, { ip: wanted.advertise, port: listener.port });
  address.start();
  return address;
}

interface Core {
  readonly context: VerbContext;
  readonly caches: Caches;
  readonly registry: Registry;
  readonly identity: Identity;
  readonly authorizer: Authorizer;
  readonly stop: () => Promise<void>;
}

/** Everything that a verb needs, with what every cluster has in the store: who may what, and which kinds there are. */
async function startCore(options: ServerOptions, basics: Basics): Promise<Core> {
  const { clock, log } = basics;
  const stopping = new AbortController();
  const builtins: readonly Resource[] = builtinResources(compileSchema).map((resource) =>
    isCrdKind(resource) ? crdKind(resource, () => registry, clock) : resource,
  );
  const caches = new Caches(basics);
  const policy = await followPolicy({ ...basics, caches, resources: builtins }, stopping.signal);
  const read = kindReader(() => registry, caches);
  const authorizer = options.authorizer ?? firstToAllow([rbacAuthorizer(policy.index), hostAuthorizer(read)]);
  const identity = makeIdentity(options.identity ?? {}, { ...basics, policy: policy.index, authorizer });
  const registry = new Registry(builtins, identity.virtual);
  const follower = new CrdFollower({ ...basics, caches, registry });
  const escalation = new EscalationCheck(policy.index, authorizer);
  const hooks: WriteHooks = {
    ...makeAdmission({ escalation, authorizer, read }),
    written: (resource, result) => serveDefinition(follower, resource, result, log),
  };
  const context: VerbContext = { ...basics, caches, registry, hooks };
  const cleanup = new CrdCleanup(context, log, stopping.signal);
  follower.onChange = (crd) => cleanup.consider(crd);
  follower.onGone = (prefix) => void caches.drop(prefix);
  const following = await follower.start(stopping.signal);
  await Promise.all([bootstrap(context), installDefinitions(context, options.definitions ?? [])]);
  return {
    context,
    caches,
    registry,
    identity,
    authorizer,
    async stop() {
      stopping.abort();
      await Promise.all([following.done, policy.done, cleanup.stopped()]);
      await caches.stop();
    },
  };
}

/** A definition is served by this server when the answer to its write comes; other servers follow by their watches. */
function serveDefinition(follower: CrdFollower, resource: Resource, result: Presented | undefined, log: Logger): void {
  if (!isCrdKind(resource) || result === undefined) return;
  try {
    follower.apply(result.object as CustomResourceDefinition);
  } catch (error) {
    log.error({ err: error, name: result.object.metadata.name }, "cannot serve a definition");
  }
}
