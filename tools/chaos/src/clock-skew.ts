/** One process has a clock that is a day off: no line is lost, and ownership does not move. */
import type { AppName } from '@loki/dev-cluster';
import { pick, wait } from './fault.ts';
import type { FaultWorld } from './fault.ts';
import type { System } from './system.ts';

const hoursOff = 24;
const readyMs = 90_000;
/** Owners move when a process comes; they have settled this long after it is ready. */
const settledMs = 15_000;
const readCount = 8;
const readEveryMs = 3_000;

/** Restarts a process with a wrong clock, watches the leaders of partitions, and restarts it with its own. */
export async function skewClock(world: FaultWorld, app: AppName): Promise<string> {
  const { system, random } = world;
  const target = pick(world, app);
  const hours = random.pick([-hoursOff, hoursOff]);
  await system.terminate(target);
  system.skew(target, hours);
  system.launch(target);
  await system.untilReady(target, readyMs);
  await wait(world, settledMs);
  const leaders = new Set<string>();
  for (let read = 0; read < readCount; read++) {
    await wait(world, readEveryMs);
    leaders.add(await leadersOf(system));
  }
  system.skew(target, 0);
  await system.terminate(target);
  system.launch(target);
  const figures = `${target.name} ${hours > 0 ? '+' : ''}${hours} h`;
  if (leaders.size > 1) throw new Error(`${figures}: leaders moved: ${[...leaders].join(' | ')}`);
  return figures;
}

/** The partitions that each ingester says it leads. */
async function leadersOf(system: System): Promise<string> {
  const all = system.of('ingester').map(async ({ name, url }) => {
    const response = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(10_000) });
    const text = await response.text();
    const led = [...text.matchAll(/^loki_ingester_partition_leader\{partition="(\d+)"\} 1$/gm)];
    return `${name}: ${led
      .map(([, partition]) => Number(partition))
      .sort((a, b) => a - b)
      .join()}`;
  });
  return (await Promise.all(all)).join('; ');
}
