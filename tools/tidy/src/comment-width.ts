/** The width of comments, as one function for the rule and for the command that mends it. */
import { maskComments } from './mask.ts';

/** Prettier's width of code, which leaves comments alone. */
export const commentColumnsMax = 110;

/** A line of a comment: the text behind its indentation and mark. */
interface CommentLine {
  /** Spaces before the text. */
  readonly indent: number;
  readonly text: string;
}

/** A comment of one line in block form, the mark of a block's lines, or a line comment; then the text. */
const oneLine = /^(\s*)\/\*\*\s(.*?)\s*\*\/$/;
const blockLine = /^(\s*\*)(?!\/)( *)(.*)$/;
const lineComment = /^(\s*\/\/)( *)(.*)$/;

/** Text that is no prose: tables, tags for tools. */
const fixedText = /^(?:\||prettier-|oxlint-|@ts-)/;
/** Text that opens a paragraph of its own: a tag, an item of a list. */
const opensParagraph = /^(?:@\w|- |\d+\. )/;
/** Text this far in is an example or a drawing, unless it continues a tag or an item. */
const exampleIndent = 3;

/** The text with the words of long comment lines moved to the next line. Comments behind code stay. */
export function withWrappedComments(text: string): string {
  if (!text.split('\n').some((line) => line.length > commentColumnsMax)) return text;
  const lines = text.split('\n');
  const code = maskComments(text).split('\n');
  const out: string[] = [];
  for (let at = 0; at < lines.length;) {
    const isComment = code[at].trim() === '';
    const single = isComment && lines[at].length > commentColumnsMax ? oneLine.exec(lines[at]) : null;
    if (single !== null) {
      const [, indent, prose] = single;
      out.push(`${indent}/**`, ...wrapped(`${indent} *`, [{ indent: 1, text: prose }]), `${indent} */`);
      at++;
      continue;
    }
    const pattern = [blockLine, lineComment].find((each) => isComment && each.test(lines[at]));
    if (pattern === undefined) {
      out.push(lines[at++]);
      continue;
    }
    const mark = pattern.exec(lines[at])![1];
    const group: CommentLine[] = [];
    for (; at < lines.length && code[at].trim() === ''; at++) {
      const match = pattern.exec(lines[at]);
      if (match?.[1] !== mark) break;
      group.push({ indent: match[2].length, text: match[3] });
    }
    out.push(...wrapped(mark, group));
  }
  return out.join('\n');
}

function wrapped(mark: string, group: readonly CommentLine[]): string[] {
  const out: string[] = [];
  const pending = [...group];
  /** Indentation of lines that continue the tag or item above. */
  let hanging: number | undefined;
  while (pending.length > 0) {
    const line = pending.shift()!;
    if (opensParagraph.test(line.text)) hanging = hangingIndent(line, pending[0]);
    else if (line.indent !== hanging) hanging = undefined;
    const columns = commentColumnsMax - mark.length - line.indent;
    const isExample = line.indent >= exampleIndent && hanging === undefined;
    const end = line.text.length <= columns || isExample ? -1 : breakBefore(line.text, columns);
    if (end < 0 || fixedText.test(line.text)) {
      out.push(`${mark}${' '.repeat(line.indent)}${line.text}`.trimEnd());
      continue;
    }
    out.push(`${mark}${' '.repeat(line.indent)}${line.text.slice(0, end)}`);
    const overflow = line.text.slice(end + 1);
    const indent = hanging ?? line.indent;
    const next = pending[0];
    if (next !== undefined && next.indent === indent && goesOn(next)) {
      pending[0] = { indent, text: `${overflow} ${next.text}` };
    } else {
      pending.unshift({ indent, text: overflow });
    }
  }
  return out;
}

function goesOn({ text }: CommentLine): boolean {
  return text !== '' && !opensParagraph.test(text) && !fixedText.test(text);
}

function hangingIndent(line: CommentLine, next: CommentLine | undefined): number {
  return next !== undefined && next.indent > line.indent && goesOn(next) ? next.indent : line.indent + 2;
}

/** The last space at or before `columns` that is outside of backticks; -1: none. */
function breakBefore(text: string, columns: number): number {
  for (let at = text.lastIndexOf(' ', columns); at > 0; at = text.lastIndexOf(' ', at - 1)) {
    if (text.slice(0, at).split('`').length % 2 === 0) continue;
    // A line must not begin as an item of a list does.
    if (!opensParagraph.test(text.slice(at + 1))) return at;
  }
  return -1;
}
