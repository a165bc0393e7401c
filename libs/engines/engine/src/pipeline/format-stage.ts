/** The stages `line_format` and `label_format`. */
import type { LabelFormat } from '@loki/logql';
import { compileTemplate, TemplateExecError } from '@loki/template';
import type { Template, TemplateContext } from '@loki/template';
import { ownText } from '../common/byte-text.ts';
import { errorDetailsLabel, errorKinds, errorLabel } from '../common/error-labels.ts';
import type { Row } from './row.ts';

/** The current row as the context of a template. */
class RowContext implements TemplateContext {
  row!: Row;
  /** Labels before the stage changed them; undefined: the current ones. */
  frozen: ReadonlyMap<string, string> | undefined;

  get(name: string): string | undefined {
    if (name === errorLabel && this.row.error !== '') return this.row.error;
    if (name === errorDetailsLabel && this.row.errorDetails !== '') return this.row.errorDetails;
    return this.frozen ? this.frozen.get(name) : this.row.get(name);
  }

  all(): Iterable<readonly [string, string]> {
    const labels = new Map(this.frozen ?? labelsOf(this.row));
    if (this.row.error !== '') labels.set(errorLabel, this.row.error);
    if (this.row.errorDetails !== '') labels.set(errorDetailsLabel, this.row.errorDetails);
    return labels;
  }

  line(): string {
    return this.row.lineText();
  }

  get timestampNs(): bigint {
    return this.row.timestampNs;
  }

  nowNs(): bigint {
    return this.row.nowNs;
  }
}

/**
 * `| line_format`: replaces the line by the output of the template; if the template fails, the line stays and
 * the row gets an error.
 */
export class LineFormatStage {
  readonly #template: Template;
  readonly #context = new RowContext();

  constructor(text: string) {
    this.#template = compileTemplate(text, { name: 'line' });
  }

  run(row: Row): boolean {
    this.#context.row = row;
    const text = execute(this.#template, this.#context);
    if (text !== undefined) row.setLineText(text);
    return true;
  }
}

type CompiledFormat = { label: string; rename: string } | { label: string; template: Template };

/**
 * `| label_format`: applies renames and templates from left to right. All templates see the labels at the
 * time of the first template.
 */
export class LabelFormatStage {
  readonly #formats: readonly CompiledFormat[];
  readonly #context = new RowContext();
  readonly #mustFreeze: boolean;
  readonly #readsLine: boolean;

  constructor(formats: readonly LabelFormat[]) {
    this.#formats = formats.map((format) =>
      'rename' in format
        ? format
        : { label: format.label, template: compileTemplate(format.template, { name: 'label' }) },
    );
    this.#readsLine = this.#formats.some((format) => 'template' in format && format.template.usesLine);
    this.#mustFreeze = this.#formats.filter((format) => 'template' in format).length > 1;
  }

  run(row: Row): boolean {
    this.#context.row = row;
    this.#context.frozen = undefined;
    for (const format of this.#formats) {
      if ('rename' in format) {
        const value = row.get(format.rename);
        if (value === undefined) continue;
        row.drop(format.rename);
        row.set(format.label, value);
        continue;
      }
      if (this.#mustFreeze) this.#context.frozen ??= labelsOf(row);
      const text = execute(format.template, this.#context);
      if (text !== undefined) row.set(format.label, this.#readsLine ? ownText(text, row.lineText()) : text);
    }
    return true;
  }
}

function execute(template: Template, context: RowContext): string | undefined {
  try {
    return template.execute(context);
  } catch (error) {
    if (!(error instanceof TemplateExecError)) throw error;
    context.row.setError(errorKinds.template, error.message);
    return undefined;
  }
}

function labelsOf(row: Row): Map<string, string> {
  const labels = new Map<string, string>();
  const { names, values } = row.base;
  for (let i = 0; i < names.length; i++) if (!row.isHidden(i)) labels.set(names[i], values[i]);
  for (let i = 0; i < row.parsedCount; i++) labels.set(row.parsedNames[i], row.parsedValues[i]);
  return labels;
}
