/** Templates over log entries: `line_format` and `label_format`. */
import { compileTree } from './compile.ts';
import { functions } from './functions.ts';
import { parseTemplate } from './parser.ts';
import { findReferences } from './references.ts';
import { RegexCache, Source, State } from './state.ts';
import type { TemplateContext } from './state.ts';

/** A compiled template. Executions share nothing but compiled regular expressions. */
export interface Template {
  /** Labels that the template names; with `usesAllLabels` it may read others too. */
  readonly labelNames: ReadonlySet<string>;
  readonly usesAllLabels: boolean;
  readonly usesLine: boolean;
  readonly usesTimestamp: boolean;
  /**
   * The output of the template for an entry.
   *
   * Bounded: 1 MiB of text, 100,000 nodes visited, 16 Mi characters read and produced by functions, 200
   * nested template calls. It calls `checkInterrupt` from time to time.
   *
   * @throws TemplateExecError in Go's words
   */
  execute(context: TemplateContext): string;
}

/**
 * Compiles Go's text/template with Loki's functions; a missing label is the empty string.
 *
 * @param options.name the template's name in errors: `line` for line_format, `label` for label_format
 * @throws TemplateSyntaxError in Go's words
 */
export function compileTemplate(text: string, options: { readonly name: string }): Template {
  const parsed = parseTemplate(text, options.name, (name) => functions.has(name));
  const run = compileTree(parsed, functions);
  const source = new Source(options.name, text);
  const regexes = new RegexCache();
  return {
    ...findReferences(parsed),
    execute(context) {
      const state = new State(context, source, regexes);
      run(state, state);
      return state.out;
    },
  };
}
