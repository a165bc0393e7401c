import { gzipSync } from 'node:zlib';
import type { Attack } from './attacker.ts';
import { pushOf } from './body-attacks.ts';

const mib = 2 ** 20;

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
];
