/**
 * Expensive input against the real process. For each attack the product starts on an empty directory, is
 * attacked, and is judged by the invariant: `/ready` and another tenant's small push and query go on (p99 250
 * ms, 1 s at most), memory stays within its bound, the process lives, and the attacker reads a clear 4xx or
 * 503.
 *
 *     npm run attack -- [--only REGEX] [--list] [--json FILE]
 */
import fs from 'node:fs';
import os from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { readOptions } from '@loki/command-line';
import { Attacker, sleep } from './attacker.ts';
import type { Attack } from './attacker.ts';
import { bodyAttacks } from './body-attacks.ts';
import { bystanderAttacks } from './bystander-attacks.ts';
import { connectionAttacks } from './connection-attacks.ts';
import { evaluationAttacks } from './evaluation-attacks.ts';
import { floodAttacks } from './flood-attacks.ts';
import { interfaceAttacks } from './interface-attacks.ts';
import { judge, mib, spread } from './judge.ts';
import type { Observed } from './judge.ts';
import { memoryAttacks } from './memory-attacks.ts';
import { neighbourAttacks } from './neighbour-attacks.ts';
import { Product } from './product.ts';
import { protocolAttacks } from './protocol-attacks.ts';
import { queryAttacks } from './query-attacks.ts';
import { Watch } from './watch-thread.ts';

const attacks: readonly Attack[] = [
  ...connectionAttacks,
  ...bodyAttacks,
  ...queryAttacks,
  ...evaluationAttacks,
  ...memoryAttacks,
  ...bystanderAttacks,
  ...neighbourAttacks,
  ...floodAttacks,
  ...protocolAttacks,
  ...interfaceAttacks,
];

const clearStatuses = [200, 204, 400, 413, 429, 503];
/** Memory bound without a container: three times the memory of a process with a few tenants. */
const memoryBytesMax = 1536 * 2 ** 20;
/** Of an attack; the longest measures its own phases. */
const runMsMax = 150_000;
/** The other tenant is measured before the attack, and after it. */
const quietMs = 1_500;

const { values: options } = readOptions(import.meta.filename, {
  options: {
    only: { type: 'string', default: '' },
    list: { type: 'boolean', default: false },
    json: { type: 'string', default: '' },
  },
});

interface Outcome {
  readonly attack: string;
  readonly faults: readonly string[];
  readonly figures: Readonly<Record<string, unknown>>;
}

async function main(): Promise<number> {
  const selected = attacks.filter(({ name }) => new RegExp(options.only).test(name));
  if (options.list) {
    for (const { name, about } of selected) console.log(`${name}: ${about}`);
    return 0;
  }
  const outcomes: Outcome[] = [];
  for (const attack of selected) {
    const outcome = await outcomeOf(attack);
    outcomes.push(outcome);
    console.log(
      `${outcome.faults.length === 0 ? 'ok  ' : 'FAIL'} ${attack.name} ${JSON.stringify(outcome.figures)}`,
    );
    for (const fault of outcome.faults) console.log(`     ${fault}`);
  }
  if (options.json !== '') fs.writeFileSync(options.json, JSON.stringify(outcomes, undefined, 2));
  const failed = outcomes.filter(({ faults }) => faults.length > 0).length;
  console.log(`${outcomes.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

async function outcomeOf(attack: Attack): Promise<Outcome> {
  const product = await Product.start(attack.memoryMb ?? 0, attack.flags ?? []);
  try {
    return await attackOn(product, attack);
  } finally {
    await product.stop();
  }
}

async function attackOn(product: Product, attack: Attack): Promise<Outcome> {
  const attacker = new Attacker(product, () => product.memoryBytes());
  await attack.prepare?.(attacker);
  attacker.statuses.clear();
  attacker.texts.clear();
  const watch = new Watch(product.port);
  const atRestBytes = product.memoryBytes();
  let memoryBytes = 0;
  const sampling = setInterval(() => (memoryBytes = Math.max(memoryBytes, product.memoryBytes())), 50);
  await sleep(quietMs);
  // Bounds the wait for an attacker whose answers never come.
  const patience = new AbortController();
  const deadline = setTimeout(runMsMax, undefined, { signal: patience.signal }).catch(() => undefined);
  await Promise.race([attack.run(attacker), deadline]);
  patience.abort();
  await sleep(attack.watchedAfterMs ?? quietMs);
  clearInterval(sampling);
  const isAlive = product.isAlive;
  const { times, failures } = await watch.end();
  attacker.end();
  const statuses = new Map(attacker.statuses);
  const observed: Observed = { probes: times, memoryBytes, isAlive, statuses };
  const faults = judge(observed, {
    p99MsMax: 250,
    mostMsMax: 1_000,
    // In a container the kernel judges: resident pages of files do not count there.
    memoryBytesMax: attack.memoryMb === undefined ? memoryBytesMax : Infinity,
    statuses: attack.statuses ?? clearStatuses,
  });
  faults.push(...attacker.faults);
  if (failures.length > 0) {
    faults.push(`failures of others, the first of them: ${failures.slice(0, 3).join('; ')}`);
  }
  if (!isAlive) faults.push(product.logTail());
  const rounded = (list: readonly number[]): string =>
    [spread(list).p50, spread(list).p99, spread(list).most].map(Math.round).join('/');
  const figures = {
    ready: rounded(times.ready),
    push: rounded(times.push),
    query: rounded(times.query),
    memoryMiB: mib(memoryBytes),
    atRestMiB: mib(atRestBytes),
    statuses: Object.fromEntries(statuses),
    texts: Object.fromEntries(attacker.texts),
    ...Object.fromEntries(attacker.figures),
    // Figures of a busy machine say more of it than of the product.
    load: Math.round(os.loadavg()[0]),
  };
  return { attack: attack.name, faults, figures };
}

process.exitCode = await main();
