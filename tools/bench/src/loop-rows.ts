/** The rows that benchmarks of hot loops are made of: the same for the same count. */
import { Labels, parseTenantId } from '@loki/model';
import { encodeSegment, RowWriter } from '@loki/segment';

export const loopTenant = parseTenantId('bench');
/** Time from one row of a stream to the next. */
const rowEveryMs = 100;
const streams = 40;
/** Rows of a push, as an agent collects them in a second or two. */
const rowsPerPush = 4_000;

/** A generated day in small: pushes as records, and the texts that queries look for. */
export interface LoopRows {
  readonly records: readonly Buffer[];
  readonly lineBytes: number;
  readonly rows: number;
  readonly endNs: bigint;
  /** Occurs in one line. */
  readonly needle: string;
  /** Occurs in the metadata of one row. */
  readonly trace: string;
}

/** JSON and logfmt lines with identifiers that repeat nowhere, as services write them. */
export function makeLoopRows(count: number): LoopRows {
  const draw = generator(1);
  const hex = (digits: number) =>
    Array.from({ length: digits / 8 }, () =>
      draw(2 ** 32)
        .toString(16)
        .padStart(8, '0'),
    ).join('');
  const labelsOf = Array.from({ length: streams }, (_, stream) =>
    Labels.fromPairs([
      ['app', `app-${stream % 8}`],
      ['format', stream % 2 === 0 ? 'json' : 'logfmt'],
      ['pod', `app-${stream % 8}-${stream}`],
    ]),
  );
  const perStream = Math.ceil(count / streams);
  const records: Buffer[] = [];
  let [needle, trace, lineBytes, rows] = ['', '', 0, 0];
  const perPush = Math.ceil(rowsPerPush / streams);
  for (let first = 0; first < perStream; first += perPush) {
    const writer = new RowWriter(loopTenant);
    for (let stream = 0; stream < streams; stream++) {
      writer.beginRun(labelsOf[stream]);
      for (let i = first; i < Math.min(perStream, first + perPush); i++) {
        const id = hex(32);
        const line = lineOf(stream % 2 === 0, i, draw, id);
        const ms = i * rowEveryMs;
        writer.addRowText(Math.floor(ms / 1000), (ms % 1000) * 1e6 + draw(1e6), line);
        writer.addMetadata('detected_level', 'info');
        if (i % 3 === 0) writer.addMetadata('trace_id', (trace = hex(32)));
        lineBytes += Buffer.byteLength(line);
        rows++;
        if (first === 0) needle = id;
      }
      writer.endRun();
    }
    records.push(encodeSegment(writer.finish(), { kind: 'record' }));
  }
  return { records, lineBytes, rows, needle, trace, endNs: BigInt(perStream * rowEveryMs) * 1_000_000n };
}

function lineOf(isJson: boolean, row: number, draw: (below: number) => number, id: string): string {
  const level = ['info', 'info', 'info', 'info', 'warn', 'error'][draw(6)];
  const fields: [string, string | number][] = [
    ['ts', `2026-01-01T00:00:${String(row % 60).padStart(2, '0')}Z`],
    ['level', level],
    ['msg', level === 'error' ? 'connection reset by peer' : `request handled by worker ${draw(64)}`],
    ['path', `/api/v1/items/${draw(5000)}`],
    ['status', [200, 200, 204, 404, 500][draw(5)]],
    ['duration_ms', draw(100_000) / 100],
    ['request_id', id],
  ];
  if (isJson) return JSON.stringify(Object.fromEntries(fields));
  const text = (value: string | number) => (String(value).includes(' ') ? JSON.stringify(value) : value);
  return fields.map(([key, value]) => `${key}=${text(value)}`).join(' ');
}

/** Numbers in [0, below), the same in each run. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    // The upper bits of such a generator are the better ones.
    return Math.floor(((state ^ (state >>> 15)) >>> 0) / (2 ** 32 / below));
  };
}
