/** Expands `${NAME}` in configuration files (`-config.expand-env`). */

/** Thrown for a reference that cannot be parsed; the message names it. */
export class ExpandError extends Error {}

/** `${A:-${B:-…}}` deeper than this is refused. */
const nestingMax = 16;

/**
 * Replaces `${NAME}` and the shell-like forms `${NAME:-default}`, `${NAME-default}`, `${NAME:=default}`,
 * `${NAME=default}`, `${#NAME}`, `${NAME^}`, `${NAME^^}`, `${NAME,}`, `${NAME,,}`, `${NAME:from}`,
 * `${NAME:from:length}`, `${NAME#pattern}`, `${NAME##pattern}`, `${NAME%pattern}`, `${NAME%%pattern}`,
 * `${NAME/old/new}`, `${NAME//old/new}`, `${NAME/#old/new}`, `${NAME/%old/new}`. Names are case-sensitive, an
 * undefined variable is empty, and `$$` is no escape.
 *
 * @throws ExpandError for a `${` that never closes or whose name is invalid
 */
export function expandEnv(text: string, env: (name: string) => string | undefined, depth = 0): string {
  if (depth > nestingMax) throw new ExpandError('variables nested too deeply');
  let out = '';
  let from = 0;
  for (;;) {
    const at = text.indexOf('${', from);
    if (at < 0) return out + text.slice(from);
    const end = closingBrace(text, at + 2);
    out += text.slice(from, at) + expandOne(text.slice(at + 2, end), env, depth);
    from = end + 1;
  }
}

function closingBrace(text: string, start: number): number {
  let open = 1;
  for (let at = start; at < text.length; at++) {
    if (text[at] === '}' && --open === 0) return at;
    if (text[at] === '$' && text[at + 1] === '{') open++;
  }
  throw new ExpandError(`missing closing brace: \${${text.slice(start, start + 40)}`);
}

function expandOne(body: string, env: (name: string) => string | undefined, depth: number): string {
  const length = /^#([A-Za-z_][A-Za-z0-9_]*)$/.exec(body);
  if (length) return String(Array.from(env(length[1]) ?? '').length);
  const match = /^([A-Za-z_][A-Za-z0-9_]*)([^]*)$/.exec(body);
  if (!match) throw new ExpandError(`bad substitution: \${${body}}`);
  const [, name, operation] = match;
  const value = env(name);
  const argument = (text: string) => expandEnv(text, env, depth + 1);
  return apply(operation, value, argument, body);
}

function apply(
  operation: string,
  value: string | undefined,
  argument: (text: string) => string,
  body: string,
): string {
  const text = value ?? '';
  if (operation === '') return text;
  const operator = operation.slice(0, 2);
  if (operator === ':-' || operator === ':=') return text === '' ? argument(operation.slice(2)) : text;
  if (operator === '##') return trimStart(text, argument(operation.slice(2)), 'longest');
  if (operator === '%%') return trimEnd(text, argument(operation.slice(2)), 'longest');
  if (operator === '//' || operator === '/#' || operator === '/%') {
    return replace(text, argument(operation.slice(2)), operator);
  }
  switch (operation[0]) {
    case '-':
    case '=':
      return value ?? argument(operation.slice(1));
    case '#':
      return trimStart(text, argument(operation.slice(1)), 'shortest');
    case '%':
      return trimEnd(text, argument(operation.slice(1)), 'shortest');
    case '/':
      return replace(text, argument(operation.slice(1)), '/');
    case '^':
      return operation === '^^' ? text.toUpperCase() : text.slice(0, 1).toUpperCase() + text.slice(1);
    case ',':
      return operation === ',,' ? text.toLowerCase() : text.slice(0, 1).toLowerCase() + text.slice(1);
    case ':':
      return slice(text, argument(operation.slice(1)), body);
    default:
      throw new ExpandError(`bad substitution: \${${body}}`);
  }
}

function slice(text: string, bounds: string, body: string): string {
  const match = /^\s*(\d+)(?::(\d+))?$/.exec(bounds);
  if (!match) throw new ExpandError(`bad substitution: \${${body}}`);
  const from = Number(match[1]);
  return text.slice(from, match[2] === undefined ? undefined : from + Number(match[2]));
}

function trimStart(text: string, pattern: string, extent: 'shortest' | 'longest'): string {
  const ends = globEnds(pattern, text);
  const end = extent === 'shortest' ? ends.indexOf(1) : ends.lastIndexOf(1);
  return end < 0 ? text : text.slice(end);
}

/** Reverses text and pattern, so that a match at the end becomes a match at the beginning. */
function trimEnd(text: string, pattern: string, extent: 'shortest' | 'longest'): string {
  return reversed(trimStart(reversed(text), reversed(pattern), extent));
}

function reversed(text: string): string {
  return text.split('').reverse().join('');
}

function replace(text: string, argument: string, kind: '/' | '//' | '/#' | '/%'): string {
  const split = argument.indexOf('/');
  const old = split < 0 ? argument : argument.slice(0, split);
  const fresh = split < 0 ? '' : argument.slice(split + 1);
  if (old === '') return text;
  if (kind === '//') return text.replaceAll(old, () => fresh);
  if (kind === '/#') return text.startsWith(old) ? fresh + text.slice(old.length) : text;
  if (kind === '/%') return text.endsWith(old) ? text.slice(0, text.length - old.length) + fresh : text;
  return text.replace(old, () => fresh);
}

/**
 * Places where a match of the pattern from the text's beginning may end: `*` is any text, `?` one character,
 * other characters are themselves. O(pattern × text).
 */
function globEnds(pattern: string, text: string): Uint8Array {
  // reached[at]: the pattern so far can end before text[at].
  let reached = new Uint8Array(text.length + 1);
  reached[0] = 1;
  for (const char of pattern.split('')) {
    const next = new Uint8Array(text.length + 1);
    const first = reached.indexOf(1);
    if (first < 0) return reached;
    if (char === '*') next.fill(1, first);
    else {
      for (let at = first; at < text.length; at++) {
        if (reached[at] === 1 && (char === '?' || text[at] === char)) next[at + 1] = 1;
      }
    }
    reached = next;
  }
  return reached;
}
