/** `lokictl query`, `labels`, `explain`: queries a running server. */
import { AdminClient, adminFlags } from './admin-client.ts';
import type { Command, ParsedArgs } from './command.ts';
import { paramsOf, queryFlags, rangeFlags, tenantHeaders } from './query-flags.ts';

interface Answer {
  readonly warnings?: readonly string[];
  readonly data: {
    readonly resultType: string;
    readonly result: unknown;
  };
}

interface Row {
  readonly stream: Readonly<Record<string, string>>;
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [time: string | number, text: string])[];
  readonly value: readonly [time: number, text: string];
}

const rangeNames = ['start', 'end', 'since'];
const queryNames = [...rangeNames, 'limit', 'direction', 'step', 'time'];

function queryParams(args: ParsedArgs): URLSearchParams {
  const params = paramsOf(args, queryNames);
  params.set('query', args.positional[0]);
  return params;
}

/** `lokictl query` */
export const query: Command = {
  words: ['query'],
  arguments: ['QUERY'],
  summary: 'Runs a LogQL query. Prints lines with their time and labels, or series with their samples.',
  flags: queryFlags,
  async run(args, io) {
    const client = await AdminClient.one(args, io);
    const params = queryParams(args);
    const path = `/loki/api/v1/${params.has('time') ? 'query' : 'query_range'}?${params.toString()}`;
    const answer = await client.json<Answer>(path, tenantHeaders(args));
    for (const warning of answer.warnings ?? []) io.err(`warning: ${warning}\n`);
    if (args.flags.has('json')) io.out(`${JSON.stringify(answer)}\n`);
    else for (const line of linesOf(answer, params.get('direction') === 'forward')) io.out(`${line}\n`);
    return 0;
  },
};

/** `lokictl labels` */
export const labels: Command = {
  words: ['labels'],
  arguments: ['[NAME]'],
  summary: 'Lists the names of labels, or the values of one label.',
  flags: [
    ...rangeFlags,
    { name: 'query', value: 'SELECTOR', summary: 'only labels of these streams' },
    ...adminFlags,
  ],
  async run(args, io) {
    const client = await AdminClient.one(args, io);
    const [name] = args.positional;
    const params = paramsOf(args, [...rangeNames, 'query']).toString();
    const route = name === undefined ? 'labels' : `label/${encodeURIComponent(name)}/values`;
    const { data = [] } = await client.json<{ data?: string[] }>(
      `/loki/api/v1/${route}?${params}`,
      tenantHeaders(args),
    );
    if (args.flags.has('json')) io.out(`${JSON.stringify(data)}\n`);
    else for (const each of data) io.out(`${each}\n`);
    return 0;
  },
};

interface PlanNode {
  readonly operation: string;
  readonly query: string;
  readonly leaf?: number;
  readonly inputs?: readonly PlanNode[];
}

interface Explained {
  readonly data: {
    readonly plan: PlanNode;
    readonly leaves: readonly {
      readonly selected: { readonly streams: number };
      readonly segments: number;
      readonly blocks: Readonly<Record<string, number>>;
      readonly lines: number;
      readonly lineBytes: number;
      readonly storedBytes: number;
      readonly seconds: number;
    }[];
    readonly estimate: { readonly seconds: number; readonly cpuSeconds: number };
  };
}

/** `lokictl explain` */
export const explain: Command = {
  words: ['explain'],
  arguments: ['QUERY'],
  summary: 'Shows the plan of a query and the data that it would read, without running it.',
  flags: queryFlags,
  async run(args, io) {
    const client = await AdminClient.one(args, io);
    const params = queryParams(args);
    const answer = await client.json<Explained>(
      `/loki/api/v1/explain?${params.toString()}`,
      tenantHeaders(args),
    );
    if (args.flags.has('json')) io.out(`${JSON.stringify(answer.data)}\n`);
    else for (const line of explainedLines(answer)) io.out(`${line}\n`);
    return 0;
  },
};

function* explainedLines({ data }: Explained): Generator<string> {
  yield* planLines(data.plan, '');
  for (const [i, leaf] of data.leaves.entries()) {
    const { total, outOfTime, ofOtherStreams, ruledOutByFilter, answeredByDirectory, toRead } = leaf.blocks;
    yield '';
    yield `leaf ${i}: ${leaf.selected.streams} streams, ${leaf.segments} segments`;
    yield `  blocks: ${total}; not in time ${outOfTime}, of other streams ${ofOtherStreams}, ruled out by search filters ${ruledOutByFilter ?? 0}, answered from the index ${answeredByDirectory}, to read ${toRead}`;
    yield `  reads ${leaf.lines} lines, ${sizeText(leaf.lineBytes)} of them, ${sizeText(leaf.storedBytes)} stored; about ${leaf.seconds} s`;
  }
  yield '';
  yield `about ${data.estimate.seconds} s, ${data.estimate.cpuSeconds} s of CPU`;
}

function* planLines(node: PlanNode, indent: string): Generator<string> {
  const leaf = node.leaf === undefined ? '' : ` [leaf ${node.leaf}]`;
  yield `${indent}${node.operation}${leaf}  ${node.query}`;
  for (const input of node.inputs ?? []) yield* planLines(input, `${indent}  `);
}

function sizeText(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} KB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function* linesOf({ data }: Answer, isForward: boolean): Generator<string> {
  if (data.resultType === 'scalar') {
    yield (data.result as [number, string])[1];
    return;
  }
  const rows = data.result as readonly Row[];
  if (data.resultType === 'streams') {
    const entries = rows.flatMap(({ stream, values }) =>
      values.map(([ns, line]) => ({ ns: BigInt(ns), line, stream })),
    );
    const sign = isForward ? 1 : -1;
    entries.sort((a, b) => (a.ns === b.ns ? 0 : a.ns < b.ns ? -sign : sign));
    for (const { ns, line, stream } of entries) yield `${timeOf(ns)} ${labelsOf(stream)} ${line}`;
    return;
  }
  for (const { metric, value, values } of rows) {
    const samples = value ? [value] : values;
    for (const [second, text] of samples) {
      yield `${new Date(Number(second) * 1000).toISOString()} ${labelsOf(metric)} ${text}`;
    }
  }
}

/** RFC 3339 with nanoseconds. */
function timeOf(ns: bigint): string {
  const seconds = new Date(Number(ns / 1_000_000n)).toISOString().slice(0, 19);
  return `${seconds}.${String(ns % 1_000_000_000n).padStart(9, '0')}Z`;
}

function labelsOf(pairs: Readonly<Record<string, string>>): string {
  const items = Object.entries(pairs).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return `{${items.join(', ')}}`;
}
