import { OperatorError } from "../machinery/errors.ts";

/** metav1.StatusCause. `field` is a path such as `spec.size` or `spec.disks[0].source`. */
export interface StatusCause {
  readonly reason: string;
  readonly message: string;
  readonly field?: string;
}

export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly StatusCause[];
  readonly retryAfterSeconds?: number;
}

/** metav1.Status, as it goes over the wire. */
export interface Status {
  readonly kind: "Status";
  readonly apiVersion: "v1";
  readonly metadata: Record<string, unknown>;
  readonly status: "Success" | "Failure";
  readonly message?: string;
  readonly reason?: string;
  readonly details?: StatusDetails;
  readonly code?: number;
}

/** HTTP code of each Status reason (apimachinery `api/errors`). */
const CODES = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Expired: 410,
  Gone: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  ServiceUnavailable: 503,
  Timeout: 504,
} as const;

export type StatusReason = keyof typeof CODES;

/** What the API answers when it refuses: thrown anywhere below a verb, turned into a Status at the door. */
export class ApiError extends OperatorError {
  readonly reason: StatusReason;
  readonly details: StatusDetails | undefined;
  /** List metadata that goes with the error (an Expired list carries a usable `continue`). */
  readonly listMeta: { readonly continue?: string; readonly resourceVersion?: string } | undefined;

  constructor(
    reason: StatusReason,
    message: string,
    options: ErrorOptions & { readonly details?: StatusDetails; readonly listMeta?: ApiError["listMeta"] } = {},
  ) {
    super(message, options);
    this.reason = reason;
    this.details = options.details;
    this.listMeta = options.listMeta;
  }

  get code(): number {
    return CODES[this.reason];
  }

  toStatus(): Status {
    return {
      kind: "Status",
      apiVersion: "v1",
      metadata: this.listMeta ?? {},
      status: "Failure",
      message: this.message,
      reason: this.reason,
      ...(this.details === undefined ? {} : { details: this.details }),
      code: this.code,
    };
  }
}

/** The part of a resource that error texts need. */
export interface ResourceName {
  readonly group: string;
  readonly plural: string;
  readonly kind: string;
}

/** `widgets.example.com`, or `configmaps` for the core group. */
export function qualifiedResource(resource: Pick<ResourceName, "group" | "plural">): string {
  return resource.group === "" ? resource.plural : `${resource.plural}.${resource.group}`;
}

const named = (resource: ResourceName, name: string): StatusDetails => ({
  name,
  ...(resource.group === "" ? {} : { group: resource.group }),
  kind: resource.plural,
});

export const notFound = (resource: ResourceName, name: string): ApiError =>
  new ApiError("NotFound", `${qualifiedResource(resource)} "${name}" not found`, { details: named(resource, name) });

export const alreadyExists = (resource: ResourceName, name: string): ApiError =>
  new ApiError("AlreadyExists", `${qualifiedResource(resource)} "${name}" already exists`, {
    details: named(resource, name),
  });

export const conflict = (resource: ResourceName, name: string, why: string): ApiError =>
  new ApiError("Conflict", `Operation cannot be fulfilled on ${qualifiedResource(resource)} "${name}": ${why}`, {
    details: named(resource, name),
  });

export const OBJECT_MODIFIED =
  "the object has been modified; please apply your changes to the latest version and try again";

export const badRequest = (message: string, options: ErrorOptions = {}): ApiError =>
  new ApiError("BadRequest", message, options);

/** One problem of one field (field.Error of apimachinery). `detail` is the text after the value. */
export interface FieldError {
  readonly reason:
    | "FieldValueInvalid"
    | "FieldValueRequired"
    | "FieldValueNotSupported"
    | "FieldValueDuplicate"
    | "FieldValueTooLong"
    | "FieldValueTooMany"
    | "FieldValueForbidden"
    | "FieldValueTypeInvalid"
    | "FieldValueNotFound";
  readonly field: string;
  /** As users see it behind the field: `Invalid value: "string": spec.size in body must be of type integer: "string"`. */
  readonly message: string;
}

/** 422 with one cause for each field: `Widget.example.com "w1" is invalid: spec.size: Invalid value: …`. */
export function invalid(resource: ResourceName, name: string, errors: readonly FieldError[]): ApiError {
  const kind = resource.group === "" ? resource.kind : `${resource.kind}.${resource.group}`;
  const texts = errors.map((error) => (error.field === "" ? error.message : `${error.field}: ${error.message}`));
  const text = texts.length === 1 ? (texts[0] ?? "") : `[${texts.join(", ")}]`;
  return new ApiError("Invalid", `${kind} "${name}" is invalid: ${text}`, {
    details: {
      name,
      ...(resource.group === "" ? {} : { group: resource.group }),
      kind: resource.kind,
      causes: errors.map(({ reason, message, field }) => ({ reason, message, field })),
    },
  });
}
