/** The canary's options: flags of Loki's canary, and those of the ledger. */
import type { FlagSpecs, FlagValues } from './flags.ts';

const text = (value: string, help: string) => ({ kind: 'text', value, help }) as const;
const number = (value: number, help: string) => ({ kind: 'number', value, help }) as const;
const duration = (value: number, help: string) => ({ kind: 'duration', value, help }) as const;
const bool = (help: string) => ({ kind: 'bool', value: false as boolean, help }) as const;

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

/** Flags of Loki's canary; flags with the prefix `ledger.` are our own. */
export const canaryFlags = {
  addr: text('', 'Loki’s host:port; several, separated by commas, are used in turn.'),
  'tenant-id': text('', 'Tenant, sent as X-Scope-OrgID.'),
  user: text('', 'Name for basic authentication.'),
  pass: text('', 'Password for basic authentication.'),
  tls: bool('Speak TLS.'),
  'ca-file': text('', 'Certificates to trust.'),
  'cert-file': text('', 'Certificate of this client.'),
  'key-file': text('', 'Its key.'),
  insecure: bool('Trust any certificate.'),
  labelname: text('name', 'Label that this canary’s lines are found by.'),
  labelvalue: text('loki-canary', 'Its value.'),
  streamname: text('stream', 'Second label that this canary’s lines are found by.'),
  streamvalue: text('stdout', 'Its value.'),
  labels: text('', 'More labels, name=value, separated by commas.'),
  'query-append': text('', 'Stages to put behind the selector of queries: |= "x".'),
  port: number(3500, 'Port of /metrics, /suspend and /resume.'),
  interval: duration(second, 'Time between two lines.'),
  size: number(100, 'Bytes of a line.'),
  buckets: number(10, 'Buckets of the latency histogram.'),
  push: bool('Push lines to Loki; else they are printed, and an agent takes them there.'),
  wait: duration(minute, 'Time without a line on the websocket after which a query looks for it.'),
  'max-wait': duration(5 * minute, 'A line that queries have not found for so long is missing.'),
  pruneinterval: duration(minute, 'Time between looks at lines that were not received.'),
  'write-timeout': duration(10 * second, 'Time of one push.'),
  'write-min-backoff': duration(500, 'Pause after the first push that failed.'),
  'write-max-backoff': duration(5 * minute, 'The longest pause.'),
  'write-max-retries': number(10, 'Attempts at one push.'),
  'query-timeout': duration(10 * second, 'Time of one query.'),
  'logs-batch-size': number(1, 'Lines of one push.'),
  'logs-batch-size-max': number(1 << 20, 'Bytes of one push.'),
  'out-of-order-percentage': number(0, 'Lines of a hundred that get a time in the past.'),
  'out-of-order-min': duration(30 * second, 'How far back at least.'),
  'out-of-order-max': duration(minute, 'How far back at most.'),
  'metric-test-interval': duration(hour, 'Time between two counts.'),
  'metric-test-range': duration(24 * hour, 'Range of such a count; shorter while the canary is younger.'),
  'spot-check-interval': duration(15 * minute, 'Time between two lines that are remembered.'),
  'spot-check-max': duration(4 * hour, 'Time for which they are queried.'),
  'spot-check-query-rate': duration(minute, 'Time between two rounds of asking.'),
  'spot-check-initial-wait': duration(10 * second, 'Time before the first query for a line.'),
  'cache-test-interval': duration(15 * minute, 'Time between queries with and without the results cache.'),
  'cache-test-range': duration(24 * hour, 'Range of these queries.'),
  'cache-test-now': duration(hour, 'How far back they end.'),
  version: bool('Print the version.'),
  help: bool('Print this.'),
  'ledger.file': text('', 'Ledger mode: number every line, and write the answers to this file.'),
  'ledger.duration': duration(0, 'Ledger mode: push for so long, then judge; 0: until stopped.'),
  'ledger.judge-only': bool('Ledger mode: push nothing, judge the lines of the file.'),
  'ledger.streams': number(20, 'Ledger mode: streams.'),
  'ledger.clients': number(4, 'Ledger mode: clients that push at the same time.'),
  'ledger.rate': number(1000, 'Ledger mode: lines in a second.'),
  'ledger.push-lines': number(50, 'Ledger mode: lines of a push.'),
  'ledger.push-streams': number(5, 'Ledger mode: streams of a push.'),
  'ledger.refused-every': number(100, 'Ledger mode: one of so many pushes is too old to be taken; 0: none.'),
  'ledger.queries': number(2, 'Ledger mode: queries in a second meanwhile.'),
  'ledger.attempts': number(2, 'Ledger mode: attempts before a push or a query has failed.'),
  'ledger.settle': duration(5 * second, 'Ledger mode: time between the last push and the judgement.'),
  'ledger.report': text('', 'Ledger mode: where the report goes; else it is printed.'),
} satisfies FlagSpecs;

/** Values of all flags of the canary, by flag name. */
export type CanaryOptions = FlagValues<typeof canaryFlags>;

/** The URLs of the comma-separated `-addr`; addresses without a scheme get http, or https with `-tls`. */
export function addressesOf(options: CanaryOptions): string[] {
  const scheme = options.tls ? 'https' : 'http';
  return options.addr
    .split(',')
    .map((address) => address.trim())
    .filter((address) => address !== '')
    .map((address) => (/^https?:\/\//.test(address) ? address : `${scheme}://${address}`));
}

/** Tenant and user as headers. */
export function headersOf(options: CanaryOptions): Record<string, string> {
  const { user, pass } = options;
  const tenant = options['tenant-id'];
  return {
    ...(tenant === '' ? {} : { 'x-scope-orgid': tenant }),
    ...(user === '' ? {} : { authorization: `Basic ${Buffer.from(`${user}:${pass}`).toString('base64')}` }),
  };
}

/** Labels of the canary's lines. */
export function labelsOf(options: CanaryOptions): Record<string, string> {
  const labels: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const pair of options.labels.split(',').filter((each) => each.includes('='))) {
    const equals = pair.indexOf('=');
    labels[pair.slice(0, equals).trim()] = pair.slice(equals + 1).trim();
  }
  labels[options.labelname] = options.labelvalue;
  labels[options.streamname] = options.streamvalue;
  return labels;
}

/** `{name="loki-canary",stream="stdout"}`. */
export function selectorOf(labels: Readonly<Record<string, string>>): string {
  const matchers = Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return `{${matchers.join(',')}}`;
}
