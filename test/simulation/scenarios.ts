import { HOSTS, type HostName, MIRROR_NAMES, type World } from "./world.ts";

/** Misfortunes that come together: chance alone would bring them about once in a million lives. */
export const SCENARIOS = [
  "order while it works",
  "disk fails unseen",
  "peer restarts unseen",
  "disk fails, then the link",
  "restart after a failed disk",
  "helpers die in a failover",
  "order is late",
  "answers are late",
  "one mirror is ordered",
  "promotion fails",
  "no copy is sure",
] as const;
export type Scenario = (typeof SCENARIOS)[number] | "fail over";

/** Begins it; the answer ends it, when everything that was cut is mended. */
export function play(
  world: World,
  kind: Scenario,
  { host, forMs }: { readonly host: HostName; readonly forMs: number },
): () => void {
  const other = host === "alpha" ? "beta" : "alpha";
  const after = (ms: number, act: () => void) => world.clock.schedule(ms, act);
  const { link } = world.drbd;
  const mend = () => {
    link.mend();
    for (const name of HOSTS) world.links.get(name)?.mend();
    world.powerOn(host);
  };
  const order = () => {
    for (const name of MIRROR_NAMES) world.setPrimary(name, other);
  };
  const failDisks = (name: HostName, failed: boolean) => {
    for (const disk of world.machine(name).disks.values()) disk.failed = failed;
  };
  const failPrimaryDisks = (forMs: number) => {
    for (const name of MIRROR_NAMES) {
      const primary = world.entry(name)?.primary;
      const disk = primary === undefined ? undefined : world.machine(primary).disks.get(`/dev/${primary}-${name}`);
      if (disk === undefined) continue;
      disk.failed = true;
      after(forMs, () => {
        disk.failed = false;
      });
    }
  };
  const cutOff = () => {
    link.cut();
    world.links.get(host)?.hang();
  };
  switch (kind) {
    case "fail over":
      // The host is cut off or dies, and a person wants everything on the other one.
      after(forMs / 4, order);
      if (forMs % 3 === 0) world.powerOff(host);
      else cutOff();
      return mend;
    case "helpers die in a failover":
      after(forMs / 4, order);
      cutOff();
      for (let ms = 300; ms < 5000; ms += 600) after(ms, () => world.machine(host).killHelpers());
      return mend;
    case "one mirror is ordered": {
      // Its order takes over the other ones too, whose own passes know of none.
      const name = MIRROR_NAMES.find((mirror) => world.entry(mirror)?.primary === host);
      cutOff();
      after(forMs / 4, () => world.setPrimary(name ?? "m1", other));
      return mend;
    }
    case "promotion fails":
      // It took over, and cannot be promoted while the former primary comes back.
      order();
      world.powerOff(host);
      for (let ms = 1000; ms < 14_000; ms += 25) after(ms, () => world.machine(other).killHelpers());
      after(7500 + (forMs % 1000), () => world.powerOn(host));
      return mend;
    case "no copy is sure":
      // Whole again, but nobody can record it; then the disk of the one that is recorded fails, and it is restarted.
      link.cut();
      after(5000, () => {
        for (const name of HOSTS) world.links.get(name)?.hang();
        link.mend();
      });
      after(12_500, () => failPrimaryDisks(500 + (forMs % 1500)));
      after(15_000 + (forMs % 1000), () => {
        if (forMs % 2 === 0) world.powerOff(host);
        mend();
      });
      return () => undefined;
    case "order while it works":
      world.links.get(host)?.hang();
      order();
      return mend;
    case "order is late":
      // The other host's agent is stopped while the order comes, and the record goes on meanwhile.
      cutOff();
      order();
      after(3500 + (forMs % 1000), () => world.pauseAgent(other, true));
      after(6500, () => link.mend());
      after(6500, () => world.links.get(host)?.mend());
      return () => {
        world.pauseAgent(other, false);
        mend();
      };
    case "disk fails unseen":
      for (const name of HOSTS) world.links.get(name)?.hang();
      after(200, () => failDisks(other, true));
      after(700 + (forMs % 500), () => failDisks(other, false));
      after(2500, () => {
        world.powerOff(host);
        order();
      });
      after(6000, () => world.links.get(other)?.mend());
      return mend;
    case "peer restarts unseen":
      world.links.get(host)?.hang();
      world.powerOff(other);
      after(100 + (forMs % 400), () => world.powerOn(other));
      return mend;
    case "disk fails, then the link":
      failDisks(host, true);
      after(300, () => link.cut());
      after(1000 + (forMs % 2000), () => failDisks(host, false));
      return mend;
    case "restart after a failed disk":
      failDisks(host, true);
      after(500 + (forMs % 1500), () => {
        failDisks(host, false);
        world.powerOff(host);
      });
      return mend;
    case "answers are late":
      // What was seen before the link broke is acted on after it.
      for (const name of HOSTS) world.spoilApi(name, 0.6);
      after(300 + (forMs % 1500), () => link.cut());
      after(5000, () => link.mend());
      return () => {
        for (const name of HOSTS) world.spoilApi(name, 0);
        mend();
      };
    default:
      return kind satisfies never;
  }
}
