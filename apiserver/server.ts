import { type Clock, systemClock } from "../machinery/clock.ts";
import { type Logger, silentLogger } from "../machinery/log.ts";
import { type Random, systemRandom } from "../machinery/random.ts";
import { rbacAuthorizer } from "./access/rbac/authorizer.ts";
import type { Authenticator, Authorizer } from "./access/types.ts";
import { builtinResources } from "./builtin/builtin-resources.ts";
import type { HttpRequest, HttpResponse } from "./http/exchange.ts";
import { handle, type HandlerOptions } from "./http/handler.ts";
import { type Listener, listen } from "./http/node-listener.ts";
import { OpenApi } from "./openapi/openapi.ts";
import { followPolicy } from "./policy.ts";
import { Caches } from "./caches.ts";
import { CrdFollower } from "./registry/crd-follower.ts";
import { crdKind, isCrdKind } from "./registry/crd-kind.ts";
import type { CustomResourceDefinition } from "./registry/custom-resources.ts";
import { Registry } from "./registry/registry.ts";
import { compileSchema } from "./schema/compile.ts";
import type { Storage } from "./storage/types.ts";
import type { VerbContext } from "./verbs/call.ts";
import { VERSION } from "./version.ts";

export interface ServerOptions {
  readonly storage: Storage;
  /** Beside client certificates, which are always understood. */
  readonly authenticator?: Authenticator;
  /** In place of RBAC. */
  readonly authorizer?: Authorizer;
  /** Absent: no socket; requests come by `handle` only. */
  readonly listen?: {
    readonly host: string;
    /** 0: a free one. */
    readonly port: number;
    /** PEM. */
    readonly tls: { readonly key: string; readonly certificate: string; readonly clientCa: string };
  };
  readonly clock?: Clock;
  readonly random?: Random;
  readonly log?: Logger;
}

export interface ApiServer {
  /** `https://host:port`; empty without `listen`. */
  readonly url: string;
  handle(request: HttpRequest): Promise<HttpResponse>;
  /** Ends watches, lets requests under way finish, at most 10 s; the storage stays open. */
  stop(): Promise<void>;
}

const STOP_GRACE_MS = 10_000;

/** Starts the Kubernetes API on a store. Resolves when all that is in the store is served. */
export async function startServer(options: ServerOptions): Promise<ApiServer> {
  const { storage, clock = systemClock, random = systemRandom, log = silentLogger } = options;
  const stopping = new AbortController();
  const registry = makeRegistry(clock);
  const follower = new CrdFollower({ storage, registry, clock, log });
  const following = await follower.start(stopping.signal);
  const policy = await followPolicy({ storage, registry, clock, log }, stopping.signal);
  const caches = new Caches({ storage, clock, random, log });
  const context: VerbContext = { storage, caches, registry, clock, random, hooks: makeHooks(follower, log) };
  let listener: Listener | undefined;
  const handler: HandlerOptions = {
    context,
    documents: {
      registry,
      openApi: new OpenApi(registry, VERSION.gitVersion),
      serverAddress: () => (listener === undefined ? "" : `${listener.host}:${listener.port}`),
    },
    checks: [
      { name: "ping", liveness: true, check: async () => {} },
      { name: "etcd", liveness: false, check: async () => void (await caches.currentRevision()) },
    ],
    authenticator: options.authenticator ?? certificateAuthenticator,
    authorizer: options.authorizer ?? rbacAuthorizer(policy.index),
    clock,
    random,
    log,
  };
  const respond = (request: HttpRequest): Promise<HttpResponse> => handle(handler, request);
  if (options.listen !== undefined) {
    const onError = (error: unknown): void => log.error({ err: error }, "connection failed");
    listener = await listen({ ...options.listen, handle: respond, clock, onError });
  }
  return {
    url: listener === undefined ? "" : `https://${listener.host}:${listener.port}`,
    handle: respond,
    async stop() {
      await listener?.close(STOP_GRACE_MS);
      stopping.abort();
      await caches.stop();
      await Promise.all([following.done, policy.done]);
    },
  };
}

/** Who a client certificate says. */
const certificateAuthenticator: Authenticator = {
  authenticate: ({ certificate }) =>
    Promise.resolve(
      certificate && {
        name: certificate.commonName,
        uid: "",
        groups: [...certificate.organizations, "system:authenticated"],
        extra: {},
      },
    ),
};

function makeRegistry(clock: Clock): Registry {
  const builtins = builtinResources(compileSchema).map((resource) =>
    isCrdKind(resource) ? crdKind(resource, () => registry, clock) : resource,
  );
  const registry: Registry = new Registry(builtins, []);
  return registry;
}

function makeHooks(follower: CrdFollower, log: Logger): VerbContext["hooks"] {
  return {
    admit: async () => {},
    written({ resource, updated }) {
      if (!isCrdKind(resource) || updated === undefined) return;
      try {
        follower.apply(updated as CustomResourceDefinition);
      } catch (error) {
        log.error({ err: error, name: updated.metadata.name }, "cannot serve a definition");
      }
    },
  };
}
