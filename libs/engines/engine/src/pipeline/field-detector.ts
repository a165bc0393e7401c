import { Labels } from '@loki/model';
import type { LabelPair } from '@loki/model';
import { ByteText } from '../common/byte-text.ts';
import { BaseLabels, BaseStream } from './base-labels.ts';
import { JsonStage } from './json-stage.ts';
import { LogfmtStage } from './logfmt-stage.ts';
import { NeededLabels } from './needed-labels.ts';
import { Row } from './row.ts';

/** Fields of one line, valid until the next line is detected. */
interface DetectedFields {
  /**
   * The parser that reads the line: JSON when all of it is JSON, logfmt otherwise, even where that finds no
   * field.
   */
  readonly parser: 'json' | 'logfmt';
  /** Label names as the parser stage of a query would make them; values stand at the same index. */
  readonly names: readonly string[];
  readonly values: readonly string[];
  /** Fields of `names` and `values` that are this line's. */
  readonly count: number;
  /** The keys on the way to field `index` of a JSON line. */
  readonly pathOf: (index: number) => string[];
}

/**
 * Reads lines whose format the query does not name: JSON, then logfmt. Each line is read once by each at
 * most.
 */
export class FieldDetector {
  readonly #row = new Row();
  readonly #json: JsonStage;
  readonly #logfmt: LogfmtStage;
  #stream: readonly LabelPair[] | undefined;
  #base!: BaseLabels;

  constructor() {
    const texts = new ByteText();
    this.#json = new JsonStage(NeededLabels.all, texts, true);
    this.#logfmt = new LogfmtStage(
      { kind: 'logfmt', strict: false, keepEmpty: false, extractions: [] },
      NeededLabels.all,
      texts,
    );
  }

  /**
   * @param stream the stream's labels: a field of such a name becomes `name_extracted`. A name of the
   *   structured metadata stays as it is: both are values of one field.
   */
  detect(stream: readonly LabelPair[], line: Buffer): DetectedFields {
    this.#start(stream, line);
    this.#json.run(this.#row);
    if (this.#row.error === '') return this.#fields('json');
    this.#start(stream, line);
    this.#logfmt.run(this.#row);
    return this.#fields('logfmt');
  }

  #start(stream: readonly LabelPair[], line: Buffer): void {
    if (stream !== this.#stream) {
      this.#stream = stream;
      this.#base = new BaseLabels(0, new BaseStream(Labels.fromPairs(stream)), []);
    }
    this.#row.reset(this.#base, 0n, 0);
    this.#row.setLineBytes(line);
  }

  #fields(parser: DetectedFields['parser']): DetectedFields {
    const { parsedNames, parsedValues, parsedCount } = this.#row;
    return {
      parser,
      names: parsedNames,
      values: parsedValues,
      count: parsedCount,
      pathOf: (index) => this.#json.pathOf(index),
    };
  }
}
