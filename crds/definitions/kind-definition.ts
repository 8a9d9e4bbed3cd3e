import type { Rule, SchemaNode } from "./schema-node.ts";

/** A column of `kubectl get`. `wide`: only with `-o wide`. */
export interface Column {
  readonly name: string;
  readonly type: "string" | "integer" | "boolean" | "date";
  readonly jsonPath: string;
  readonly description: string;
  readonly wide?: boolean;
}

/** All that makes one CustomResourceDefinition. */
export interface KindDefinition {
  readonly kind: string;
  readonly plural: string;
  readonly shortNames: readonly string[];
  readonly scope: "Cluster" | "Namespaced";
  readonly description: string;
  readonly spec: SchemaNode;
  readonly status?: SchemaNode;
  /** What names look like; absent: a DNS label of 40 characters at most. */
  readonly nameRule?: Rule;
  /** Rules on the whole object. */
  readonly rules?: readonly Rule[];
  readonly columns: readonly Column[];
  readonly selectableFields: readonly string[];
}

/** Names become logical volumes, DRBD resources, export names and domains: hence a short DNS label. */
export const LABEL_NAME: Rule = {
  rule: "self.metadata.name.size() <= 40 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
  message:
    "metadata.name must be at most 40 characters: lower case letters, digits and '-', beginning and ending with a " +
    "letter or digit",
};

const condition = (type: string, field: "status" | "reason" | "message") =>
  `.status.conditions[?(@.type=="${type}")].${field}`;

export const readyColumn: Column = {
  name: "Ready",
  type: "string",
  jsonPath: condition("Ready", "status"),
  description: "Whether it does what it is for.",
};

/** Why Ready is what it is, last of the columns that are always shown: empty width when all is well. */
export const reasonColumn: Column = {
  name: "Reason",
  type: "string",
  jsonPath: condition("Ready", "reason"),
  description: "Why Ready is what it is.",
};

export const messageColumn: Column = {
  name: "Message",
  type: "string",
  jsonPath: condition("Ready", "message"),
  description: "What blocks, where, and the next step.",
  wide: true,
};

export const conditionColumn = (name: string, type: string, description: string): Column => ({
  name,
  type: "string",
  jsonPath: condition(type, "status"),
  description,
});

export const column = (
  name: string,
  jsonPath: string,
  description: string,
  type: Column["type"] = "string",
): Column => ({
  name,
  type,
  jsonPath,
  description,
});

export const wideColumn = (
  name: string,
  jsonPath: string,
  description: string,
  type: Column["type"] = "string",
): Column => ({ ...column(name, jsonPath, description, type), wide: true });
