// CPU of searches for a needle in lines of text, in GB/s.
//
//     npx node libs/words/bytes/src/test/needle-search.bench.ts
//
// Prints, for each needle, the plain way (Buffer.indexOf; without case, an expression over a latin1
// string) and the kernel.
import { NeedleSearch } from '../needle-search.ts';

const blocks = 64;
const blockBytes = 1 << 20;

const needles: readonly [text: string, fold: boolean][] = [
  ['error', false],
  ['/healthz', false],
  ['worker', false],
  ['"status":503', false],
  ['0bbfdad2-67f6-4b36-a307-60a86767274b', false],
  ['timeout', true],
  ['error', true],
];

function makeBlocks(): Buffer[] {
  let state = 1;
  const draw = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >>> 8) % below;
  };
  const levels = ['info', 'info', 'info', 'info', 'info', 'warn', 'debug', 'info', 'error'];
  const paths = ['/api/v1/items', '/api/v1/carts', '/login', '/healthz'];
  return Array.from({ length: blocks }, () => {
    const block = Buffer.alloc(blockBytes);
    for (let at = 0; at < blockBytes;) {
      const line =
        `{"ts":"2026-01-01T00:00:${draw(60)}.${draw(1000)}Z","level":"${levels[draw(levels.length)]}",` +
        `"msg":"request ${draw(1e6)} handled","path":"${paths[draw(paths.length)]}/${draw(5000)}",` +
        `"status":${[200, 200, 204, 404, 500][draw(5)]},"duration_ms":${draw(100_000) / 100}}`;
      at += block.write(line, at);
      if (block.length - at < line.length + 40) break;
    }
    return block;
  });
}

/** Seconds of CPU of the best of five rounds, and the hits. */
function measure(round: () => number): [seconds: number, hits: number] {
  let best = Infinity;
  let hits = 0;
  for (let i = 0; i < 5; i++) {
    const before = process.cpuUsage();
    hits = round();
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, (user + system) / 1e6);
  }
  return [best, hits];
}

/** Hits in all texts; each search continues behind a hit, as in the next line. */
function count(texts: readonly Buffer[], finderOf: (text: Buffer) => (from: number) => number): number {
  let hits = 0;
  for (const text of texts) {
    const next = finderOf(text);
    for (let at = next(0); at >= 0; at = next(at + 100)) hits++;
  }
  return hits;
}

function withoutCase(needle: string): (text: Buffer) => (from: number) => number {
  const source = needle.replace(/[a-z]/g, (letter) => `[${letter.toUpperCase()}${letter}]`);
  const regex = new RegExp(source, 'g');
  return (text) => {
    const latin1 = text.toString('latin1');
    return (from) => {
      regex.lastIndex = from;
      return regex.exec(latin1)?.index ?? -1;
    };
  };
}

function main(): void {
  const texts = makeBlocks();
  const gigabytes = (blocks * blockBytes) / 1e9;
  for (const [text, fold] of needles) {
    const needle = Buffer.from(text);
    const search = NeedleSearch.for(needle, fold)!;
    const plain = fold ? withoutCase(text) : (block: Buffer) => (from: number) => block.indexOf(needle, from);
    const [plainSeconds, plainHits] = measure(() => count(texts, plain));
    const [seconds, hits] = measure(() =>
      count(texts, (block) => {
        search.start(block);
        return (from) => search.next(from);
      }),
    );
    const name = `${text}${fold ? ' (any case)' : ''}`;
    const rate = (value: number) => (gigabytes / value).toFixed(1).padStart(6);
    console.log(
      `${name.padEnd(40)} ${rate(plainSeconds)} ${rate(seconds)} GB/s, ${plainHits} and ${hits} hits`,
    );
  }
}

main();
