/** RFC 3339 times as Go reads them from JSON: timestamps of pushes and of delete requests. */

/** A moment, or the problem with its text. */
type ParsedTime = { readonly seconds: number; readonly nanos: number } | { readonly problem: string };

const layout = '2006-01-02T15:04:05Z07:00';

/** Elements of the layout in order, each with the literal before it, its pattern and its name in errors. */
const elements = [
  ['', '2006', /^\d{4}/, ''],
  ['-', '01', /^\d\d/, 'month'],
  ['-', '02', /^\d\d/, ''],
  ['T', '15', /^\d\d?/, 'hour'],
  [':', '04', /^\d\d/, 'minute'],
  [':', '05', /^\d\d/, 'second'],
] as const;

const least = [0, 1, 0, 0, 0, 0];
const most = [9999, 12, 99, 23, 59, 59];

/**
 * RFC 3339 with up to nanoseconds, as Go's time.Time reads it from JSON, and its error texts. Like Go, it
 * accepts an hour of one digit and a comma before the fraction.
 *
 * @param text the text between the quotes, unchanged
 */
export function parseGoTime(text: string): ParsedTime {
  let remaining = text;
  const values: number[] = [];
  for (const [index, [literal, element, digits, name]] of elements.entries()) {
    if (!remaining.startsWith(literal)) return cannotParse(text, remaining, literal);
    remaining = remaining.slice(literal.length);
    const match = digits.exec(remaining)?.[0];
    if (match === undefined) return cannotParse(text, remaining, element);
    const value = Number(match);
    if (value < least[index] || value > most[index]) return wrong(text, `: ${name} out of range`);
    values.push(value);
    remaining = remaining.slice(match.length);
  }
  const fraction = /^[.,](\d+)/.exec(remaining);
  if (fraction) remaining = remaining.slice(fraction[0].length);
  const zone = /^(?:Z|[+-]\d\d:\d\d)/.exec(remaining)?.[0];
  if (zone === undefined) return cannotParse(text, remaining, 'Z07:00');
  const offsetHours = Number(zone.slice(1, 3));
  const offsetMinutes = Number(zone.slice(4, 6));
  if (offsetHours > 24) return wrong(text, ': time zone offset hour out of range');
  if (offsetMinutes > 60) return wrong(text, ': time zone offset minute out of range');
  remaining = remaining.slice(zone.length);
  if (remaining !== '') return wrong(text, `: extra text: ${JSON.stringify(remaining)}`);
  const [year, month, day, hour, minute, second] = values;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (day < 1 || date.getUTCMonth() !== month - 1) return wrong(text, ': day out of range');
  date.setUTCHours(hour, minute, second);
  const offset = (offsetHours * 60 + offsetMinutes) * 60 * (zone.startsWith('-') ? -1 : 1);
  return {
    seconds: date.getTime() / 1000 - offset,
    nanos: Number((fraction?.[1] ?? '').slice(0, 9).padEnd(9, '0')),
  };
}

function cannotParse(text: string, remaining: string, element: string): ParsedTime {
  return wrong(
    text,
    ` as ${JSON.stringify(layout)}: cannot parse ${JSON.stringify(remaining)} as ${JSON.stringify(element)}`,
  );
}

function wrong(text: string, problem: string): ParsedTime {
  return { problem: `parsing time ${JSON.stringify(text)}${problem}` };
}
