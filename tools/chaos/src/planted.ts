/** Planted mistakes, which the chaos test must detect. */
import type { AppName } from '@loki/dev-cluster';

/** Plausible mistakes: a run with one must fail. */
export const plants = {
  commitBeforeFlush: 'the manifest names a segment that is not durable yet',
  bothLeadersWin: 'all owners lead, and a manifest is put over that of another one',
  staleCatalog: 'a querier answers from the catalog as it was, without proof that it reaches far enough',
} as const;

export type Plant = keyof typeof plants;

/** The main file that runs in place of the app's own; undefined: nothing is planted in this app. */
export function plantedMain(plant: Plant, app: AppName): string[] | undefined {
  const where: readonly AppName[] = plant === 'staleCatalog' ? ['querier'] : ['ingester'];
  return where.includes(app) ? ['tools/chaos/src/planted-main.ts', plant, app] : undefined;
}
