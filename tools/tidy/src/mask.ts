/** Characters after which a slash begins a regular expression, not a division. */
const beforeRegex =
  /(?:^|[(,=:[!&|?{};+\-*%<>~^\n]|\b(?:return|typeof|case|in|of|do|else|throw|yield|await))\s*$/;

/**
 * The text with comments, string contents and regular expressions blanked out, so that rules about code see
 * code only. Lengths and line ends stay; quotes stay; `${…}` inside templates stays code.
 */
export function maskText(text: string): string {
  return masked(text, true);
}

/** The text with its comments alone blanked out. */
export function maskComments(text: string): string {
  return masked(text, false);
}

function masked(text: string, masksTexts: boolean): string {
  const out: string[] = [];
  /** Depth of braces at which each open template's `${` closes. */
  const templates: number[] = [];
  let braces = 0;
  let at = 0;

  const blank = (end: number, isText = true): void => {
    const isKept = isText && !masksTexts;
    for (; at < end; at++) out.push(isKept || text[at] === '\n' ? text[at] : ' ');
  };
  const keep = (): void => {
    out.push(text[at]);
    at++;
  };

  const template = (): void => {
    while (at < text.length && text[at] !== '`') {
      if (text[at] === '\\') blank(Math.min(at + 2, text.length));
      else if (text[at] === '$' && text[at + 1] === '{') {
        keep();
        keep();
        templates.push(braces++);
        return;
      } else blank(at + 1);
    }
    if (at < text.length) keep();
  };

  while (at < text.length) {
    const char = text[at];
    if (char === '/' && text[at + 1] === '/') blank(endOf(text, '\n', at), false);
    else if (char === '/' && text[at + 1] === '*') {
      blank(Math.min(endOf(text, '*/', at + 2) + 2, text.length), false);
    } else if (char === '"' || char === "'") {
      keep();
      while (at < text.length && text[at] !== char && text[at] !== '\n') {
        blank(Math.min(at + (text[at] === '\\' ? 2 : 1), text.length));
      }
      if (at < text.length) keep();
    } else if (char === '`') {
      keep();
      template();
    } else if (char === '/' && beforeRegex.test(out.slice(-24).join(''))) {
      blank(endOfRegex(text, at));
    } else if (char === '}' && templates.at(-1) === braces - 1) {
      templates.pop();
      braces--;
      keep();
      template();
    } else {
      if (char === '{') braces++;
      if (char === '}') braces--;
      keep();
    }
  }
  return out.join('');
}

function endOf(text: string, mark: string, from: number): number {
  const end = text.indexOf(mark, from);
  return end < 0 ? text.length : end;
}

/** One past the closing slash; a slash inside `[…]` closes nothing. */
function endOfRegex(text: string, start: number): number {
  let isClass = false;
  for (let at = start + 1; at < text.length && text[at] !== '\n'; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === '[') isClass = true;
    else if (text[at] === ']') isClass = false;
    else if (text[at] === '/' && !isClass) return at + 1;
  }
  return start + 1;
}
