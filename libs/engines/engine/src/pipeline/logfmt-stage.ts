/** The stage `logfmt`: step *fetch, scan* of a query. */
import { parseLogfmtKey } from '@loki/logql';
import type { LogfmtStageSpec } from '@loki/logql';
import type { ByteText } from '../common/byte-text.ts';
import { errorKinds } from '../common/error-labels.ts';
import { KeyTable } from './key-table.ts';
import { LogfmtDecoder } from './logfmt-decoder.ts';
import type { NeededLabels } from './needed-labels.ts';
import type { Row } from './row.ts';

/** `| logfmt`: extracts labels from all pairs of the line, or from the needed ones. */
export class LogfmtStage {
  readonly #isStrict: boolean;
  readonly #keepEmpty: boolean;
  readonly #needed: NeededLabels;
  readonly #keys: KeyTable;
  readonly #texts: ByteText;
  readonly #decoder = new LogfmtDecoder();

  constructor(syntax: LogfmtStageSpec, needed: NeededLabels, texts: ByteText) {
    this.#isStrict = syntax.strict;
    this.#keepEmpty = syntax.keepEmpty;
    this.#needed = needed;
    this.#keys = new KeyTable(needed);
    this.#texts = texts;
  }

  run(row: Row): boolean {
    const decoder = this.#decoder;
    const keys = this.#keys;
    const bytes = row.bytes;
    decoder.reset(bytes, row.start, row.end);
    keys.startLine();
    let missingCount = this.#needed.enough;
    let previous = -1;
    while (missingCount > 0) {
      // Lines of one program have the same keys in the same order.
      let key = keys.guess(KeyTable.root, previous);
      const isGuessed = key >= 0 && decoder.moveBehind(keys.bytes[key]);
      if (isGuessed) {
        previous = key;
        if (!this.#isStrict && !keys.isWanted[key] && decoder.skipValue()) continue;
      }
      if (!(isGuessed ? decoder.value() : decoder.next())) {
        if (decoder.failure === '') break;
        if (this.#isStrict) {
          row.setError(errorKinds.logfmt, decoder.failure);
          break;
        }
        decoder.skipBadPair();
        continue;
      }
      if (!isGuessed) {
        key = keys.lookup(KeyTable.root, bytes, decoder.keyStart, decoder.keyEnd);
        keys.learn(KeyTable.root, previous, key);
        previous = key;
      }
      if (!keys.isWanted[key] || (!this.#keepEmpty && decoder.valueEnd === decoder.valueStart)) continue;
      const value = decoder.quotedValue ?? this.#texts.text(bytes, decoder.valueStart, decoder.valueEnd);
      if (row.extract(keys.names[key], value, this.#needed)) missingCount--;
    }
    return true;
  }
}

/**
 * `| logfmt a="b", c`: extracts only these keys; a missing key gives an empty label. Of a repeated key of the
 * line the first counts, of a repeated label of the stage the last.
 */
export class LogfmtExtractStage {
  readonly #isStrict: boolean;
  readonly #labels: readonly string[];
  readonly #keys: readonly Buffer[];
  readonly #texts: ByteText;
  readonly #needed: NeededLabels;
  readonly #decoder = new LogfmtDecoder();
  /** Per extraction: the value in the current line. */
  readonly #values: (string | undefined)[];

  constructor(syntax: LogfmtStageSpec, needed: NeededLabels, texts: ByteText) {
    this.#isStrict = syntax.strict;
    const extractions = syntax.extractions.filter(({ label }) => needed.wants(label));
    this.#labels = extractions.map(({ label }) => label);
    this.#keys = extractions.map(({ expression }) => Buffer.from(parseLogfmtKey(expression), 'utf8'));
    this.#values = this.#labels.map(() => undefined);
    this.#needed = needed;
    this.#texts = texts;
  }

  run(row: Row): boolean {
    const decoder = this.#decoder;
    const bytes = row.bytes;
    decoder.reset(bytes, row.start, row.end);
    this.#values.fill(undefined);
    for (;;) {
      if (!decoder.next()) {
        if (decoder.failure === '') break;
        if (this.#isStrict) {
          row.setError(errorKinds.logfmt, decoder.failure);
          break;
        }
        decoder.skipBadPair();
        continue;
      }
      this.#pair(bytes);
    }
    for (let i = 0; i < this.#labels.length; i++) {
      const value = this.#values[i];
      if (value === undefined) row.extractMissing(this.#labels[i]);
      else row.extractAsked(this.#labels[i], value, this.#needed);
    }
    return true;
  }

  #pair(bytes: Buffer): void {
    const decoder = this.#decoder;
    const length = decoder.keyEnd - decoder.keyStart;
    for (let i = 0; i < this.#keys.length; i++) {
      const key = this.#keys[i];
      if (key.length !== length || !startsAt(bytes, decoder.keyStart, key)) continue;
      this.#values[i] ??=
        decoder.quotedValue ?? this.#texts.text(bytes, decoder.valueStart, decoder.valueEnd);
    }
  }
}

function startsAt(bytes: Buffer, at: number, key: Buffer): boolean {
  for (let i = 0; i < key.length; i++) if (bytes[at + i] !== key[i]) return false;
  return true;
}
