/** Detects the fields of lines in an unknown format: the route `/detected_fields`. */
import { Labels } from '@loki/model';
import type { LabelPair } from '@loki/model';
import { ByteText } from '../common/byte-text.ts';
import { BaseLabels, BaseStream } from './base-labels.ts';
import { JsonStage } from './json-stage.ts';
import { LogfmtStage } from './logfmt-stage.ts';
import { NeededLabels } from './needed-labels.ts';
import { Row } from './row.ts';

/** The fields of one line, valid until the next call. */
interface DetectedFields {
  /** The parser of the line: JSON if the whole line is JSON, else logfmt, even if it finds no field. */
  readonly parser: 'json' | 'logfmt';
  /** Label names as the parser stage creates them; values have the same index. */
  readonly names: readonly string[];
  readonly values: readonly string[];
  /** Number of fields of this line in `names` and `values`. */
  readonly count: number;
  /** The path of keys to field `index` of a JSON line. */
  readonly pathOf: (index: number) => string[];
}

/** Parses lines whose format is unknown: as JSON, then as logfmt, each at most once. */
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
   * @param stream the stream's labels: a field with such a name becomes `name_extracted`. A name of the
   *   structured metadata is not changed: both are values of one field.
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
