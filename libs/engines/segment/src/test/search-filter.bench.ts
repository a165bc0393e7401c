// CPU and bytes of search filters.
//
//     npx node libs/engines/segment/src/test/search-filter.bench.ts [SEGMENT]
//
// SEGMENT is a stored segment whose lines are taken; default: 16 MB of lines made here.
import { readFileSync } from 'node:fs';
import { loadHash } from '@loki/model';
import { pack } from '../columns/unit.ts';
import { buildSearchFilter } from '../filter/filter-build.ts';
import type { FilteredColumns } from '../filter/filter-build.ts';
import { wasmKernel } from '../filter/filter-kernel.ts';
import { FilterProbe, needleOf } from '../filter/filter-probe.ts';
import { columns } from '../format/types.ts';
import { openSegment } from '../read/open.ts';
import { NaiveKernel } from './naive-filter.ts';

const probes = 200;

function main(path: string | undefined): void {
  const blocks = path === undefined ? madeBlocks() : blocksOf(path);
  const rawBytes = blocks.reduce((sum, { lines }) => sum + lines.length, 0);
  const cpu = (what: string, run: () => void, share = 1) => {
    run();
    const before = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(before);
    const perGigabyte = ((user + system) / 1e6 / (rawBytes * share)) * 1e9;
    console.log(`${what}: ${perGigabyte.toFixed(2)} CPU s/GB`);
  };
  console.log(`${blocks.length} blocks, ${rawBytes} line bytes`);
  const kernel = wasmKernel();
  cpu('grams of lines', () => blocks.forEach(({ lines }) => kernel.markText(lines)));
  kernel.collect();
  cpu('whole filters', () => blocks.forEach((block) => buildSearchFilter(block)));
  const [first] = blocks;
  const naive = new NaiveKernel();
  cpu(
    'whole filters in plain JavaScript',
    () => buildSearchFilter(first, naive),
    first.lines.length / rawBytes,
  );
  const filters = blocks.flatMap((block) => buildSearchFilter(block) ?? []);
  let stored = 0;
  cpu('compressing them', () => {
    stored = filters.reduce((sum, { bytes }) => sum + pack(bytes, 3).bytes.length, 0);
  });
  console.log(`${(stored / rawBytes).toFixed(4)} stored bytes for each line byte`);
  reportProbes(filters.map((filter) => FilterProbe.of(filter)!));
}

/** Time of a question, and the share of blocks that texts in no line leave to be read. */
function reportProbes(filters: readonly FilterProbe[]): void {
  const digits = 'absent texts of hexadecimal digits';
  for (const size of [10, 13, 16, 32]) {
    const needles = Array.from({ length: probes }, (_, i) => needleOf(Buffer.from(hex(i + 1e6, size)))!);
    const before = process.cpuUsage();
    let passing = 0;
    for (const needle of needles) for (const probe of filters) if (probe.mayContain(needle)) passing++;
    const { user, system } = process.cpuUsage(before);
    const count = probes * filters.length;
    console.log(
      `${digits}, ${size} bytes: ${(passing / count).toFixed(4)} of the blocks pass, ` +
        `${(((user + system) * 1e3) / count).toFixed(0)} ns a block`,
    );
  }
}

function hex(seed: number, size: number): string {
  let text = '';
  for (let state = seed >>> 0; text.length < size;) {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b_3c6d) + 0x9e37_79b9) >>> 0;
    text += (state >>> 12).toString(16).padStart(5, '0');
  }
  return text.slice(0, size);
}

function madeBlocks(): FilteredColumns[] {
  return Array.from({ length: 16 }, (_, block) => {
    const lines: string[] = [];
    const values: string[] = [];
    for (let i = 0, bytes = 0; bytes < 1 << 20; i++) {
      const trace = hex(block * 1e5 + i, 32);
      if (i % 3 === 0) values.push(trace);
      const fields = `"msg":"request ${i} handled by worker ${i % 64}","path":"/api/v1/items/${(i * 37) % 5000}"`;
      lines.push(
        `{"level":"info",${fields},"duration_ms":${(i * 7919) % 1e5},"trace_id":"${i % 3 === 1 ? trace : ''}"}`,
      );
      bytes += lines[i].length;
    }
    return { lines: Buffer.from(lines.join('')), metadata: [{ name: 'trace_id', values }] };
  });
}

function blocksOf(path: string): FilteredColumns[] {
  const segment = openSegment(readFileSync(path), path);
  const mask = columns.lines | columns.metadata;
  return segment.sections.flatMap((section) =>
    section.blocks.map(({ index }) => {
      const block = segment.block(section, index, mask);
      return { lines: block.lines(), metadata: block.metadata() };
    }),
  );
}

void loadHash().then(() => main(process.argv[2]));
