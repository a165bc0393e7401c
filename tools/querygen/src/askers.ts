/** The ways to ask one question: oracle, referee, and frontends over several layouts. */
import { VirtualProcess, VirtualScheduler } from '@loki/virtual';
import type { Prng } from '@loki/virtual';
import { Asker } from './ask.ts';
import type { DataSet, Push } from './data.ts';
import { layouts } from './layouts.ts';
import type { Layout } from './layouts.ts';
import { Oracle } from './oracle.ts';
import { Referee } from './referee.ts';
import { routesFor } from './routes.ts';
import { World } from './world.ts';
import type { Standing } from './world.ts';

/** All layouts of one data set, and all routes to each. */
export class Cluster {
  readonly plain: Asker;
  readonly others: readonly Asker[];
  readonly oracle: Asker;
  readonly referee: Referee;
  readonly worlds: readonly { readonly layout: Layout; readonly standing: Standing }[];

  private constructor(askers: readonly Asker[], data: DataSet, worlds: Cluster['worlds']) {
    [this.plain, ...this.others] = askers;
    this.oracle = oracleOf(data);
    this.referee = new Referee(data);
    this.worlds = worlds;
  }

  static async build(data: DataSet, seed: string, isPlanted = false): Promise<Cluster> {
    const askers: Asker[] = [];
    const worlds: { layout: Layout; standing: Standing }[] = [];
    for (const layout of layouts) {
      const world = await World.build(layout, pushesOf(data, layout, isPlanted), seed);
      worlds.push({ layout, standing: await world.standing(data.tenants) });
      for (const route of routesFor(data.cutting)) askers.push(new Asker(world, route, data.pushes));
    }
    return new Cluster(askers, data, worlds);
  }

  /** Draws different askers: each route before any comes again. */
  drawAskers(random: Prng, count: number): Asker[] {
    const selection: Asker[] = [];
    let remaining = shuffled(random, this.others);
    while (remaining.length > 0 && selection.length < count) {
      const firsts = [...new Map(remaining.map((asker) => [asker.route.name, asker])).values()];
      selection.push(...shuffled(random, firsts).slice(0, count - selection.length));
      remaining = remaining.filter((asker) => !firsts.includes(asker));
    }
    return selection;
  }

  stop(): void {
    this.plain.stop();
    this.oracle.stop();
    for (const asker of this.others) asker.stop();
  }
}

function shuffled<T>(random: Prng, items: readonly T[]): T[] {
  const remaining = [...items];
  return items.map(() => remaining.splice(random.int(0, remaining.length - 1), 1)[0]);
}

const oracleName = 'one row at a time';
export const refereeName = 'the referee';

function oracleOf(data: DataSet): Asker {
  const scheduler = new VirtualScheduler(1);
  const answering = {
    name: oracleName,
    querier: new Oracle(data.pushes),
    process: new VirtualProcess(scheduler, 'oracle'),
    do: <T>(work: Promise<T>) => work,
  };
  return new Asker(answering, routesFor(data.cutting)[0], data.pushes);
}

export async function askerNamed(
  name: string,
  data: DataSet,
  seed: number,
  isPlanted: boolean,
): Promise<Asker> {
  if (name.startsWith(oracleName)) return oracleOf(data);
  const layout = layouts.find((each) => name.startsWith(`${each.name}, `))!;
  const route = routesFor(data.cutting).find((each) => name === `${layout.name}, ${each.name}`)!;
  const world = await World.build(layout, pushesOf(data, layout, isPlanted), `${seed}`);
  return new Asker(world, route, data.pushes);
}

function pushesOf({ pushes }: DataSet, layout: Layout, isPlanted: boolean): readonly Push[] {
  return isPlanted && layout !== layouts[0] ? pushes.slice(1) : pushes;
}
