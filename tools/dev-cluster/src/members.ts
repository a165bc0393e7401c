/** In the order in which they start; they stop the other way round. */
export const appNames = [
  'ingester',
  'distributor',
  'compactor',
  'querier',
  'ruler',
  'gateway',
  'loki',
] as const;

export type AppName = (typeof appNames)[number];

/** A process of the distributed system: its app, its name, its addresses. */
export interface Member {
  readonly app: AppName;
  readonly name: string;
  readonly zone: string;
  readonly httpPort: number;
  readonly grpcPort: number;
}

const zones = ['zone-a', 'zone-b', 'zone-c'];

/** First HTTP port of each app, counted from the base: no more than ten of one. */
const portBlocks: Readonly<Record<AppName, number>> = {
  gateway: 0,
  distributor: 10,
  ingester: 20,
  querier: 30,
  compactor: 40,
  ruler: 50,
  loki: 60,
};

/** HTTP 3100 is gRPC 9100. */
const grpcOffset = 6000;

/** The `number`th of an app, from 1, with ports of its own; zones in turn. */
export function memberOf(app: AppName, number: number, basePort: number): Member {
  const httpPort = basePort + portBlocks[app] + number - 1;
  return {
    app,
    name: `${app}-${number}`,
    zone: zones[(number - 1) % zones.length],
    httpPort,
    grpcPort: httpPort + grpcOffset,
  };
}

/** Number of processes of each app in the whole system. */
export const wholeSystem: Readonly<Partial<Record<AppName, number>>> = {
  ingester: 3,
  distributor: 2,
  compactor: 1,
  querier: 2,
  ruler: 1,
  gateway: 2,
};

/** All members of a system with these numbers. */
export function membersOf(
  counts: Readonly<Partial<Record<AppName, number>>>,
  member: (app: AppName, number: number) => Member,
): Member[] {
  return appNames.flatMap((app) => Array.from({ length: counts[app] ?? 0 }, (_, i) => member(app, i + 1)));
}
