/** Parses pipelines of templates: declarations, commands, operands; with Go's error texts. */
import { quoteGo, unquoteGo } from '@loki/go';
import { TemplateSyntaxError } from './errors.ts';
import { Lexer, describe } from './lexer.ts';
import type { Token, TokenKind } from './lexer.ts';
import { show } from './nodes.ts';
import type { CommandNode, Operand, PipeNode, VariableNode } from './nodes.ts';
import { parseNumber } from './number.ts';

/**
 * Deepest nesting of parentheses and blocks. Go allows 10,000 parentheses, but each level costs some stack
 * frames here.
 */
export const nestingMax = 500;

/** Reads the tokens of a template, and the pipelines among them. */
export class PipelineParser {
  protected readonly name: string;
  readonly #lexer: Lexer;
  readonly #hasFunction: (name: string) => boolean;
  /** Tokens that were read ahead, the next one first. */
  protected ahead: Token[] = [];
  #current: Token = { kind: 'eof', text: '', at: 0, line: 1 };
  protected vars = ['$'];
  protected nesting = 0;
  protected actionLine = 0;

  constructor(text: string, name: string, hasFunction: (name: string) => boolean) {
    this.name = name;
    this.#lexer = new Lexer(text);
    this.#hasFunction = hasFunction;
  }

  protected next(): Token {
    this.#current = this.ahead.shift() ?? this.#lexer.next();
    return this.#current;
  }

  protected peek(): Token {
    if (this.ahead.length === 0) this.ahead.push(this.#lexer.next());
    return this.ahead[0];
  }

  protected nextNonSpace(): Token {
    let token = this.next();
    while (token.kind === 'space') token = this.next();
    return token;
  }

  protected peekNonSpace(): Token {
    const token = this.nextNonSpace();
    this.ahead.unshift(token);
    return token;
  }

  protected fail(message: string): never {
    const { line } = this.ahead[0] ?? this.#current;
    throw new TemplateSyntaxError(`template: ${this.name}:${line}: ${message}`);
  }

  protected unexpected(token: Token, context: string): never {
    this.ahead = [token];
    if (token.kind !== 'error') this.fail(`unexpected ${describe(token)} in ${context}`);
    let extra = '';
    if (this.actionLine !== 0 && this.actionLine !== token.line) {
      extra = ` in action started at ${this.name}:${this.actionLine}`;
      if (token.text.endsWith(' action')) extra = extra.slice(' in action'.length);
    }
    return this.fail(describe(token) + extra);
  }

  protected expect(context: string, ...kinds: TokenKind[]): Token {
    const token = this.nextNonSpace();
    return kinds.includes(token.kind) ? token : this.unexpected(token, context);
  }

  protected unquoted(token: Token): string {
    return unquoteGo(token.text) ?? this.fail('invalid syntax');
  }

  protected pipeline(context: string, end: TokenKind): PipeNode {
    const { at } = this.peekNonSpace();
    const { declares, isAssign } = this.#declarations(context);
    const commands: CommandNode[] = [];
    for (;;) {
      const token = this.nextNonSpace();
      if (token.kind === end) break;
      if (!isOperandStart(token)) this.unexpected(token, context);
      this.ahead.unshift(token);
      commands.push(this.#command());
    }
    if (commands.length === 0) this.fail(`missing value for ${context}`);
    commands.forEach((command, i) => {
      if (i > 0 && ['bool', 'dot', 'nil', 'number', 'string'].includes(command.args[0].kind)) {
        this.fail(`non executable command in pipeline stage ${i + 1}`);
      }
    });
    return { kind: 'pipe', at, isAssign, declares, commands };
  }

  /** `$x :=`, `$x =`, and in a range `$i, $x :=`. */
  #declarations(context: string): { declares: VariableNode[]; isAssign: boolean } {
    const declares: VariableNode[] = [];
    for (;;) {
      const token = this.peekNonSpace();
      if (token.kind !== 'variable') return { declares, isAssign: false };
      this.nextNonSpace();
      const lookahead = this.peek();
      const next = this.peekNonSpace();
      const isComma = next.kind === 'char' && next.text === ',';
      if (next.kind !== 'assign' && next.kind !== 'declare' && !isComma) {
        // A use, not a declaration; the space after it is significant.
        if (lookahead.kind === 'space') this.ahead.unshift(lookahead);
        this.ahead.unshift(token);
        return { declares, isAssign: false };
      }
      this.nextNonSpace();
      declares.push({ kind: 'variable', at: token.at, path: token.text.split('.') });
      this.vars.push(token.text);
      if (!isComma) return { declares, isAssign: next.kind === 'assign' };
      if (context !== 'range' || declares.length >= 2) this.fail(`too many declarations in ${context}`);
      const following = this.peekNonSpace().kind;
      if (following === 'rightDelim' || following === 'rightParen') continue;
      if (following !== 'variable') this.fail('range can only initialize variables');
    }
  }

  #command(): CommandNode {
    const { at } = this.peekNonSpace();
    const args: Operand[] = [];
    for (;;) {
      this.peekNonSpace();
      const operand = this.#operand();
      if (operand) args.push(operand);
      const token = this.next();
      if (token.kind === 'space') continue;
      if (token.kind === 'rightDelim' || token.kind === 'rightParen') this.ahead.unshift(token);
      else if (token.kind !== 'pipe') this.unexpected(token, 'operand');
      break;
    }
    if (args.length === 0) this.fail('empty command');
    return { kind: 'command', at, args };
  }

  #operand(): Operand | undefined {
    const node = this.#term();
    if (!node || this.peek().kind !== 'field') return node;
    const { at } = this.peek();
    const path: string[] = [];
    while (this.peek().kind === 'field') path.push(this.next().text.slice(1));
    if (node.kind === 'field' || node.kind === 'variable') {
      return { ...node, at, path: [...node.path, ...path] };
    }
    if (['bool', 'string', 'number', 'nil', 'dot'].includes(node.kind)) {
      this.fail(`unexpected . after term ${quoteGo(show(node))}`);
    }
    return { kind: 'chain', at, base: node, path };
  }

  #term(): Operand | undefined {
    const token = this.nextNonSpace();
    const { at, text } = token;
    switch (token.kind) {
      case 'identifier':
        if (!this.#hasFunction(text)) this.fail(`function ${quoteGo(text)} not defined`);
        return { kind: 'identifier', at, name: text };
      case 'dot':
        return { kind: 'dot', at };
      case 'variable':
        if (!this.vars.includes(text)) this.fail(`undefined variable ${quoteGo(text)}`);
        return { kind: 'variable', at, path: [text] };
      case 'field':
        return { kind: 'field', at, path: [text.slice(1)] };
      case 'bool':
        return { kind: 'bool', at, value: text === 'true' };
      case 'number':
      case 'charConstant': {
        const parsed = parseNumber(text, token.kind === 'charConstant');
        if (typeof parsed === 'string') this.fail(parsed);
        return { kind: 'number', at, text, ...parsed };
      }
      case 'complex':
        return this.fail(`illegal number syntax: ${quoteGo(text)}`);
      case 'string':
      case 'rawString':
        return { kind: 'string', at, quoted: text, text: this.unquoted(token) };
      case 'leftParen': {
        if (++this.nesting > nestingMax) this.fail('max expression depth exceeded');
        const pipe = this.pipeline('parenthesized pipeline', 'rightParen');
        this.nesting--;
        return pipe;
      }
      default:
    }
    if (isKeyword(token, 'nil')) return { kind: 'nil', at };
    this.ahead.unshift(token);
    return undefined;
  }
}

export function isKeyword(token: Token, word: string): boolean {
  return token.kind === 'keyword' && token.text === word;
}

const operandStarts: readonly TokenKind[] = [
  'bool', 'charConstant', 'complex', 'dot', 'field', 'identifier', 'number', 'rawString', 'string', 'variable', 'leftParen',
]; // prettier-ignore

function isOperandStart(token: Token): boolean {
  return operandStarts.includes(token.kind) || isKeyword(token, 'nil');
}
