import packageJson from "../package.json" with { type: "json" };

/** The Kubernetes release whose API this server follows: clients compare it with their own. */
const MAJOR = "1";
const MINOR = "32";

/** What `/version` answers; `gitVersion` must be valid semver, major and minor digits only. */
export const VERSION = {
  major: MAJOR,
  minor: MINOR,
  gitVersion: `v${MAJOR}.${MINOR}.0-ferrite.${packageJson.version}`,
  gitCommit: "",
  gitTreeState: "clean",
  buildDate: "1970-01-01T00:00:00Z",
  goVersion: "",
  compiler: "node",
  platform: `${process.platform}/${process.arch === "x64" ? "amd64" : process.arch}`,
} as const;
