/** Parses templates to trees, with Go's error texts. */
import { quoteGo, unquoteGo } from '@loki/go';
import { TemplateSyntaxError } from './errors.ts';
import { describe, Lexer } from './lexer.ts';
import type { Token, TokenKind } from './lexer.ts';
import { show } from './nodes.ts';
import type { BranchNode, CommandNode, Node, Operand, PipeNode, VariableNode } from './nodes.ts';
import { parseNumber } from './number.ts';

/**
 * Deepest nesting of parentheses and blocks. Go allows 10,000 parentheses, but each level costs some stack
 * frames here.
 */
const nestingMax = 500;

export interface ParsedTemplate {
  readonly root: readonly Node[];
  /** Templates of {{define}} and {{block}} by name. */
  readonly definitions: ReadonlyMap<string, readonly Node[]>;
}

/**
 * Parses Go's text/template.
 *
 * @param name the template's name in errors
 * @param hasFunction whether a function of that name exists
 * @throws TemplateSyntaxError in Go's words
 */
export function parseTemplate(
  text: string,
  name: string,
  hasFunction: (name: string) => boolean,
): ParsedTemplate {
  return new Parser(text, name, hasFunction).parse();
}

/** The end of a list of nodes. */
type End = { readonly kind: 'end' } | { readonly kind: 'else'; readonly follows: 'if' | 'with' | undefined };

class Parser {
  readonly #name: string;
  readonly #lexer: Lexer;
  readonly #hasFunction: (name: string) => boolean;
  readonly #definitions = new Map<string, readonly Node[]>();
  /** Tokens that were read ahead, the next one first. */
  #ahead: Token[] = [];
  #current: Token = { kind: 'eof', text: '', at: 0, line: 1 };
  #vars = ['$'];
  #rangeDepth = 0;
  #nesting = 0;
  #actionLine = 0;

  constructor(text: string, name: string, hasFunction: (name: string) => boolean) {
    this.#name = name;
    this.#lexer = new Lexer(text);
    this.#hasFunction = hasFunction;
  }

  parse(): ParsedTemplate {
    const root: Node[] = [];
    while (this.#peek().kind !== 'eof') {
      if (this.#peek().kind === 'leftDelim') {
        const delim = this.#next();
        const word = this.#nextNonSpace();
        if (isKeyword(word, 'define')) {
          this.#definition();
          continue;
        }
        this.#ahead.unshift(delim, word);
      }
      const node = this.#textOrAction();
      if (isEnd(node)) this.#fail(`unexpected {{${node.kind}}}`);
      root.push(node);
    }
    this.#define(this.#name, root);
    return { root: this.#definitions.get(this.#name) ?? root, definitions: this.#definitions };
  }

  #next(): Token {
    this.#current = this.#ahead.shift() ?? this.#lexer.next();
    return this.#current;
  }

  #peek(): Token {
    if (this.#ahead.length === 0) this.#ahead.push(this.#lexer.next());
    return this.#ahead[0];
  }

  #nextNonSpace(): Token {
    let token = this.#next();
    while (token.kind === 'space') token = this.#next();
    return token;
  }

  #peekNonSpace(): Token {
    const token = this.#nextNonSpace();
    this.#ahead.unshift(token);
    return token;
  }

  #fail(message: string): never {
    const { line } = this.#ahead[0] ?? this.#current;
    throw new TemplateSyntaxError(`template: ${this.#name}:${line}: ${message}`);
  }

  #unexpected(token: Token, context: string): never {
    this.#ahead = [token];
    if (token.kind !== 'error') this.#fail(`unexpected ${describe(token)} in ${context}`);
    let extra = '';
    if (this.#actionLine !== 0 && this.#actionLine !== token.line) {
      extra = ` in action started at ${this.#name}:${this.#actionLine}`;
      if (token.text.endsWith(' action')) extra = extra.slice(' in action'.length);
    }
    return this.#fail(describe(token) + extra);
  }

  #expect(context: string, ...kinds: TokenKind[]): Token {
    const token = this.#nextNonSpace();
    return kinds.includes(token.kind) ? token : this.#unexpected(token, context);
  }

  /** Adds a definition. A definition of space alone does not replace another one and may be replaced. */
  #define(name: string, list: readonly Node[]): void {
    const earlierList = this.#definitions.get(name);
    if (!earlierList || earlierList.every(isBlank)) this.#definitions.set(name, list);
    else if (!list.every(isBlank)) this.#fail(`template: multiple definition of template ${quoteGo(name)}`);
  }

  #definition(): void {
    const context = 'define clause';
    const name = this.#unquoted(this.#expect(context, 'string', 'rawString'));
    this.#expect(context, 'rightDelim');
    this.#define(name, this.#body(context));
  }

  /** The nodes up to {{end}}, in a scope of variables of their own. */
  #body(context: string): readonly Node[] {
    const { vars, rangeDepth } = { vars: this.#vars, rangeDepth: this.#rangeDepth };
    this.#vars = ['$'];
    this.#rangeDepth = 0;
    const { list, end } = this.#list();
    if (end.kind !== 'end') this.#fail(`unexpected {{else}} in ${context}`);
    this.#vars = vars;
    this.#rangeDepth = rangeDepth;
    return list;
  }

  #unquoted(token: Token): string {
    return unquoteGo(token.text) ?? this.#fail('invalid syntax');
  }

  #list(): { list: Node[]; end: End } {
    const list: Node[] = [];
    if (++this.#nesting > nestingMax) this.#fail('max expression depth exceeded');
    while (this.#peekNonSpace().kind !== 'eof') {
      const node = this.#textOrAction();
      if (isEnd(node)) {
        this.#nesting--;
        return { list, end: node };
      }
      list.push(node);
    }
    return this.#fail('unexpected EOF');
  }

  #textOrAction(): Node | End {
    const token = this.#nextNonSpace();
    if (token.kind === 'text') return { kind: 'text', at: token.at, text: token.text };
    if (token.kind !== 'leftDelim') return this.#unexpected(token, 'input');
    this.#actionLine = token.line;
    const node = this.#action();
    this.#actionLine = 0;
    return node;
  }

  #action(): Node | End {
    const token = this.#nextNonSpace();
    if (token.kind === 'keyword') {
      switch (token.text) {
        case 'block':
          return this.#block();
        case 'break':
        case 'continue':
          return this.#jump(token, token.text);
        case 'else':
          return this.#else();
        case 'end':
          this.#expect('end', 'rightDelim');
          return { kind: 'end' };
        case 'if':
        case 'range':
        case 'with':
          return this.#control(token.text);
        case 'template':
          return this.#template();
        default:
      }
    }
    this.#ahead.unshift(token);
    return { kind: 'action', at: this.#peek().at, pipe: this.#pipeline('command', 'rightDelim') };
  }

  #jump(token: Token, kind: 'break' | 'continue'): Node {
    this.#expect(`{{${kind}}}`, 'rightDelim');
    if (this.#rangeDepth === 0) this.#fail(`{{${kind}}} outside {{range}}`);
    return { kind, at: token.at };
  }

  #else(): End {
    const token = this.#peekNonSpace();
    if (isKeyword(token, 'if')) return { kind: 'else', follows: 'if' };
    if (isKeyword(token, 'with')) return { kind: 'else', follows: 'with' };
    this.#expect('else', 'rightDelim');
    return { kind: 'else', follows: undefined };
  }

  #control(kind: 'if' | 'range' | 'with'): BranchNode {
    const scope = this.#vars.length;
    const pipe = this.#pipeline(kind, 'rightDelim');
    if (kind === 'range') this.#rangeDepth++;
    const { list, end } = this.#list();
    if (kind === 'range') this.#rangeDepth--;
    let elseList: Node[] | undefined;
    if (end.kind === 'else' && end.follows !== undefined && end.follows === kind) {
      // {{else if}} is an `if` inside the `else`; both share the {{end}}.
      this.#nextNonSpace();
      if (++this.#nesting > nestingMax) this.#fail('max expression depth exceeded');
      elseList = [this.#control(kind)];
      this.#nesting--;
    } else if (end.kind === 'else') {
      const elseBranch = this.#list();
      if (elseBranch.end.kind !== 'end') this.#fail('expected end; found {{else}}');
      elseList = elseBranch.list;
    }
    this.#vars.length = scope;
    return { kind, at: pipe.at, pipe, list, elseList };
  }

  #block(): Node {
    const context = 'block clause';
    const token = this.#expect(context, 'string', 'rawString');
    const name = this.#unquoted(token);
    const pipe = this.#pipeline(context, 'rightDelim');
    this.#define(name, this.#body(context));
    return { kind: 'template', at: token.at, name, pipe };
  }

  #template(): Node {
    const context = 'template clause';
    const token = this.#expect(context, 'string', 'rawString');
    const name = this.#unquoted(token);
    if (this.#peekNonSpace().kind === 'rightDelim') {
      this.#nextNonSpace();
      return { kind: 'template', at: token.at, name, pipe: undefined };
    }
    return { kind: 'template', at: token.at, name, pipe: this.#pipeline(context, 'rightDelim') };
  }

  #pipeline(context: string, end: TokenKind): PipeNode {
    const { at } = this.#peekNonSpace();
    const { declares, isAssign } = this.#declarations(context);
    const commands: CommandNode[] = [];
    for (;;) {
      const token = this.#nextNonSpace();
      if (token.kind === end) break;
      if (!isOperandStart(token)) this.#unexpected(token, context);
      this.#ahead.unshift(token);
      commands.push(this.#command());
    }
    if (commands.length === 0) this.#fail(`missing value for ${context}`);
    commands.forEach((command, i) => {
      if (i > 0 && ['bool', 'dot', 'nil', 'number', 'string'].includes(command.args[0].kind)) {
        this.#fail(`non executable command in pipeline stage ${i + 1}`);
      }
    });
    return { kind: 'pipe', at, isAssign, declares, commands };
  }

  /** `$x :=`, `$x =`, and in a range `$i, $x :=`. */
  #declarations(context: string): { declares: VariableNode[]; isAssign: boolean } {
    const declares: VariableNode[] = [];
    for (;;) {
      const token = this.#peekNonSpace();
      if (token.kind !== 'variable') return { declares, isAssign: false };
      this.#nextNonSpace();
      const lookahead = this.#peek();
      const next = this.#peekNonSpace();
      const isComma = next.kind === 'char' && next.text === ',';
      if (next.kind !== 'assign' && next.kind !== 'declare' && !isComma) {
        // A use, not a declaration; the space after it is significant.
        if (lookahead.kind === 'space') this.#ahead.unshift(lookahead);
        this.#ahead.unshift(token);
        return { declares, isAssign: false };
      }
      this.#nextNonSpace();
      declares.push({ kind: 'variable', at: token.at, path: token.text.split('.') });
      this.#vars.push(token.text);
      if (!isComma) return { declares, isAssign: next.kind === 'assign' };
      if (context !== 'range' || declares.length >= 2) this.#fail(`too many declarations in ${context}`);
      const following = this.#peekNonSpace().kind;
      if (following === 'rightDelim' || following === 'rightParen') continue;
      if (following !== 'variable') this.#fail('range can only initialize variables');
    }
  }

  #command(): CommandNode {
    const { at } = this.#peekNonSpace();
    const args: Operand[] = [];
    for (;;) {
      this.#peekNonSpace();
      const operand = this.#operand();
      if (operand) args.push(operand);
      const token = this.#next();
      if (token.kind === 'space') continue;
      if (token.kind === 'rightDelim' || token.kind === 'rightParen') this.#ahead.unshift(token);
      else if (token.kind !== 'pipe') this.#unexpected(token, 'operand');
      break;
    }
    if (args.length === 0) this.#fail('empty command');
    return { kind: 'command', at, args };
  }

  #operand(): Operand | undefined {
    const node = this.#term();
    if (!node || this.#peek().kind !== 'field') return node;
    const { at } = this.#peek();
    const path: string[] = [];
    while (this.#peek().kind === 'field') path.push(this.#next().text.slice(1));
    if (node.kind === 'field' || node.kind === 'variable') {
      return { ...node, at, path: [...node.path, ...path] };
    }
    if (['bool', 'string', 'number', 'nil', 'dot'].includes(node.kind)) {
      this.#fail(`unexpected . after term ${quoteGo(show(node))}`);
    }
    return { kind: 'chain', at, base: node, path };
  }

  #term(): Operand | undefined {
    const token = this.#nextNonSpace();
    const { at, text } = token;
    switch (token.kind) {
      case 'identifier':
        if (!this.#hasFunction(text)) this.#fail(`function ${quoteGo(text)} not defined`);
        return { kind: 'identifier', at, name: text };
      case 'dot':
        return { kind: 'dot', at };
      case 'variable':
        if (!this.#vars.includes(text)) this.#fail(`undefined variable ${quoteGo(text)}`);
        return { kind: 'variable', at, path: [text] };
      case 'field':
        return { kind: 'field', at, path: [text.slice(1)] };
      case 'bool':
        return { kind: 'bool', at, value: text === 'true' };
      case 'number':
      case 'charConstant': {
        const parsed = parseNumber(text, token.kind === 'charConstant');
        if (typeof parsed === 'string') this.#fail(parsed);
        return { kind: 'number', at, text, ...parsed };
      }
      case 'complex':
        return this.#fail(`illegal number syntax: ${quoteGo(text)}`);
      case 'string':
      case 'rawString':
        return { kind: 'string', at, quoted: text, text: this.#unquoted(token) };
      case 'leftParen': {
        if (++this.#nesting > nestingMax) this.#fail('max expression depth exceeded');
        const pipe = this.#pipeline('parenthesized pipeline', 'rightParen');
        this.#nesting--;
        return pipe;
      }
      default:
    }
    if (isKeyword(token, 'nil')) return { kind: 'nil', at };
    this.#ahead.unshift(token);
    return undefined;
  }
}

function isEnd(node: Node | End): node is End {
  return node.kind === 'end' || node.kind === 'else';
}

function isBlank(node: Node): boolean {
  return node.kind === 'text' && node.text.trim() === '';
}

function isKeyword(token: Token, word: string): boolean {
  return token.kind === 'keyword' && token.text === word;
}

const operandStarts: readonly TokenKind[] = [
  'bool', 'charConstant', 'complex', 'dot', 'field', 'identifier', 'number', 'rawString', 'string', 'variable', 'leftParen',
]; // prettier-ignore

function isOperandStart(token: Token): boolean {
  return operandStarts.includes(token.kind) || isKeyword(token, 'nil');
}
