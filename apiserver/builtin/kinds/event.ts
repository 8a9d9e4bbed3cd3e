import type { KubeObject } from "../../../machinery/object.ts";
import type { PrinterColumn, Strategy } from "../../registry/types.ts";
import { pathSegmentProblem } from "../../schema/meta-rules.ts";
import type { FieldError } from "../../status.ts";
import type { BuiltinKind } from "../builtin-kind.ts";
import { invalidValue, requiredValue } from "../field-errors.ts";
import { int32, kindSchema, objectReference, record, text, time } from "../schema-nodes.ts";
import { eventConversion } from "./event-conversion.ts";

/** How long an Event is kept (kube-apiserver's `--event-ttl`). */
export const EVENT_TTL_SECONDS = 3600;

/** core/v1. */
interface CoreEvent extends KubeObject {
  involvedObject?: { namespace?: string; kind?: string; name?: string };
  firstTimestamp?: string;
  lastTimestamp?: string;
  eventTime?: string;
  series?: { lastObservedTime?: string };
}

/** events.k8s.io/v1. */
interface NewEvent extends KubeObject {
  regarding?: { namespace?: string; kind?: string; name?: string };
  deprecatedLastTimestamp?: string;
  deprecatedFirstTimestamp?: string;
  eventTime?: string;
  series?: { lastObservedTime?: string };
  type?: string;
}

const series = record("How often the event repeated.", {
  count: int32("Times seen in this series."),
  lastObservedTime: time("When it was seen last, with microseconds."),
});

const source = record("What reported the event.", {
  component: text("Name of the component."),
  host: text("Name of the host it runs on."),
});

const columns = (
  regarding: string,
  message: string,
  lastSeen: (event: KubeObject) => string | undefined,
): PrinterColumn[] => [
  {
    name: "Last Seen",
    type: "date",
    jsonPath: ".metadata.creationTimestamp",
    description: "When it was seen last",
    cell: lastSeen,
  },
  { name: "Type", type: "string", jsonPath: ".type", description: "Normal or Warning" },
  { name: "Reason", type: "string", jsonPath: ".reason", description: "Why, as one word" },
  {
    name: "Object",
    type: "string",
    jsonPath: `.${regarding}.name`,
    description: "What it is about",
    cell: (event) => objectCell(event[regarding] as { kind?: string; name?: string } | undefined),
  },
  { name: "Message", type: "string", jsonPath: `.${message}`, description: "What happened" },
  { name: "Name", type: "string", jsonPath: ".metadata.name", priority: 1 },
];

const objectCell = (reference: { kind?: string; name?: string } | undefined): string =>
  `${(reference?.kind ?? "").toLowerCase()}/${reference?.name ?? ""}`;

const fieldsOf = (reference: string): string[] =>
  ["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"].map(
    (field) => `${reference}.${field}`,
  );

const STRATEGY: Partial<Strategy> = {
  allowCreateOnUpdate: true,
  ttlSeconds: EVENT_TTL_SECONDS,
  // Named after their objects, which may be ClusterRoles such as system:node.
  validateName: pathSegmentProblem,
};

export const coreEventKind: BuiltinKind = {
  group: "",
  version: "v1",
  kind: "Event",
  plural: "events",
  namespaced: true,
  shortNames: ["ev"],
  schema: kindSchema(
    "Something that happened to an object. Kept for one hour.",
    {
      involvedObject: objectReference("What the event is about."),
      reason: text("Why, as one word in CamelCase."),
      message: text("What happened, for people."),
      source,
      firstTimestamp: time("When it was seen first."),
      lastTimestamp: time("When it was seen last."),
      count: int32("Times seen."),
      type: text("Normal or Warning."),
      eventTime: time("When it was seen first, with microseconds."),
      series,
      action: text("What was done or failed."),
      related: objectReference("A second object that the event is about."),
      reportingComponent: text("Name of the controller that reports, such as ferrite.dev/volume."),
      reportingInstance: text("Which instance of the controller, such as its host."),
    },
    ["involvedObject"],
  ),
  columns: columns(
    "involvedObject",
    "message",
    (event: CoreEvent) =>
      event.series?.lastObservedTime ?? event.lastTimestamp ?? event.firstTimestamp ?? event.eventTime,
  ),
  selectableFields: [...fieldsOf("involvedObject"), "reason", "type", "reportingComponent", "source.component"],
  strategy: {
    ...STRATEGY,
    validate: (event: CoreEvent) => namespaceErrors(event, "involvedObject", event.involvedObject),
  },
};

export const eventsEventKind: BuiltinKind = {
  group: "events.k8s.io",
  version: "v1",
  kind: "Event",
  plural: "events",
  namespaced: true,
  shortNames: ["ev"],
  schema: kindSchema(
    "Something that happened to an object. Kept for one hour. The same objects as the core Events, in another shape.",
    {
      eventTime: time("When it was seen first, with microseconds."),
      series,
      reportingController: text("Name of the controller that reports, such as ferrite.dev/volume."),
      reportingInstance: text("Which instance of the controller, such as its host."),
      action: text("What was done or failed."),
      reason: text("Why, as one word in CamelCase."),
      regarding: objectReference("What the event is about."),
      related: objectReference("A second object that the event is about."),
      note: text("What happened, for people."),
      type: text("Normal or Warning."),
      deprecatedSource: source,
      deprecatedFirstTimestamp: time("firstTimestamp of a core Event."),
      deprecatedLastTimestamp: time("lastTimestamp of a core Event."),
      deprecatedCount: int32("count of a core Event."),
    },
  ),
  columns: columns(
    "regarding",
    "note",
    (event: NewEvent) =>
      event.series?.lastObservedTime ??
      event.deprecatedLastTimestamp ??
      event.deprecatedFirstTimestamp ??
      event.eventTime,
  ),
  selectableFields: [...fieldsOf("regarding"), "reason", "type", "reportingController"],
  storedAs: { apiVersion: "v1", prefix: "/registry/events", conversion: eventConversion },
  strategy: { ...STRATEGY, validate: validateNewEvent },
};

/** An Event lives in the namespace of its object; those of cluster-scoped objects live in default. */
function namespaceErrors(
  event: KubeObject,
  field: string,
  reference: { namespace?: string } | undefined,
): readonly FieldError[] {
  const { namespace } = event.metadata;
  const about = reference?.namespace ?? "";
  if (about === namespace) return [];
  if (about === "" && (namespace === "default" || namespace === "kube-system" || namespace === "ferrite-system"))
    return [];
  return [invalidValue(`${field}.namespace`, about, "does not match event.namespace")];
}

/** Only this version insists on the fields that make Events comparable; core Events from old recorders lack them. */
function validateNewEvent(event: NewEvent, old: KubeObject | undefined): readonly FieldError[] {
  const errors = [...namespaceErrors(event, "regarding", event.regarding)];
  if (old !== undefined) return errors;
  if (event.eventTime === undefined) errors.push(requiredValue("eventTime"));
  for (const field of ["reportingController", "reportingInstance", "action", "reason"]) {
    if (typeof event[field] !== "string" || event[field] === "") errors.push(requiredValue(field));
  }
  if (event.type !== "Normal" && event.type !== "Warning") {
    errors.push(invalidValue("type", event.type ?? "", 'has invalid value: "Normal" or "Warning" expected'));
  }
  return errors;
}
