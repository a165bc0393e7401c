/**
 * Attacks on neighbours by size: a tenant with a million streams, and one that queries everything it has.
 * Pairs of phases, without and beside it, measure the service of others.
 */
import { sleep } from './attacker.ts';
import type { Attack, Attacker } from './attacker.ts';
import { spread } from './judge.ts';
import { lineBodies, pushAll } from './stored-lines.ts';
import { Watch } from './watch-thread.ts';

const pairs = 4;
const phaseMs = 6_000;
const probeEveryMs = 10;
const timesMax = 2;
/** Two figures of one quiet process differ by this much. */
const noiseMs = 2;

type Times = Awaited<ReturnType<Watch['end']>>['times'];
const judged = ['push', 'query', 'labels'] as const satisfies readonly (keyof Times)[];

/** Others' requests for the length of a phase. */
async function phaseOf(attacker: Attacker): Promise<Times> {
  const watch = new Watch(attacker.port, probeEveryMs, true);
  await sleep(phaseMs);
  const { times, failures } = await watch.end();
  if (failures.length > 0) attacker.fault(`others failed: ${failures[0]}`);
  return times;
}

/**
 * Phases alone and beside the tenant take turns: the machine is not the same all the time.
 *
 * @param load of the tenant during a phase, or longer; one without an end stops when the signal aborts
 */
async function comparePhases(
  attacker: Attacker,
  load: (signal: AbortSignal) => Promise<unknown>,
): Promise<void> {
  const [alone, beside]: [Times[], Times[]] = [[], []];
  for (let i = 0; i < pairs; i++) {
    alone.push(await phaseOf(attacker));
    const stop = new AbortController();
    const loading = load(stop.signal);
    beside.push(await phaseOf(attacker));
    stop.abort();
    await loading;
    await sleep(1_000);
  }
  for (const name of judged) {
    const p99 = (phases: readonly Times[]): number =>
      spread(phases.flatMap((times) => times[name] ?? [])).p99;
    const [before, after] = [p99(alone), p99(beside)];
    attacker.figure(`${name} p99 alone, beside`, `${before.toFixed(1)}, ${after.toFixed(1)} ms`);
    if (after > timesMax * before + noiseMs) {
      attacker.fault(`${name} takes ${(after / before).toFixed(1)} times as long beside the tenant`);
    }
  }
}

const million = 1_000_000;
const streamsPerPush = 1_000;

/** New streams, with labels as Kubernetes' pods have them. */
function streamsFrom(first: number): string {
  const streams = Array.from({ length: streamsPerPush }, (_, i) => {
    const stream = first + i;
    return {
      stream: { namespace: `ns-${stream % 50}`, app: `app-${stream % 200}`, pod: `pod-${stream}` },
      values: [[`${Date.now()}000000`, `request ${stream} took ${stream % 97} ms`]],
    };
  });
  return JSON.stringify({ streams });
}

const manyStreams: Attack = {
  name: 'a million streams of a tenant',
  about: `a tenant opens ${million.toLocaleString('en')} streams: others' p99 within ${timesMax} times`,
  flags: ['-ingester.max-global-streams-per-user=0', '-ingester.max-streams-per-user=0'],
  async run(attacker) {
    let next = 0;
    await comparePhases(attacker, async () => {
      const beganMs = performance.now();
      // At the pace that fills the phase.
      for (let pushed = 0; pushed < million / pairs; pushed += streamsPerPush) {
        const dueMs = beganMs + (pushed * pairs * phaseMs) / million;
        await sleep(Math.max(0, dueMs - performance.now()));
        await attacker.push(streamsFrom(next));
        next += streamsPerPush;
      }
    });
    attacker.figure('streams', next);
  },
};

const storedLines = 400_000;
/** Ways to ask for everything: scans of lines, parsers, series, and lines of the answer. */
const wideQueries = [
  'sum(count_over_time({app=~".+"} |~ "of/[0-9]*7" [5m]))',
  'sum by (user) (count_over_time({app=~".+"} | logfmt [5m]))',
  'topk(5, sum by (id) (count_over_time({app=~".+"} | regexp "id=(?P<id>\\\\w{3})" [5m])))',
  '{app=~".+"} |= "id="',
];

const wideQuery: Attack = {
  name: 'queries over everything',
  about: `four clients of a tenant query all it has, in a loop: others' p99 within ${timesMax} times`,
  prepare: (attacker) => pushAll(attacker, lineBodies('wide', storedLines)),
  run: (attacker) =>
    comparePhases(attacker, (signal) =>
      Promise.all(
        wideQueries.map(async (query) => {
          const path = `/loki/api/v1/query_range?limit=5000&query=${encodeURIComponent(query)}`;
          while (!signal.aborted) await attacker.send(path);
        }),
      ),
    ),
};

export const neighbourAttacks: readonly Attack[] = [manyStreams, wideQuery];
