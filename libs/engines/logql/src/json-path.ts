/** Paths of the `json` and `logfmt` stages. */
import { unquoteGo } from '@loki/go';
import { QueryPartError } from './errors.ts';

const step = /(\.?)([\p{L}_][\p{L}\p{Nd}_]*)|\[\s*(\d+)\s*\]|\[\s*("(?:[^"\\\n]|\\.)*")\s*\]/uy;

/**
 * Parses the path of `json label="path"`: `a.b["x y"][0]`, keys as strings, indexes as numbers.
 *
 * @throws QueryPartError with Loki's text
 */
export function parseJsonPath(path: string): readonly (string | number)[] {
  const steps: (string | number)[] = [];
  step.lastIndex = 0;
  while (step.lastIndex < path.length) {
    const at = step.lastIndex;
    const match = step.exec(path);
    if (!match) throw pathError(path, at);
    const [, dot, key, index, quoted] = match;
    if (key !== undefined) {
      // Every key follows a dot, except the first, which must not.
      if ((dot === '.') === (steps.length === 0)) throw pathError(path, at);
      steps.push(key);
    } else if (index !== undefined) {
      const number = Number(index);
      if (!Number.isSafeInteger(number)) throw pathError(path, at);
      steps.push(number);
    } else {
      const text = unquoteGo(quoted);
      if (text === undefined) throw pathError(path, at);
      steps.push(text);
    }
  }
  if (steps.length === 0) throw pathError(path, 0);
  return steps;
}

/** Checks the key of `logfmt label="key"`: one key in logfmt's syntax. */
export function parseLogfmtKey(key: string): string {
  const fault = /[\s="]/.exec(key);
  if (key === '' || fault) throw pathError(key, fault?.index ?? 0);
  return key;
}

function pathError(path: string, at: number): QueryPartError {
  const char = path.codePointAt(at);
  const unexpected = char === undefined ? '$end' : String.fromCodePoint(char);
  return new QueryPartError(`cannot parse expression [${path}]: syntax error: unexpected ${unexpected}`);
}
