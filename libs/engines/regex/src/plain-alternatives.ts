/**
 * The texts of a pattern like `api|web|db\.internal`, in a group or not, when it has nothing else in it:
 * matched as a whole, it accepts these and no others. Dashboards write thousands of names so, for which a
 * compiled pattern takes seconds and a set none.
 *
 * @returns undefined for any other pattern, a wrong one included
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

/** ASCII characters that may mean something else than themselves. */
const isSpecial = new Uint8Array(0x80);
for (const char of '\\.+*?()|[]{}^$') isSpecial[char.charCodeAt(0)] = 1;

/** A backslash takes the meaning from these. */
function isPunctuation(code: number): boolean {
  return code < 0x80 && !/[A-Za-z0-9]/.test(String.fromCharCode(code));
}
