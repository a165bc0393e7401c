/**
 * Queries that cost much in one place of their evaluation: eight at once, again and again; then the client is
 * gone, and others are watched for as long again.
 */
import { sleep } from './attacker.ts';
import type { Attack, Attacker } from './attacker.ts';
import { spread } from './judge.ts';
import { bodyOf, lineBodies, longLines, pushAll, seriesOfLines } from './stored-lines.ts';
import { Watch } from './watch-thread.ts';

const attackMs = 8_000;
const watchedAfterMs = 5_000;
const clients = 8;
/** Time for which the other tenant is measured before the attack, for comparison. */
const aloneMs = 3_000;

interface Evaluation {
  /** The request: a path with its parameters. */
  readonly ask: string | ((turn: number) => string);
  readonly stored: () => Iterable<string>;
  readonly flags?: readonly string[];
}

function evaluationAttack(name: string, about: string, { ask, stored, flags }: Evaluation): Attack {
  return {
    name,
    about,
    memoryMb: 1024,
    flags,
    watchedAfterMs,
    async prepare(attacker) {
      await pushAll(attacker, stored());
      const watch = new Watch(attacker.port, 20);
      await sleep(aloneMs);
      const { ready, push, query } = (await watch.end()).times;
      attacker.figure('p99 alone', [ready, push, query].map((ms) => Math.round(spread(ms).p99)).join('/'));
    },
    async run(attacker: Attacker) {
      const flood = attacker.flood(clients, attackMs, (turn) =>
        attacker.send(typeof ask === 'string' ? ask : ask(turn)),
      );
      await sleep(attackMs);
      attacker.hangUp();
      await flood;
    },
  };
}

function range(query: string): string {
  return `/loki/api/v1/query_range?limit=5000&step=60&query=${encodeURIComponent(query)}`;
}

function instant(query: string): string {
  return `/loki/api/v1/query?query=${encodeURIComponent(query)}`;
}

/** 389 bytes, of whose 28,000 states most are alive on each character of a text of `a`. */
const hostileRegex = Array.from({ length: 30 }, (_, i) => `a.{${900 + i}}[c-z]`).join('|');
const hostileTemplate = '{{ range 30000 }}{{ $x := repeat 100000 \\"é\\" | ToUpper }}{{ end }}';

const keysPerLine = 16_000;

function* jsonLines(): Generator<string> {
  for (let body = 0; body < 8; body++) {
    yield bodyOf(
      'keys',
      Array.from({ length: 10 }, (_, line) => {
        const keys = Array.from({ length: keysPerLine }, (_, key) => `"k${key}":${body * 10 + line}`);
        return `{${keys.join(',')}}`;
      }),
    );
  }
}

function* logfmtLines(): Generator<string> {
  for (let body = 0; body < 8; body++) {
    yield bodyOf(
      'keys',
      Array.from({ length: 10 }, (_, line) =>
        Array.from({ length: keysPerLine }, (_, key) => `k${key}=${body * 10 + line}`).join(' '),
      ),
    );
  }
}

function* manyStreams(): Generator<string> {
  const ns = `${Date.now() - 1_000}000000`;
  for (let from = 0; from < 4_800; from += 400) {
    const streams = Array.from({ length: 400 }, (_, i) => ({
      stream: { app: 'streams', pod: `pod-${from + i}`, node: `node-${(from + i) % 97}` },
      values: [[ns, 'a line of a pod']],
    }));
    yield JSON.stringify({ streams });
  }
}

function* longNames(): Generator<string> {
  const ns = `${Date.now() - 1_000}000000`;
  for (let from = 0; from < 4_800; from += 400) {
    const streams = Array.from({ length: 400 }, (_, i) => ({
      stream: { app: 'names', name: `${from + i}${'a'.repeat(900)}` },
      values: [[ns, 'a line of a name']],
    }));
    yield JSON.stringify({ streams });
  }
}

const series = `count_over_time({app="m"} ${seriesOfLines} [5m])`;
const offsetSeries = `count_over_time({app="m"} ${seriesOfLines} [5m] offset 1m)`;
const fewLines = () => lineBodies('m', 24_000);
const hostileLines = () => longLines('a'.repeat(100_000), 60);

export const evaluationAttacks: readonly Attack[] = [
  evaluationAttack('regexp stage', 'A4: a parser stage of 28,000 states over 6 MB of `a`', {
    stored: hostileLines,
    ask: range(`sum(count_over_time({app="long"} | regexp "(?P<x>${hostileRegex})" | x != "" [1h]))`),
  }),
  evaluationAttack('regexp filter', 'A4: a line filter of 28,000 states over 6 MB of `a`', {
    stored: hostileLines,
    ask: range(`{app="long"} |~ "${hostileRegex}"`),
  }),
  evaluationAttack('line template', 'A2: a template that makes 6 GB for each line', {
    stored: fewLines,
    ask: range(`{app="m"} | line_format "${hostileTemplate}"`),
  }),
  evaluationAttack('label template', 'A2: the same for a label of a metric query', {
    stored: fewLines,
    ask: range(`sum by (x) (count_over_time({app="m"} | label_format x="${hostileTemplate}" [1h]))`),
  }),
  evaluationAttack('json keys', 'lines of 16,000 JSON keys', {
    stored: jsonLines,
    ask: (turn) =>
      range(turn % 2 === 0 ? '{app="keys"} | json' : 'count_over_time({app="keys"} | json [1h])'),
  }),
  evaluationAttack('logfmt keys', 'lines of 16,000 logfmt keys', {
    stored: logfmtLines,
    ask: (turn) =>
      range(turn % 2 === 0 ? '{app="keys"} | logfmt' : 'count_over_time({app="keys"} | logfmt [1h])'),
  }),
  evaluationAttack('pattern', 'a pattern that almost matches everywhere', {
    stored: () => longLines('ab '.repeat(33_000), 60),
    ask: range('{app="long"} | pattern "<a>ab ab ab ab ac<b>" | a != "" '),
  }),
  evaluationAttack('decolorize', 'lines of nothing but beginnings of colours', {
    stored: () => longLines('\u001B[1;'.repeat(12_000), 60),
    ask: range('{app="long"} | decolorize |= "none"'),
  }),
  evaluationAttack('label_replace', 'A6: each of 24,000 series is given a value 500 times as long', {
    stored: fewLines,
    ask: range(`label_replace(${series}, "long", "${'$1'.repeat(500)}", "path", "(.*)")`),
  }),
  evaluationAttack('group_left', 'a label of 60,000 characters is copied to 24,000 series', {
    stored: function* () {
      yield* fewLines();
      yield bodyOf('one', [`long=${'x'.repeat(60_000)}`]);
    },
    ask: range(
      `${series} * on () group_left (long) sum by (long) (count_over_time({app="one"} | logfmt [5m]))`,
    ),
  }),
  evaluationAttack('sort', '24,000 series in order of their values', {
    stored: fewLines,
    ask: (turn) => (turn % 2 === 0 ? instant : range)(`sort_desc(${series})`),
  }),
  evaluationAttack('vector matching', '24,000 series matched with as many', {
    stored: fewLines,
    ask: (turn) =>
      range(`${series} ${['/ on (id, user)', 'and', 'or', 'unless on (path)'][turn % 4]} ${offsetSeries}`),
  }),
  evaluationAttack('topk of series', '24,000 series by the step', {
    stored: fewLines,
    ask: range(`topk(5000, ${series})`),
  }),
  evaluationAttack('quantile', 'a quantile of 24,000 series at each step', {
    stored: fewLines,
    ask: range(
      `quantile_over_time(0.99, {app="m"} ${seriesOfLines} | regexp "took=(?P<took>\\\\d+)" | unwrap took [1h])`,
    ),
  }),
  evaluationAttack('detected fields', 'A3: fields of lines of 16,000 JSON keys', {
    stored: jsonLines,
    ask: `/loki/api/v1/detected_fields?line_limit=5000&limit=100000&query=${encodeURIComponent('{app="keys"}')}`,
  }),
  evaluationAttack('patterns', 'patterns of lines without a common word', {
    flags: ['-pattern-ingester.enabled=true'],
    stored: fewLines,
    ask: `/loki/api/v1/patterns?step=1s&query=${encodeURIComponent('{app="m"}')}`,
  }),
  evaluationAttack('pattern of streams', 'patterns that are dear on the labels of 4,800 streams', {
    stored: longNames,
    ask: (turn) =>
      [
        range(`{app="names",name=~"(a|aa)*${turn}"}`),
        range(`{app="names",name=~"${'.*a'.repeat(60)}${turn}"}`),
        `/loki/api/v1/series?match[]=${encodeURIComponent(`{name=~"(?:a{0,16}){16}[^a]${turn}"}`)}`,
      ][turn % 3],
  }),
  evaluationAttack('volume', 'volumes of 4,800 streams by many labels', {
    stored: manyStreams,
    ask: (turn) =>
      [
        `/loki/api/v1/index/volume_range?step=1s&limit=5000&query=${encodeURIComponent('{app="streams"}')}&targetLabels=pod,node`,
        `/loki/api/v1/index/volume?limit=5000&query=${encodeURIComponent('{app="streams",pod=~".*(a|b|p).*"}')}&aggregateBy=labels`,
        `/loki/api/v1/series?match[]=${encodeURIComponent('{app="streams"}')}`,
      ][turn % 3],
  }),
];
