/** `lokictl segment inspect`: content and sizes of a segment. */
import { inspectSegment } from '@loki/segment';
import type { SectionInspection, SegmentInspection } from '@loki/segment';
import type { Command } from './command.ts';

/** `lokictl segment inspect PATH [--json]` */
export const segmentInspect: Command = {
  words: ['segment', 'inspect'],
  arguments: ['PATH'],
  summary:
    'Shows the tenants, streams, blocks and columns of a segment file with their sizes. Reads the footer only.',
  flags: [{ name: 'json', summary: 'print JSON' }],
  async run({ positional: [path], flags }, io) {
    const inspection = inspectSegment(await io.readFile(path), path);
    io.out(flags.has('json') ? toJson(inspection) : toText(path, inspection));
    return 0;
  },
};

function toJson(inspection: SegmentInspection): string {
  // Nanoseconds exceed JSON's exact numbers: text, as everywhere in the API.
  const text = (_: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value);
  return `${JSON.stringify(inspection, text, 2)}\n`;
}

function toText(path: string, inspection: SegmentInspection): string {
  const { kind, version, sizeBytes, lineBytes, rows, frameBytes, sections } = inspection;
  const lines = [
    `${path}: ${kind} segment, format version ${version}`,
    `  ${number(sizeBytes)} bytes hold ${number(rows)} rows, ${number(lineBytes)} bytes of lines${ratio(lineBytes, sizeBytes)}`,
    `  ${sections.length} ${sections.length === 1 ? 'tenant' : 'tenants'}, ${number(frameBytes)} bytes of frame`,
  ];
  for (const section of sections) lines.push('', ...sectionLines(section));
  return `${lines.join('\n')}\n`;
}

function sectionLines(section: SectionInspection): string[] {
  const { tenant, streams, blocks, runs, rows, lineBytes, storedBytes, indexBytes } = section;
  const lines = [
    `tenant ${tenant}`,
    `  ${time(section.minNs)} .. ${time(section.maxNs)}`,
    `  ${number(streams)} streams, ${number(blocks)} blocks, ${number(runs)} runs, ${number(rows)} rows`,
    `  ${number(storedBytes)} bytes for ${number(lineBytes)} bytes of lines${ratio(lineBytes, storedBytes)}`,
    `  labels: ${section.labelNames.join(', ') || 'none'}`,
  ];
  if (section.metadataNames.length > 0) lines.push(`  metadata: ${namesText(section.metadataNames)}`);
  lines.push(`  ${'column'.padEnd(28)}${'stored'.padStart(14)}${'raw'.padStart(14)}${'share'.padStart(9)}`);
  const share = (bytes: number) => `${((100 * bytes) / Math.max(1, storedBytes)).toFixed(1)} %`.padStart(9);
  for (const { name, storedBytes: stored, rawBytes } of section.columns) {
    if (rawBytes === 0) continue;
    lines.push(
      `  ${name.padEnd(28)}${number(stored).padStart(14)}${number(rawBytes).padStart(14)}${share(stored)}`,
    );
  }
  lines.push(
    `  ${'index'.padEnd(28)}${number(indexBytes).padStart(14)}${''.padStart(14)}${share(indexBytes)}`,
  );
  return lines;
}

/** A bounded list: a hostile client's thousands of keys should not fill the terminal. */
function namesText(names: readonly string[]): string {
  const text = names.slice(0, 20).join(', ');
  return names.length > 20 ? `${text} and ${names.length - 20} more` : text;
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}

function ratio(rawBytes: number, storedBytes: number): string {
  return rawBytes === 0 ? '' : `, ${(storedBytes / rawBytes).toFixed(4)} stored per raw byte`;
}

/** RFC 3339 with nanoseconds; the number itself when no date can have it. */
function time(ns: bigint): string {
  let ms = ns / 1_000_000n;
  if (ms * 1_000_000n > ns) ms--;
  const date = new Date(Number(ms));
  if (Number.isNaN(date.getTime())) return `${ns} ns`;
  const fraction = String(ns - (ms / 1000n) * 1_000_000_000n).padStart(9, '0');
  return ns < 0n ? `${ns} ns` : `${date.toISOString().slice(0, 19)}.${fraction}Z`;
}
