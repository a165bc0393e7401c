/** Planted mistakes of large systems, which the simulator of rings and catalogs must find. */
import type { CatalogNewsSource } from '@loki/catalog';
import type { ObjectStore } from '@loki/ports';
import { partitionOwners } from '@loki/ring';
import type { Ring } from '@loki/ring';
import { noNews } from './cluster-bugs.ts';
import { storeThatOverwrites } from './planted-bugs.ts';

/** Mistakes that the judge must find. */
export const scaleBugs = {
  zonesIgnored: 'members do not say their zone, and all owners of a partition may be in one',
  deadRemain: 'a member that is silent remains an owner',
  newsAlone: 'a view learns of changes from messages alone, some of which are lost',
  ownersByOrder: 'owners are counted off by the order of the members, so that one that leaves moves them all',
  leadersOverwrite: 'a manifest is put over that of another leader',
  manifestsUntold: 'a reader learns of commits from ingesters alone, which do not tell',
  storePolled: 'each reader asks the store for each partition, in each round',
} as const;

/** Name of a mistake that the simulator of a large system must find. */
export type ScaleBug = keyof typeof scaleBugs;

/** The ids that own a partition, the leader first. */
export type OwnersOf = (ring: Ring, partition: number, count: number) => readonly string[];

/** Parts of a process that replace the real ones. */
interface PlantedScale {
  readonly owners: OwnersOf;
  readonly hasZones: boolean;
  readonly view: { readonly heartbeatTimeoutMs?: number; readonly pollMs?: number };
  store(store: ObjectStore): ObjectStore;
  news(news: CatalogNewsSource): CatalogNewsSource | undefined;
  readonly netRounds: { readonly partition: number; readonly shared: number } | undefined;
}

const neverMs = 1e12;

const sound: PlantedScale = {
  owners: partitionOwners,
  hasZones: true,
  view: {},
  store: (store) => store,
  news: (news) => news,
  netRounds: undefined,
};

export function scaleBugsOf(bug: ScaleBug | undefined): PlantedScale {
  switch (bug) {
    case 'zonesIgnored':
      return { ...sound, hasZones: false };
    case 'deadRemain':
      return { ...sound, view: { heartbeatTimeoutMs: neverMs } };
    case 'newsAlone':
      return { ...sound, view: { pollMs: neverMs } };
    case 'ownersByOrder':
      return { ...sound, owners: ownersByOrder };
    case 'leadersOverwrite':
      return { ...sound, store: storeThatOverwrites };
    case 'manifestsUntold':
      return { ...sound, news: () => noNews };
    case 'storePolled':
      return { ...sound, netRounds: { partition: 1, shared: 1 } };
    case undefined:
      return sound;
  }
}

/** Zones in turn, and in each the member at the partition's place. */
const ownersByOrder: OwnersOf = ({ eligible }, partition, count) => {
  const zones = [...new Set(eligible.map(({ zone }) => zone))].sort();
  return zones.slice(0, count).map((zone) => {
    const members = eligible.filter((each) => each.zone === zone);
    return members[partition % members.length].id;
  });
};
