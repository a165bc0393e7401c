/** The state of one execution of a template, with its budgets. */
import { quoteGo } from '@loki/go';
import { BoundedMap, checkInterrupt } from '@loki/model';
import { compileRegex } from '@loki/regex';
import type { Regex } from '@loki/regex';
import { CallError, TemplateExecError } from './errors.ts';
import type { CallContext } from './function-types.ts';
import { show } from './nodes.ts';
import type { AnyNode } from './nodes.ts';
import { isList, isMap } from './values.ts';
import type { LabelMap, Value } from './values.ts';

/** The entry for which a template is executed. */
export interface TemplateContext {
  /** A label of the entry; undefined prints as the empty string. */
  get(name: string): string | undefined;
  line(): string;
  readonly timestampNs: bigint;
  nowNs(): bigint;
  /** All labels, for templates that use the whole dot; absent: such templates see no labels. */
  all?(): Iterable<readonly [string, string]>;
}

/**
 * Most characters of the output and of each intermediate value of one execution. Loki has no such limit; it
 * protects memory.
 */
const outputCharsMax = 1 << 20;
/** Most nodes that one execution may visit, about 0.2 s: {{ range 1000000000 }} is a valid template. */
const stepsMax = 100_000;
/**
 * Most characters that functions may read and produce in one execution: a loop of 90,000 rounds is harmless,
 * but not 90,000 texts of a megabyte. Fast functions take 1 ns a character, slow ones 0.3 us.
 */
const charsMax = 1 << 24;
/** Characters and steps between two checks for interruption. */
const charsPerCheck = 1 << 18;
const stepsPerCheck = 1 << 10;
/** The cost of compiling a regular expression, in characters per instruction. */
const charsPerInstruction = 16;
/** The minimum cost of an element of a list or map, in characters. */
const charsPerElement = 16;
/** Deepest nesting of template calls. Go stops at 100,000, but each call costs some stack frames here. */
export const templateDepthMax = 200;

/** Most cached regular expressions of one template: a pattern may come from a label. */
const regexesMax = 128;

export class RegexCache {
  readonly #compiled = new BoundedMap<string, Regex>(regexesMax);

  /** @param onNew called for an expression that had to be compiled */
  get(pattern: string, onNew: (regex: Regex) => void): Regex {
    let regex = this.#compiled.get(pattern);
    if (regex) return regex;
    regex = compileRegex(pattern);
    onNew(regex);
    this.#compiled.set(pattern, regex);
    return regex;
  }
}

/** The state of one execution. */
export class State implements CallContext, LabelMap {
  readonly isLabelMap = true;
  readonly #context: TemplateContext;
  readonly #regexes: RegexCache;
  readonly #source: Source;
  /** The output so far. */
  out = '';
  /** The current node, for errors. */
  node: AnyNode | undefined;
  /** Name of the current template. */
  template: string;
  depth = 0;
  /** Whether the dot is an element of a list or map of any values; Go's errors then show its type. */
  isDotElement = false;
  /** Variables in order of declaration; the last one of a name applies. */
  names: string[] = ['$'];
  values: Value[] = [this];
  #stepsLeft = stepsMax;
  #charsLeft = charsMax;
  #checkedAtChars = charsMax;

  constructor(context: TemplateContext, source: Source, regexes: RegexCache) {
    this.#context = context;
    this.#source = source;
    this.#regexes = regexes;
    this.template = source.name;
  }

  get(name: string): string | undefined {
    return this.#context.get(name);
  }

  all(): Iterable<readonly [string, string]> {
    return this.#context.all?.() ?? [];
  }

  line(): string {
    return this.#context.line();
  }

  get timestampNs(): bigint {
    return this.#context.timestampNs;
  }

  nowNs(): bigint {
    return this.#context.nowNs();
  }

  regex(pattern: string): Regex {
    return this.#regexes.get(pattern, ({ size }) => this.charge(size * charsPerInstruction));
  }

  checkSize(chars: number): void {
    if (chars > outputCharsMax) throw new CallError(`result exceeds ${outputCharsMax} characters`);
  }

  write(text: string): void {
    this.out += text;
    if (this.out.length > outputCharsMax) this.fail(`output exceeds ${outputCharsMax} characters`);
  }

  step(): void {
    if (--this.#stepsLeft < 0) {
      this.fail(`exceeded maximum number of steps (${stepsMax})`);
    }
    if (this.#stepsLeft % stepsPerCheck === 0) {
      checkInterrupt();
    }
  }

  /** To be called for characters that are about to be read, or were made. */
  charge(chars: number): void {
    this.#charsLeft -= chars;
    if (this.#charsLeft < 0) {
      this.fail(`exceeded maximum number of characters read and made (${charsMax})`);
    }
    if (this.#checkedAtChars - this.#charsLeft >= charsPerCheck) {
      this.#checkedAtChars = this.#charsLeft;
      checkInterrupt();
    }
  }

  chargeValue(value: Value): void {
    if (typeof value === 'string') {
      this.charge(value.length);
    } else if (typeof value === 'object' && value !== null) {
      const count = isList(value) ? value.length : isMap(value) ? value.size : 1;
      this.charge(count * charsPerElement);
    }
  }

  variable(name: string): Value {
    const at = this.names.lastIndexOf(name);
    return at < 0 ? this.fail(`undefined variable: ${name}`) : this.values[at];
  }

  declare(name: string, value: Value): void {
    this.names.push(name);
    this.values.push(value);
  }

  assign(name: string, value: Value): void {
    const at = this.names.lastIndexOf(name);
    if (at < 0) this.fail(`undefined variable: ${name}`);
    this.values[at] = value;
  }

  /** Drops the variables after the first `count`. */
  popTo(count: number): void {
    this.names.length = count;
    this.values.length = count;
  }

  /** Ends the execution, in Go's words. */
  fail(message: string): never {
    const place = this.node
      ? `${this.#source.place(this.node.at)}: executing ${quoteGo(this.template)} at <${show(this.node)}>`
      : this.template;
    throw new TemplateExecError(`template: ${place}: ${message}`);
  }
}

/** The text of a template, which gives the places of errors. */
export class Source {
  readonly name: string;
  readonly #text: string;

  constructor(name: string, text: string) {
    this.name = name;
    this.#text = text;
  }

  /** name:line:column; lines count from 1, columns from 0 and in bytes. */
  place(at: number): string {
    const preceding = this.#text.slice(0, at);
    const lineStart = preceding.lastIndexOf('\n') + 1;
    const line = preceding.split('\n').length;
    return `${this.name}:${line}:${Buffer.byteLength(preceding.slice(lineStart), 'utf8')}`;
  }
}
