import { InterceptingCall, type InterceptorOptions, type NextCall } from "@grpc/grpc-js";
import { Etcd3, type IOptions } from "etcd3";
import type { Clock } from "../../../machinery/clock.ts";

export interface EtcdEndpoints {
  /** `https://10.0.0.1:2379`, `http://127.0.0.1:2379` or `unix:/run/ferrite/etcd/client.sock`. */
  readonly endpoints: readonly string[];
  /** PEM. */
  readonly tls?: { readonly ca: Buffer; readonly certificate?: Buffer; readonly key?: Buffer };
  readonly auth?: { readonly username: string; readonly password: string };
  /** Of one request; default 5,000. */
  readonly requestTimeoutMs?: number;
}

type FaultPolicy = NonNullable<NonNullable<IOptions["faultHandling"]>["global"]>;

/**
 * etcd3's own policies repeat writes whose outcome is unknown, and its circuit breaker fails calls that have done
 * nothing wrong. This one runs each call once.
 */
const once = {
  execute: async (call: (context: { signal: AbortSignal }) => unknown) =>
    call({ signal: new AbortController().signal }),
} as unknown as FaultPolicy;

/** A member that has lost its leader ends such streams with an error; otherwise they would be silent for ever. */
function requireLeader(options: InterceptorOptions, next: NextCall): InterceptingCall {
  return new InterceptingCall(next(options), {
    start(metadata, listener, proceed) {
      metadata.set("hasleader", "true");
      proceed(metadata, listener);
    },
  });
}

/** Opens no connection yet: the first call does. */
export function connectEtcd(endpoint: string, options: Omit<EtcdEndpoints, "endpoints">, clock: Clock): Etcd3 {
  const { tls, auth, requestTimeoutMs = 5000 } = options;
  return new Etcd3({
    hosts: endpoint,
    ...(tls === undefined ? {} : { credentials: credentialsOf(tls) }),
    ...(auth === undefined ? {} : { auth }),
    faultHandling: { host: () => once, global: once },
    defaultCallOptions: ({ isStream }) =>
      isStream ? { interceptors: [requireLeader] } : { deadline: new Date(clock.now().getTime() + requestTimeoutMs) },
    grpcOptions: {
      "grpc.max_receive_message_length": -1,
      "grpc.max_send_message_length": -1,
      "grpc.initial_reconnect_backoff_ms": 50,
      "grpc.min_reconnect_backoff_ms": 50,
      "grpc.max_reconnect_backoff_ms": 500,
      // etcd takes pings at most every 5 s, and cuts a connection that sends them while no call is open.
      "grpc.keepalive_time_ms": 10_000,
      "grpc.keepalive_timeout_ms": 5000,
      "grpc.keepalive_permit_without_calls": 0,
    },
  });
}

function credentialsOf({ ca, certificate, key }: NonNullable<EtcdEndpoints["tls"]>) {
  return {
    rootCertificate: ca,
    ...(certificate === undefined ? {} : { certChain: certificate }),
    ...(key === undefined ? {} : { privateKey: key }),
  };
}
