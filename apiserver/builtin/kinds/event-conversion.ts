import type { KubeObject } from "../../../machinery/object.ts";
import type { Conversion } from "../../registry/types.ts";

/** Field of events.k8s.io/v1 -> field of core/v1; what is not named here is called the same in both. */
const TO_CORE: Readonly<Record<string, string>> = {
  regarding: "involvedObject",
  note: "message",
  reportingController: "reportingComponent",
  deprecatedSource: "source",
  deprecatedFirstTimestamp: "firstTimestamp",
  deprecatedLastTimestamp: "lastTimestamp",
  deprecatedCount: "count",
};

const FROM_CORE = Object.fromEntries(Object.entries(TO_CORE).map(([from, to]) => [to, from]));

function rename(object: KubeObject, names: Readonly<Record<string, string>>, apiVersion: string): KubeObject {
  const fields = Object.entries(object).map(([field, value]) => [names[field] ?? field, value]);
  return { ...(Object.fromEntries(fields) as KubeObject), apiVersion };
}

/** Events are stored in the shape of core/v1, as Kubernetes stores them. */
export const eventConversion: Conversion = {
  toStorage: (object) => rename(object, TO_CORE, "v1"),
  fromStorage: (object) => rename(object, FROM_CORE, "events.k8s.io/v1"),
};
