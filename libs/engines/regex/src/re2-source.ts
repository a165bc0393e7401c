/** Writes a parsed pattern as RE2 source, for the automaton (re2js). */
import type { Node } from './ast.ts';
import type { CharSet } from './char-set.ts';

const positions = {
  beginText: '\\A',
  endText: '\\z',
  beginLine: '(?m:^)',
  endLine: '(?m:$)',
  wordBoundary: '\\b',
  noWordBoundary: '\\B',
} as const;

/**
 * The pattern as RE2 syntax without flags and names, for the engine that reads RE2. It is written from the
 * tree, so that every engine runs the pattern as our parser understood it, independent of the engine's
 * version of the syntax.
 */
export function re2Source(node: Node): string {
  switch (node.kind) {
    case 'empty':
      return '(?:)';
    case 'set':
      return setSource(node.set);
    case 'position':
      return positions[node.at];
    case 'capture':
      return `(${re2Source(node.body)})`;
    case 'concat':
      return node.items.map(re2Source).join('');
    case 'alternate':
      return `(?:${node.items.map(re2Source).join('|')})`;
    case 'repeat': {
      const lazy = node.greedy ? '' : '?';
      const body = `(?:${re2Source(node.body)})`;
      if (node.max === Infinity && node.min <= 1) return `${body}${node.min === 0 ? '*' : '+'}${lazy}`;
      if (node.min === 0 && node.max === 1) return `${body}?${lazy}`;
      return `${body}{${node.min},${node.max === Infinity ? '' : node.max}}${lazy}`;
    }
  }
}

function setSource(set: CharSet): string {
  if (set.length === 0) return '[^\\x{0}-\\x{10ffff}]';
  if (set.length === 2 && set[0] === set[1]) return rune(set[0]);
  let out = '[';
  for (let i = 0; i < set.length; i += 2) {
    out += set[i] === set[i + 1] ? rune(set[i]) : `${rune(set[i])}-${rune(set[i + 1])}`;
  }
  return `${out}]`;
}

function rune(code: number): string {
  const char = code < 0x80 ? String.fromCharCode(code) : '';
  return /^[A-Za-z0-9]$/.test(char) ? char : `\\x{${code.toString(16)}}`;
}
