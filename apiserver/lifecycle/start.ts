import type { CertificateAuthority } from "../access/pki/certificates.ts";
import { ApiServiceRegistration } from "./api-service-registration.ts";
import { BootstrapTokenExpiry } from "./bootstrap-token-expiry.ts";
import { CertificateSigning } from "./certificate-signing.ts";
import type { Caches } from "../caches.ts";
import type { Registry } from "../registry/registry.ts";
import type { Cluster } from "./cluster.ts";
import { GarbageCollector } from "./gc/collector.ts";
import type { LoopDeps } from "./loop.ts";
import { NamespaceContent } from "./namespace-content.ts";
import { NamespaceTermination } from "./namespace-termination.ts";
import { ObjectFeed } from "./object-feed.ts";
import { RoleAggregation } from "./role-aggregation.ts";

export interface LifecycleOptions extends LoopDeps {
  readonly cluster: Cluster;
  readonly caches: Caches;
  readonly registry: Registry;
  /** Absent: no certificates are signed, and namespaces get no CA. */
  readonly authority?: CertificateAuthority | undefined;
}

/**
 * Starts everything that keeps the store in order behind the API: garbage collection, namespaces, aggregated roles,
 * definitions, certificates, tokens, the list of APIServices. May run on several servers at once. Resolves when all objects have been seen.
 */
export async function startLifecycle(options: LifecycleOptions): Promise<{ stop(): Promise<void> }> {
  const { cluster, registry, authority } = options;
  const loops = [
    new GarbageCollector(cluster, options),
    new NamespaceTermination(cluster, options),
    new RoleAggregation(cluster, options),
    new BootstrapTokenExpiry(cluster, options),
    new ApiServiceRegistration(cluster, options, registry),
    ...(authority === undefined
      ? []
      : [
          new NamespaceContent(cluster, options, authority.certificatePem),
          new CertificateSigning(cluster, options, authority),
        ]),
  ];
  const feed = new ObjectFeed(options);
  for (const loop of loops) feed.subscribe(loop);
  const stopping = new AbortController();
  const { done } = await feed.start(stopping.signal);
  // Only now: a collector that knows half of the objects would look up the other half one by one.
  for (const loop of loops) loop.start();
  return {
    async stop() {
      stopping.abort();
      await Promise.all(loops.map((loop) => loop.stop()));
      await done;
    },
  };
}
