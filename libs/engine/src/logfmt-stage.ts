import { type LogfmtStage as LogfmtSyntax, parseLogfmtKey } from '@loki/logql';
import type { ByteText } from './byte-text.ts';
import { errorKinds } from './error-labels.ts';
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

  constructor(syntax: LogfmtSyntax, needed: NeededLabels, texts: ByteText) {
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

/** `| logfmt a="b", c`: only these keys; what is missing becomes an empty label. */
export class LogfmtExtractStage {
  readonly #isStrict: boolean;
  readonly #labels: readonly string[];
  readonly #wanted: readonly Buffer[];
  readonly #texts: ByteText;
  readonly #needed: NeededLabels;
  readonly #decoder = new LogfmtDecoder();
  readonly #isFound: Uint8Array;

  constructor(syntax: LogfmtSyntax, needed: NeededLabels, texts: ByteText) {
    this.#isStrict = syntax.strict;
    this.#labels = syntax.extractions.map((extraction) => extraction.label);
    this.#wanted = syntax.extractions.map((extraction) =>
      Buffer.from(parseLogfmtKey(extraction.expression), 'utf8'),
    );
    this.#isFound = new Uint8Array(this.#labels.length);
    this.#needed = needed;
    this.#texts = texts;
  }

  run(row: Row): boolean {
    const decoder = this.#decoder;
    const bytes = row.bytes;
    decoder.reset(bytes, row.start, row.end);
    this.#isFound.fill(0);
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
      this.#pair(row, bytes);
    }
    for (let i = 0; i < this.#labels.length; i++) {
      if (this.#isFound[i] === 0) row.extractMissing(this.#labels[i]);
    }
    return true;
  }

  #pair(row: Row, bytes: Buffer): void {
    const decoder = this.#decoder;
    const length = decoder.keyEnd - decoder.keyStart;
    for (let i = 0; i < this.#wanted.length; i++) {
      const wanted = this.#wanted[i];
      if (wanted.length !== length || !startsAt(bytes, decoder.keyStart, wanted)) continue;
      if (this.#isFound[i] !== 0) continue;
      this.#isFound[i] = 1;
      const value = decoder.quotedValue ?? this.#texts.text(bytes, decoder.valueStart, decoder.valueEnd);
      row.extract(this.#labels[i], value, this.#needed);
    }
  }
}

function startsAt(bytes: Buffer, at: number, wanted: Buffer): boolean {
  for (let i = 0; i < wanted.length; i++) if (bytes[at + i] !== wanted[i]) return false;
  return true;
}
