/**
 * The texts of a pattern that is only a list like `api|web|db\.internal`, with or without a group around it.
 * As an anchored pattern it accepts exactly these texts. Dashboards write lists of thousands of names this
 * way: compiling them takes seconds, a set almost nothing.
 *
 * @returns undefined for any other pattern, also for an invalid one
 */
export function plainAlternatives(pattern: string): ReadonlySet<string> | undefined {
  const group = /^\((?:\?:)?(.*)\)$/s.exec(pattern);
  return alternativesOf(group ? group[1] : pattern);
}

function alternativesOf(pattern: string): ReadonlySet<string> | undefined {
  const texts = new Set<string>();
  let text = '';
  let from = 0;
  for (let at = 0; at < pattern.length; at++) {
    const code = pattern.charCodeAt(at);
    if (code >= 0x80 || isSpecial[code] === 0) continue;
    text += pattern.slice(from, at);
    if (code === bar) {
      texts.add(text);
      text = '';
      from = at + 1;
      continue;
    }
    const escaped = pattern.charCodeAt(++at);
    if (code !== backslash || !isPunctuation(escaped)) return undefined;
    from = at;
  }
  return texts.add(text + pattern.slice(from));
}

const bar = 0x7c;
const backslash = 0x5c;

/** ASCII characters with a special meaning in patterns. */
const isSpecial = new Uint8Array(0x80);
for (const char of '\\.+*?()|[]{}^$') isSpecial[char.charCodeAt(0)] = 1;

/** Characters that a backslash makes literal. */
function isPunctuation(code: number): boolean {
  return code < 0x80 && !/[A-Za-z0-9]/.test(String.fromCharCode(code));
}
