import { Labels } from '@loki/model';
import type { LabelSet } from '@loki/ports';
import { BaseLabels, BaseStream } from './base-labels.ts';
import { ByteText } from './byte-text.ts';
import { extractedSuffix } from './error-labels.ts';
import { JsonStage } from './json-stage.ts';
import { sanitizeLabelName } from './label-name.ts';
import { LogfmtStage } from './logfmt-stage.ts';
import { NeededLabels } from './needed-labels.ts';
import { Row } from './row.ts';

/** Fields that a parser found in a line. */
export interface DetectedFields {
  readonly parser: 'json' | 'logfmt';
  /** Label names as the parser stage of a query would make them; values stand at the same index. */
  readonly names: readonly string[];
  readonly values: readonly string[];
}

/** Tries parsers on lines that nobody said the format of: JSON, then logfmt. */
export class FieldDetector {
  readonly #row = new Row();
  readonly #json: JsonStage;
  readonly #logfmt: LogfmtStage;

  constructor() {
    const texts = new ByteText();
    this.#json = new JsonStage(NeededLabels.all, texts);
    this.#logfmt = new LogfmtStage(
      { kind: 'logfmt', strict: false, keepEmpty: false, extractions: [] },
      NeededLabels.all,
      texts,
    );
  }

  /**
   * @param set the labels of the line's entry: a field of the same name becomes `name_extracted`
   * @returns undefined when no parser finds a field
   */
  detect(set: LabelSet, line: Buffer): DetectedFields | undefined {
    const base = new BaseLabels(0, new BaseStream(Labels.fromPairs(set.stream)), set.structuredMetadata);
    const row = this.#row;
    row.reset(base, 0n, 0);
    row.setLineBytes(line);
    this.#json.run(row);
    if (row.error === '') return this.#found('json');
    row.reset(base, 0n, 0);
    row.setLineBytes(line);
    this.#logfmt.run(row);
    return this.#found('logfmt');
  }

  #found(parser: DetectedFields['parser']): DetectedFields | undefined {
    const { parsedNames, parsedValues, parsedCount } = this.#row;
    if (parsedCount === 0) return undefined;
    return { parser, names: parsedNames.slice(0, parsedCount), values: parsedValues.slice(0, parsedCount) };
  }
}

/** Objects nested deeper are not looked into, as by the parser. */
const depthMax = 128;

/**
 * The keys on the way to the value that `| json` makes the label `name` of; undefined when the line has none, or is
 * JSON by the parser's lenience only.
 */
export function jsonPathOf(line: string, name: string): string[] | undefined {
  let object: unknown;
  try {
    object = JSON.parse(line);
  } catch {
    return undefined; // cut off, or not JSON: there is no path to tell
  }
  const plain = name.endsWith(extractedSuffix) ? name.slice(0, -extractedSuffix.length) : name;
  return pathTo(object, name, '', 0) ?? pathTo(object, plain, '', 0);
}

function pathTo(value: unknown, name: string, prefix: string, depth: number): string[] | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || depth >= depthMax)
    return undefined;
  for (const [key, each] of Object.entries(value)) {
    const label = depth === 0 ? sanitizeLabelName(key) : `${prefix}_${sanitizeLabelName(key, true)}`;
    if (typeof each === 'object' && each !== null) {
      if (!name.startsWith(`${label}_`)) continue;
      const rest = pathTo(each, name, label, depth + 1);
      if (rest) return [key, ...rest];
    } else if (each !== null && label === name) return [key];
  }
  return undefined;
}
