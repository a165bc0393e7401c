/** Thins out log entries by the parameter `interval`. */
import { emptyLeafStats } from '@loki/ports';
import type { LogLeafRequest, LogLeafResult } from '@loki/ports';

/** Most rows of one page. Larger pages reduce their number in dense ranges. */
const pageRowsMax = 20_000;

/**
 * Runs a log leaf and selects entries at least `intervalNs` apart (over all streams; always the first). The
 * limit counts selected entries, so the range is read page by page; each page starts where the next
 * selectable entry may be.
 */
export async function readSpaced(
  request: LogLeafRequest,
  intervalNs: bigint,
  runPage: (page: LogLeafRequest) => Promise<LogLeafResult>,
): Promise<LogLeafResult> {
  if (intervalNs <= 0n) return runPage(request);
  const isForward = request.direction === 'forward';
  const pages: LogLeafResult[] = [];
  let { startNs, endNs } = request;
  let missing = request.limit === 0 ? Number.POSITIVE_INFINITY : request.limit;
  let pageRows = Math.min(Math.max(request.limit, 100), pageRowsMax);
  while (missing > 0 && startNs < endNs) {
    const page = await runPage({ ...request, startNs, endNs, limit: pageRows });
    const indexes = spaced(page, intervalNs, missing);
    if (indexes.length === 0) break;
    pages.push(takeRows(page, indexes));
    missing -= indexes.length;
    if (page.timestampNs.length < pageRows) break;
    const last = page.timestampNs[indexes.at(-1)!];
    if (isForward) startNs = last + intervalNs;
    else endNs = last - intervalNs + 1n;
    pageRows = Math.min(pageRows * 2, pageRowsMax);
  }
  return joinPages(pages);
}

/** Indexes of the selected rows. */
function spaced(page: LogLeafResult, intervalNs: bigint, limit: number): number[] {
  const indexes: number[] = [];
  let last: bigint | undefined;
  for (let i = 0; i < page.timestampNs.length && indexes.length < limit; i++) {
    const ts = page.timestampNs[i];
    const distance = last === undefined ? intervalNs : ts > last ? ts - last : last - ts;
    if (distance < intervalNs) continue;
    indexes.push(i);
    last = ts;
  }
  return indexes;
}

function takeRows(page: LogLeafResult, rows: readonly number[]): LogLeafResult {
  const lines: Uint8Array[] = [];
  const lineEnds = new Uint32Array(rows.length);
  let end = 0;
  rows.forEach((row, i) => {
    const line = page.lines.subarray(row === 0 ? 0 : page.lineEnds[row - 1], page.lineEnds[row]);
    lines.push(line);
    lineEnds[i] = end += line.length;
  });
  return {
    kind: 'log',
    labelSets: page.labelSets,
    labelSet: Uint32Array.from(rows, (row) => page.labelSet[row]),
    timestampNs: BigInt64Array.from(rows, (row) => page.timestampNs[row]),
    lineEnds,
    lines: Buffer.concat(lines),
    stats: page.stats,
  };
}

function joinPages(pages: readonly LogLeafResult[]): LogLeafResult {
  if (pages.length === 1) return pages[0];
  const rowCount = pages.reduce((sum, page) => sum + page.timestampNs.length, 0);
  const labelSet = new Uint32Array(rowCount);
  const timestampNs = new BigInt64Array(rowCount);
  const lineEnds = new Uint32Array(rowCount);
  let [row, firstSet, firstByte] = [0, 0, 0];
  for (const page of pages) {
    timestampNs.set(page.timestampNs, row);
    for (let i = 0; i < page.labelSet.length; i++, row++) {
      labelSet[row] = page.labelSet[i] + firstSet;
      lineEnds[row] = page.lineEnds[i] + firstByte;
    }
    firstSet += page.labelSets.length;
    firstByte += page.lines.length;
  }
  return {
    kind: 'log',
    labelSets: pages.flatMap((page) => page.labelSets),
    labelSet,
    timestampNs,
    lineEnds,
    lines: Buffer.concat(pages.map((page) => page.lines)),
    stats: emptyLeafStats(),
  };
}
