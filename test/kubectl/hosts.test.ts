import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { parseFacts, parseTargets, planHost, type Wanted } from "../../hack/hosts/plan.ts";
import { kubectlProgram } from "../../hack/lab/cluster.ts";
import { FerriteServer } from "./ferrite-server.ts";

const ROOT = join(import.meta.dirname, "../..");
const ADDRESS = "192.0.2.11";
const work = mkdtempSync(join(tmpdir(), "ferrite-hosts-"));
const debs = join(work, "debs");

/** The machine: this one's files, with everything that is written kept apart; gone with the test. */
const machine = join(work, ADDRESS);
const upper = (path: string) => join(machine, "upper", path);
function put(path: string, content: string, mode = 0o644): void {
  mkdirSync(dirname(upper(path)), { recursive: true });
  writeFileSync(upper(path), content);
  chmodSync(upper(path), mode);
}

/** In place of ssh: runs the command in the machine's root. An address without a machine does not answer. */
const FAKE_SSH = `#!/bin/bash
for argument; do case $argument in root@*) machine=${work}/\${argument#root@} ;; esac; done
[ -d "$machine" ] || { echo "ssh: connect to host: No route to host" >&2; exit 255; }
exec unshare --mount bash -c '
  mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
  mount -t proc proc "$1/root/proc" && mount --rbind /dev "$1/root/dev"
  exec chroot "$1/root" /bin/sh -c "$2"' bash "$machine" "\${@: -1}"
`;
const APT_GET = `#!/bin/sh
case "$*" in *install*) ;; *) exit 0 ;; esac
for name in libc6 libstdc++6 libgcc-s1 libatomic1 util-linux coreutils $(echo "$*" | sed 's/.*--no-install-recommends //'); do
  printf 'Package: %s\nStatus: install ok installed\nVersion: 99\nArchitecture: amd64\nMaintainer: x\nDescription: x\n\n' "$name"
done >>/var/lib/dpkg/status
`;

let server: FerriteServer;

beforeAll(async () => {
  for (const folder of ["upper", "work", "root"]) mkdirSync(join(machine, folder), { recursive: true });
  put("usr/local/bin/systemctl", '#!/bin/sh\necho "$*" >>/var/log/systemctl.log\n', 0o755);
  put("usr/local/bin/apt-get", APT_GET, 0o755);
  put("run/systemd/system/.keep", "");
  put("var/lib/dpkg/status", "");
  writeFileSync(join(work, "ssh"), FAKE_SSH, { mode: 0o755 });
  const built = spawnSync(join(ROOT, "hack/package"), [debs], {
    env: { ...process.env, FERRITE_DEB_COMPRESSION: "none" },
    encoding: "utf8",
  });
  if (built.status !== 0) throw new Error(built.stderr);
  server = await FerriteServer.start();
});

afterAll(async () => {
  await server.destroy();
  rmSync(work, { recursive: true, force: true });
});

function joinHosts(hosts: string, ...flags: string[]) {
  const ca = join(server.dataDir, "pki/ca.crt");
  const argv = [
    "hack/hosts/main.ts",
    "--server",
    `https://${server.address}`,
    "--ca-file",
    ca,
    "--debs",
    debs,
    ...flags,
    hosts,
  ];
  const env = { FERRITE_SSH: join(work, "ssh"), FERRITE_KUBECTL: kubectlProgram(), KUBECONFIG: server.kubeconfig };
  return spawnSync(process.execPath, argv, { cwd: ROOT, encoding: "utf8", env: { ...process.env, ...env } });
}
const systemctl = () => readFileSync(upper("var/log/systemctl.log"), "utf8").trim().split("\n");

describe("joining a machine over ssh", () => {
  it("names the host and the step that failed", () => {
    const { status, stderr } = joinHosts("beta=192.0.2.12");
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^error: beta \(192\.0\.2\.12\): connect by ssh and look at the machine: .*No route to host/m,
    );
  });

  it("refuses a machine without what is needed, and changes nothing there", () => {
    const { status, stderr } = joinHosts(`alpha=${ADDRESS}`);
    expect(status).toBe(1);
    expect(stderr).toMatch(/alpha .*: check the machine: Debian packages are missing: lvm2 .*--install-packages/);
    expect(existsSync(upper("var/cache/ferrite"))).toBe(false);
  });

  it("installs, joins and starts the agent", () => {
    const { status, stderr } = joinHosts(`alpha=${ADDRESS}`, "--install-packages");
    expect(stderr).not.toMatch(/error:/);
    expect(status).toBe(0);
    expect(existsSync(upper("usr/lib/ferrite/ferrite-agent.mjs"))).toBe(true);
    expect(readFileSync(upper("var/lib/ferrite/agent.pem"), "utf8")).toMatch(/BEGIN CERTIFICATE/);
    expect(readFileSync(upper("etc/ferrite/agent.env"), "utf8")).toContain(`--address ${ADDRESS} --host-name alpha`);
    expect(systemctl().slice(-3)).toEqual([
      "enable --quiet ferrite-agent",
      "restart ferrite-agent",
      "is-active --quiet ferrite-agent",
    ]);
  });

  it("does nothing the second time but see that the agent runs", () => {
    const identity = readFileSync(upper("var/lib/ferrite/agent.pem"), "utf8");
    const { status, stderr } = joinHosts(`alpha=${ADDRESS}`);
    expect(status).toBe(0);
    expect(stderr).toBe("alpha: start the agent\n");
    expect(systemctl().at(-2)).toBe("start ferrite-agent");
    expect(readFileSync(upper("var/lib/ferrite/agent.pem"), "utf8")).toBe(identity);
  });

  it("mends what a run that was cut short left", () => {
    rmSync(upper("var/cache/ferrite/ferrite-agent.deb"));
    rmSync(upper("etc/ferrite/agent.env"));
    const { status, stderr } = joinHosts(`alpha=${ADDRESS}`);
    expect(status).toBe(0);
    expect(stderr.trim().split("\n")).toEqual([
      "alpha: copy ferrite-agent",
      "alpha: install Ferrite's packages",
      "alpha: write the agent's settings",
      "alpha: start the agent",
    ]);
  });
});

describe("the plan", () => {
  const wanted: Wanted = {
    server: "https://192.0.2.1:6443",
    debs: [],
    authoritySum: "a",
    settings: "",
    settingsSum: "s",
    installPackages: true,
  };
  const facts = (more: string) => parseFacts(`uid 0\narchitecture amd64\nsystemd yes\n${more}`);

  test.each([
    { name: "another user than root", facts: "uid 1000\narchitecture amd64\nsystemd yes", problem: /log in as root/ },
    {
      name: "another architecture",
      facts: "uid 0\narchitecture arm64\nsystemd yes",
      problem: /amd64; dpkg says arm64/,
    },
    { name: "no systemd", facts: "uid 0\narchitecture amd64\nsystemd no", problem: /does not run systemd/ },
  ])("refuses $name", ({ facts: text, problem }) => {
    expect(() => planHost({ name: "a", address: ADDRESS }, parseFacts(text), wanted)).toThrow(problem);
  });

  it("joins anew what knows another authority", () => {
    const names = (text: string) =>
      planHost({ name: "a", address: ADDRESS }, facts(text), wanted).map(({ name }) => name);
    expect(names("authority a\nsettings s")).not.toContain("join");
    expect(names("authority b\nsettings s")).toContain("join");
  });

  test.each([
    "alpha",
    "alpha=",
    "Alpha=192.0.2.1",
    "alpha=host.example",
    "a=192.0.2.1,a=192.0.2.2",
    "a=192.0.2.1,b=192.0.2.1",
  ])("refuses --hosts %s", (text) => {
    expect(() => parseTargets(text)).toThrow(/^--hosts: /);
  });
});
