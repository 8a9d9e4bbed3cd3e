import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";

const ROOT = resolve(import.meta.dirname, "../..");
const NAMES = ["ferrite-common", "ferrite-agent", "ferrite-server"];
const work = mkdtempSync(join(tmpdir(), "ferrite-packages-"));
const debs = join(work, "debs");
const root = join(work, "root");
const at = (...path: string[]) => join(root, ...path);

/** What a program said; throws when it failed. */
function run(program: string, args: readonly string[], env: Record<string, string> = {}): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8", env: { ...process.env, ...env } });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${status}: ${stdout}${stderr}`);
  return `${stdout}${stderr}`;
}
/** The maintainer's scripts find the scratch root by DPKG_ROOT; the packages depended on are not in it. */
const dpkg = (...args: string[]) =>
  run("dpkg", [`--root=${root}`, "--force-not-root", "--force-script-chrootless", "--force-depends", ...args]);
const paths = () =>
  NAMES.map((name) => join(debs, readdirSync(debs).find((file) => file.startsWith(`${name}_`)) ?? name));

beforeAll(() => {
  run(join(ROOT, "hack/package"), [debs], { FERRITE_DEB_COMPRESSION: "none" });
  mkdirSync(at("var/lib/dpkg"), { recursive: true });
  mkdirSync(at("etc/lvm"), { recursive: true });
  writeFileSync(at("var/lib/dpkg/status"), "");
  writeFileSync(at("etc/lvm/lvmlocal.conf"), '# Debian\'s own\nlocal {\n\t# system_id = ""\n}\n');
  dpkg("--install", ...paths());
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

it("belong to root, and put nothing where it does not belong", () => {
  const lines = paths().flatMap((deb) => run("dpkg-deb", ["--contents", deb]).trim().split("\n"));
  expect(lines.filter((line) => !line.includes(" root/root "))).toEqual([]);
  const files = lines.map((line) => line.split(/\s+/)[5] ?? "").filter((path) => !path.endsWith("/"));
  const allowed =
    /^\.\/(usr\/bin\/ferrite$|usr\/lib\/ferrite\/|usr\/share\/(doc|ferrite)\/|lib\/systemd\/system\/ferrite-)/;
  expect(files.filter((path) => !allowed.test(path))).toEqual([]);
  expect(lines.filter((line) => line.slice(4).startsWith("w") || line[8] === "w")).toEqual([]);
});

it("install into a root of their own, where the command runs with the Node.js that came along", () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const env = { PATH: "/usr/bin:/bin" };
  expect(run(at("usr/bin/ferrite"), ["--version"], env)).toBe(`${version}\n`);
  expect(run(at("usr/bin/ferrite"), ["join", "--help"], env)).toMatch(/--token/);
  expect(run(at("usr/lib/ferrite/node"), ["--version"])).toMatch(/^v24\./);
});

it("hold a control plane that serves", async () => {
  const etcd =
    process.env["FERRITE_ETCD"] ?? join(process.env["HOME"] ?? "", ".cache/ferrite/etcd-trixie/usr/bin/etcd");
  const argv = ["server", "--data-dir", join(work, "server"), "--listen", "127.0.0.1:0", "--etcd-binary", etcd];
  const server = spawn(at("usr/bin/ferrite"), argv, { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  await new Promise<void>((done, failed) => {
    const hear = (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes('"msg":"ready"')) done();
    };
    server.stdout.on("data", hear);
    server.stderr.on("data", hear);
    server.once("exit", (code) => failed(new Error(`ended with ${code}: ${said}`)));
  });
  const ended = new Promise<number | null>((done) => server.once("exit", done));
  server.kill("SIGTERM");
  expect(await ended).toBe(0);
});

it("have units that systemd takes", () => {
  for (const unit of ["ferrite-agent.service", "ferrite-server.service"])
    run("systemd-analyze", [
      "verify",
      "--man=no",
      "--recursive-errors=no",
      `--root=${root}`,
      at("lib/systemd/system", unit),
    ]);
});

it("put LVM's settings where nobody had any, and keep those that were there", () => {
  expect(readFileSync(at("etc/lvm/lvmlocal.conf"), "utf8")).toContain("/dev/drbd");
  expect(readFileSync(at("etc/lvm/lvmlocal.conf.before-ferrite"), "utf8")).toContain("Debian's own");
});

it("purged beside a mirror, give up the identity and keep what the mirror needs", () => {
  mkdirSync(at("var/lib/ferrite"), { recursive: true });
  mkdirSync(at("etc/drbd.d"), { recursive: true });
  writeFileSync(at("etc/drbd.d/m1.res"), "# Written by the Ferrite agent from a MirrorReplica\nresource m1 {}\n");
  for (const name of ["agent.pem", "agent.kubeconfig", "pairs.json"]) writeFileSync(at("var/lib/ferrite", name), "x");
  expect(dpkg("--purge", "ferrite-agent")).toMatch(/still has mirrors/);
  expect(readdirSync(at("var/lib/ferrite"))).toEqual(["pairs.json"]);
  expect(existsSync(at("etc/drbd.d/m1.res"))).toBe(true);
  expect(readFileSync(at("etc/lvm/lvmlocal.conf"), "utf8")).toContain("Debian's own");
});

it("purged where there is none, leave nothing", () => {
  dpkg("--install", ...paths());
  rmSync(at("etc/drbd.d/m1.res"));
  dpkg("--purge", ...NAMES);
  expect(existsSync(at("var/lib/ferrite"))).toBe(false);
  expect(existsSync(at("usr/lib/ferrite"))).toBe(false);
  expect(existsSync(at("etc/lvm/lvmlocal.conf.before-ferrite"))).toBe(false);
  expect(existsSync(at("lib/systemd/system/ferrite-agent.service"))).toBe(false);
});
