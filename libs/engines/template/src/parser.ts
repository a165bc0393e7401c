/** Parses templates to trees, with Go's error texts. */
import { quoteGo } from '@loki/go';
import type { Token } from './lexer.ts';
import type { BranchNode, Node } from './nodes.ts';
import { PipelineParser, isKeyword, nestingMax } from './pipeline-parser.ts';

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

class Parser extends PipelineParser {
  readonly #definitions = new Map<string, readonly Node[]>();
  #rangeDepth = 0;

  parse(): ParsedTemplate {
    const root: Node[] = [];
    while (this.peek().kind !== 'eof') {
      if (this.peek().kind === 'leftDelim') {
        const delim = this.next();
        const word = this.nextNonSpace();
        if (isKeyword(word, 'define')) {
          this.#definition();
          continue;
        }
        this.ahead.unshift(delim, word);
      }
      const node = this.#textOrAction();
      if (isEnd(node)) this.fail(`unexpected {{${node.kind}}}`);
      root.push(node);
    }
    this.#define(this.name, root);
    return { root: this.#definitions.get(this.name) ?? root, definitions: this.#definitions };
  }

  /** Adds a definition. A definition of space alone does not replace another one and may be replaced. */
  #define(name: string, list: readonly Node[]): void {
    const earlierList = this.#definitions.get(name);
    if (!earlierList || earlierList.every(isBlank)) this.#definitions.set(name, list);
    else if (!list.every(isBlank)) this.fail(`template: multiple definition of template ${quoteGo(name)}`);
  }

  #definition(): void {
    const context = 'define clause';
    const name = this.unquoted(this.expect(context, 'string', 'rawString'));
    this.expect(context, 'rightDelim');
    this.#define(name, this.#body(context));
  }

  /** The nodes up to {{end}}, in a scope of variables of their own. */
  #body(context: string): readonly Node[] {
    const { vars, rangeDepth } = { vars: this.vars, rangeDepth: this.#rangeDepth };
    this.vars = ['$'];
    this.#rangeDepth = 0;
    const { list, end } = this.#list();
    if (end.kind !== 'end') this.fail(`unexpected {{else}} in ${context}`);
    this.vars = vars;
    this.#rangeDepth = rangeDepth;
    return list;
  }

  #list(): { list: Node[]; end: End } {
    const list: Node[] = [];
    if (++this.nesting > nestingMax) this.fail('max expression depth exceeded');
    while (this.peekNonSpace().kind !== 'eof') {
      const node = this.#textOrAction();
      if (isEnd(node)) {
        this.nesting--;
        return { list, end: node };
      }
      list.push(node);
    }
    return this.fail('unexpected EOF');
  }

  #textOrAction(): Node | End {
    const token = this.nextNonSpace();
    if (token.kind === 'text') return { kind: 'text', at: token.at, text: token.text };
    if (token.kind !== 'leftDelim') return this.unexpected(token, 'input');
    this.actionLine = token.line;
    const node = this.#action();
    this.actionLine = 0;
    return node;
  }

  #action(): Node | End {
    const token = this.nextNonSpace();
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
          this.expect('end', 'rightDelim');
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
    this.ahead.unshift(token);
    return { kind: 'action', at: this.peek().at, pipe: this.pipeline('command', 'rightDelim') };
  }

  #jump(token: Token, kind: 'break' | 'continue'): Node {
    this.expect(`{{${kind}}}`, 'rightDelim');
    if (this.#rangeDepth === 0) this.fail(`{{${kind}}} outside {{range}}`);
    return { kind, at: token.at };
  }

  #else(): End {
    const token = this.peekNonSpace();
    if (isKeyword(token, 'if')) return { kind: 'else', follows: 'if' };
    if (isKeyword(token, 'with')) return { kind: 'else', follows: 'with' };
    this.expect('else', 'rightDelim');
    return { kind: 'else', follows: undefined };
  }

  #control(kind: 'if' | 'range' | 'with'): BranchNode {
    const scope = this.vars.length;
    const pipe = this.pipeline(kind, 'rightDelim');
    if (kind === 'range') this.#rangeDepth++;
    const { list, end } = this.#list();
    if (kind === 'range') this.#rangeDepth--;
    let elseList: Node[] | undefined;
    if (end.kind === 'else' && end.follows !== undefined && end.follows === kind) {
      // {{else if}} is an `if` inside the `else`; both share the {{end}}.
      this.nextNonSpace();
      if (++this.nesting > nestingMax) this.fail('max expression depth exceeded');
      elseList = [this.#control(kind)];
      this.nesting--;
    } else if (end.kind === 'else') {
      const elseBranch = this.#list();
      if (elseBranch.end.kind !== 'end') this.fail('expected end; found {{else}}');
      elseList = elseBranch.list;
    }
    this.vars.length = scope;
    return { kind, at: pipe.at, pipe, list, elseList };
  }

  #block(): Node {
    const context = 'block clause';
    const token = this.expect(context, 'string', 'rawString');
    const name = this.unquoted(token);
    const pipe = this.pipeline(context, 'rightDelim');
    this.#define(name, this.#body(context));
    return { kind: 'template', at: token.at, name, pipe };
  }

  #template(): Node {
    const context = 'template clause';
    const token = this.expect(context, 'string', 'rawString');
    const name = this.unquoted(token);
    if (this.peekNonSpace().kind === 'rightDelim') {
      this.nextNonSpace();
      return { kind: 'template', at: token.at, name, pipe: undefined };
    }
    return { kind: 'template', at: token.at, name, pipe: this.pipeline(context, 'rightDelim') };
  }
}

function isEnd(node: Node | End): node is End {
  return node.kind === 'end' || node.kind === 'else';
}

function isBlank(node: Node): boolean {
  return node.kind === 'text' && node.text.trim() === '';
}
