/** Lines of one stream of a ledger: each can be told from all others, and made again from its number. */
interface LineMaker {
  /** The run that wrote it: ledgers of several runs may lie in one store. */
  readonly run: string;
  /** Bytes of a line, its head included. */
  readonly lineBytes: number;
}

/**
 * Nanoseconds between two lines of one push. No two lines of a stream share a timestamp: paging rests on it.
 */
export const lineStepNs = 1_000n;

/** Words that lines are filled with: as repetitive as logs are. */
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
 * Which line of which stream this is; undefined: none of ours. The caller compares the text with
 * `ledgerLine`.
 */
export function parseLedgerLine(
  text: string,
): { readonly run: string; readonly stream: number; readonly n: number } | undefined {
  const match = head.exec(text);
  return match ? { run: match[1], stream: Number(match[2]), n: Number(match[3]) } : undefined;
}
