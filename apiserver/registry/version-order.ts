const FORM = /^v(\d+)(?:(alpha|beta)(\d+))?$/;
const STAGES = ["", "alpha", "beta", "stable"];

/** Kubernetes' version priority: GA before beta before alpha, newest first, then all else by name. For `sort`. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [rank(a), rank(b)];
  for (const [index, value] of left.entries()) {
    const difference = (right[index] ?? 0) - value;
    if (difference !== 0) return difference;
  }
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Stage, major and minor number; zeros for what is not a Kubernetes-like version. */
function rank(version: string): [number, number, number] {
  const parsed = FORM.exec(version);
  if (parsed === null) return [0, 0, 0];
  const [, major, stage = "stable", minor = "0"] = parsed;
  return [STAGES.indexOf(stage), Number(major), Number(minor)];
}
