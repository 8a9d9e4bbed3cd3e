/** Who asks. `groups` always holds system:authenticated or system:unauthenticated. */
export interface User {
  readonly name: string;
  readonly uid: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

/** What is asked, in the words of RBAC. */
export interface Attributes {
  readonly user: User;
  readonly verb: string;
  readonly namespace: string;
  readonly apiGroup: string;
  readonly apiVersion: string;
  readonly resource: string;
  readonly subresource: string;
  readonly name: string;
  readonly resourceRequest: boolean;
  /** For non-resource requests. */
  readonly path: string;
  /** Selectors of a list or watch: the host rule lets an agent see only what is its own. */
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
}

export interface Decision {
  readonly allowed: boolean;
  readonly reason: string;
}

export interface Authorizer {
  authorize(attributes: Attributes): Promise<Decision>;
}

/** What authentication needs of a request; independent of HTTP/1 or 2. */
export interface Credentials {
  /** Subject of a client certificate that our CA signed. */
  readonly certificate: { readonly commonName: string; readonly organizations: readonly string[] } | undefined;
  readonly bearerToken: string | undefined;
}

export interface Authenticator {
  /** `undefined`: no credentials were given. Throws ApiError Unauthorized for credentials that do not hold. */
  authenticate(credentials: Credentials): Promise<User | undefined>;
}
