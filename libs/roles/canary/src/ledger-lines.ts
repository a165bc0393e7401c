/** Lines of one stream of a ledger: each line is unique, and can be made again from its number. */
interface LineMaker {
  /** The run that wrote the line: one store may have ledgers of several runs. */
  readonly run: string;
  /** Bytes of a line, including its head. */
  readonly lineBytes: number;
}

/**
 * Nanoseconds between two lines of one push. No two lines of a stream share a timestamp: paging depends on
 * it.
 */
export const lineStepNs = 1_000n;

/** Filler words of lines: as repetitive as real logs. */
const words = [
  'GET',
  'POST',
  'user',
  'order',
  'cache',
  'timeout',
  'retry',
  'ok',
  'failed',
  'shard',
  'commit',
];

/** `ledger 3f2a 7 120 order ok retry …`: run, stream, number, filler. */
export function ledgerLine({ run, lineBytes }: LineMaker, stream: number, n: number): string {
  let line = `ledger ${run} ${stream} ${n}`;
  for (let word = stream * 31 + n; line.length < lineBytes; word = (word * 7 + 3) % 1_000_003) {
    line += ` ${words[word % words.length]}`;
  }
  return line.slice(0, Math.max(lineBytes, `ledger ${run} ${stream} ${n}`.length));
}

const head = /^ledger (\S+) (\d+) (\d+)(?: |$)/;

/**
 * The stream and number of a line; undefined: a foreign line. The caller compares the text with `ledgerLine`.
 */
export function parseLedgerLine(
  text: string,
): { readonly run: string; readonly stream: number; readonly n: number } | undefined {
  const match = head.exec(text);
  return match ? { run: match[1], stream: Number(match[2]), n: Number(match[3]) } : undefined;
}
