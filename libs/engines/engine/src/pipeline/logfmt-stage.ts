import { parseLogfmtKey } from '@loki/logql';
import type { LogfmtStageSpec } from '@loki/logql';
import type { ByteText } from '../common/byte-text.ts';
import { errorKinds } from '../common/error-labels.ts';
import { KeyTable } from './key-table.ts';
import { LogfmtDecoder } from './logfmt-decoder.ts';
import type { NeededLabels } from './needed-labels.ts';
import type { Row } from './row.ts';

/** `| logfmt`: labels from all pairs of the line, or from those that are needed. */
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
    let left = this.#needed.enough;
    while (left > 0) {
      if (!decoder.next()) {
        if (decoder.failure === '') break;
        if (this.#isStrict) {
          row.setError(errorKinds.logfmt, decoder.failure);
          break;
        }
        decoder.skipBadPair();
        continue;
      }
      if (!this.#keepEmpty && decoder.valueEnd === decoder.valueStart) continue;
      const key = keys.lookup(KeyTable.root, bytes, decoder.keyStart, decoder.keyEnd);
      if (!keys.isWanted[key]) continue;
      const value = decoder.quotedValue ?? this.#texts.text(bytes, decoder.valueStart, decoder.valueEnd);
      if (row.extract(keys.names[key], value, this.#needed)) left--;
    }
    return true;
  }
}

/**
 * `| logfmt a="b", c`: only these keys; what is missing becomes an empty label. Of a key that a line has
 * twice the first counts, of a label that is asked for twice the last.
 */
export class LogfmtExtractStage {
  readonly #isStrict: boolean;
  readonly #labels: readonly string[];
  readonly #wanted: readonly Buffer[];
  readonly #texts: ByteText;
  readonly #needed: NeededLabels;
  readonly #decoder = new LogfmtDecoder();
  /** Per extraction: the value in the line at hand. */
  readonly #values: (string | undefined)[];

  constructor(syntax: LogfmtStageSpec, needed: NeededLabels, texts: ByteText) {
    this.#isStrict = syntax.strict;
    const extractions = syntax.extractions.filter(({ label }) => needed.wants(label));
    this.#labels = extractions.map(({ label }) => label);
    this.#wanted = extractions.map(({ expression }) => Buffer.from(parseLogfmtKey(expression), 'utf8'));
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
    for (let i = 0; i < this.#wanted.length; i++) {
      const wanted = this.#wanted[i];
      if (wanted.length !== length || !startsAt(bytes, decoder.keyStart, wanted)) continue;
      this.#values[i] ??=
        decoder.quotedValue ?? this.#texts.text(bytes, decoder.valueStart, decoder.valueEnd);
    }
  }
}

function startsAt(bytes: Buffer, at: number, wanted: Buffer): boolean {
  for (let i = 0; i < wanted.length; i++) if (bytes[at + i] !== wanted[i]) return false;
  return true;
}
