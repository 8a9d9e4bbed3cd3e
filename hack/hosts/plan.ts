/** What it takes to make a machine a host of the cluster, from what it is now. Pure: `main.ts` carries it out. */

/** A machine: the name of its Host, and where ssh and the other hosts reach it. */
export interface Target {
  readonly name: string;
  readonly address: string;
}

/** Parses `alpha=192.0.2.11,beta=192.0.2.12`. Throws with the entry that is wrong. */
export function parseTargets(text: string): readonly Target[] {
  const targets = text.split(",").map((entry) => {
    const [, name = "", address = ""] =
      /^([a-z0-9](?:[-a-z0-9]{0,38}[a-z0-9])?)=([0-9.]+|[0-9a-f:]+)$/.exec(entry) ?? [];
    if (name === "")
      throw new Error(
        `--hosts: "${entry}" must be NAME=ADDRESS, with a lower-case name and an IP address: alpha=192.0.2.11`,
      );
    return { name, address };
  });
  for (const [field, values] of Object.entries({
    name: targets.map((one) => one.name),
    address: targets.map((one) => one.address),
  }))
    if (new Set(values).size < values.length) throw new Error(`--hosts: two hosts have the same ${field}`);
  return targets;
}

/** What the packages need of Debian, and what a host does without only in part. */
export const REQUIRED = ["lvm2", "thin-provisioning-tools", "drbd-utils", "kmod", "udev", "e2fsprogs", "perl"] as const;
export const PACKAGES = ["ferrite-common", "ferrite-agent"] as const;
const STATE = "/var/lib/ferrite";
const SETTINGS = "/etc/ferrite/agent.env";
const KEPT = "/var/cache/ferrite";

/** Prints one `KEY VALUE` a line; changes nothing. */
export const FACTS_SCRIPT = `
echo "uid $(id -u)"
echo "architecture $(dpkg --print-architecture 2>/dev/null || echo none)"
echo "systemd $([ -d /run/systemd/system ] && echo yes || echo no)"
for package in ${[...REQUIRED, ...PACKAGES].join(" ")}; do
  dpkg-query -W -f='installed \${Package}\\n' "$package" 2>/dev/null || true
done
for package in ${PACKAGES.join(" ")}; do
  [ ! -e "${KEPT}/$package.deb" ] || echo "sum $package $(sha256sum <"${KEPT}/$package.deb" | cut -d' ' -f1)"
done
[ ! -e ${STATE}/agent.kubeconfig ] || echo "authority $(sha256sum <${STATE}/ca.pem | cut -d' ' -f1)"
[ ! -e ${SETTINGS} ] || echo "settings $(sha256sum <${SETTINGS} | cut -d' ' -f1)"
`;

export interface Facts {
  readonly uid: string;
  readonly architecture: string;
  readonly systemd: boolean;
  readonly installed: ReadonlySet<string>;
  /** Of each package's file that was installed last. */
  readonly sums: ReadonlyMap<string, string>;
  /** Sum of the authority's certificate that the host has joined; absent: it has not. */
  readonly authority: string | undefined;
  readonly settings: string | undefined;
}

export function parseFacts(stdout: string): Facts {
  const lines = stdout.split("\n").map((line) => line.split(" "));
  const value = (key: string) => lines.find(([first]) => first === key)?.[1];
  const [uid, architecture, systemd] = [value("uid"), value("architecture"), value("systemd")];
  if (uid === undefined || architecture === undefined || systemd === undefined)
    throw new Error(`it answered something unexpected: ${JSON.stringify(stdout.slice(0, 200))}`);
  return {
    uid,
    architecture,
    systemd: systemd === "yes",
    installed: new Set(lines.flatMap(([key, name]) => (key === "installed" && name !== undefined ? [name] : []))),
    sums: new Map(lines.flatMap(([key, name, sum]) => (key === "sum" && name && sum ? [[name, sum] as const] : []))),
    authority: value("authority"),
    settings: value("settings"),
  };
}

/** What the host should have; sums are SHA-256 in hexadecimal. */
export interface Wanted {
  readonly server: string;
  readonly debs: readonly { readonly name: string; readonly sum: string }[];
  readonly authoritySum: string;
  readonly settings: string;
  readonly settingsSum: string;
  readonly installPackages: boolean;
}

/** One call of ssh. `input`: what the script reads. */
export interface RemoteStep {
  readonly name: string;
  readonly script: string;
  readonly input?:
    | { readonly kind: "deb"; readonly name: string }
    | { readonly kind: "authority" }
    | { readonly kind: "token" }
    | { readonly kind: "text"; readonly text: string };
}

export const settingsOf = ({ name, address }: Target): string =>
  `# Written by hack/up --hosts.\nFERRITE_AGENT_FLAGS="--address ${address} --host-name ${name}"\n`;

/** The steps that are missing, in order; none for a host that is as wanted. Throws what a person has to change. */
export function planHost(target: Target, facts: Facts, wanted: Wanted): readonly RemoteStep[] {
  if (facts.uid !== "0") throw new Error("ssh must log in as root");
  if (facts.architecture !== "amd64")
    throw new Error(`it must be a Debian system on amd64; dpkg says ${facts.architecture}`);
  if (!facts.systemd) throw new Error("it does not run systemd, which starts the agent");
  const missing = REQUIRED.filter((name) => !facts.installed.has(name));
  if (missing.length > 0 && !wanted.installPackages)
    throw new Error(`Debian packages are missing: ${missing.join(" ")}; install them, or say --install-packages`);
  const install = `DEBIAN_FRONTEND=noninteractive apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends ${missing.join(" ")}`;
  const stale = wanted.debs.filter(({ name, sum }) => facts.sums.get(name) !== sum || !facts.installed.has(name));
  const joins = facts.authority !== wanted.authoritySum;
  const sets = facts.settings !== wanted.settingsSum;
  const changes = stale.length > 0 || joins || sets;
  const join = `ferrite join --server ${wanted.server} --ca-file /etc/ferrite/ca.crt --host-name ${target.name} --token "$(cat)"`;
  return [
    ...(missing.length > 0 ? [{ name: "install Debian packages", script: install }] : []),
    ...stale.map(
      ({ name }): RemoteStep => ({
        name: `copy ${name}`,
        script: `mkdir -p ${KEPT} && cat >${KEPT}/${name}.new`,
        input: { kind: "deb", name },
      }),
    ),
    ...(stale.length > 0
      ? [{ name: "install Ferrite's packages", script: installScript(stale.map(({ name }) => name)) }]
      : []),
    ...(joins
      ? [
          {
            name: "copy the authority's certificate",
            script: "mkdir -p /etc/ferrite && cat >/etc/ferrite/ca.crt",
            input: { kind: "authority" } as const,
          },
          { name: "join", script: join, input: { kind: "token" } as const },
        ]
      : []),
    ...(sets
      ? [
          {
            name: "write the agent's settings",
            script: `mkdir -p /etc/ferrite && cat >${SETTINGS}`,
            input: { kind: "text", text: wanted.settings } as const,
          },
        ]
      : []),
    {
      name: "start the agent",
      script: `systemctl enable --quiet ferrite-agent && systemctl ${changes ? "restart" : "start"} ferrite-agent && systemctl is-active --quiet ferrite-agent`,
    },
  ];
}

/** The file takes its name only once it was installed: a second run sees whether the first came to its end. */
function installScript(names: readonly string[]): string {
  const files = names.map((name) => `${KEPT}/${name}.new`);
  const keep = names.map((name) => `mv ${KEPT}/${name}.new ${KEPT}/${name}.deb`);
  return [`DEBIAN_FRONTEND=noninteractive dpkg --install ${files.join(" ")}`, ...keep].join(" && ");
}
