/** A moment, or what is wrong with its text. */
type ParsedTime = { readonly seconds: number; readonly nanos: number } | { readonly problem: string };

const layout = '2006-01-02T15:04:05Z07:00';

/** Elements of the layout in their order, each with the literal before it. */
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
 * RFC 3339 with up to nanoseconds, as Go's time.Time reads it from JSON, with the words in which it refuses.
 * An hour of one digit and a comma before the fraction pass, as they do there.
 *
 * @param text between the quotes, as it stands
 */
export function parseGoTime(text: string): ParsedTime {
  let rest = text;
  const values: number[] = [];
  for (const [index, [literal, element, digits, name]] of elements.entries()) {
    if (!rest.startsWith(literal)) return cannotParse(text, rest, literal);
    rest = rest.slice(literal.length);
    const found = digits.exec(rest)?.[0];
    if (found === undefined) return cannotParse(text, rest, element);
    const value = Number(found);
    if (value < least[index] || value > most[index]) return wrong(text, `: ${name} out of range`);
    values.push(value);
    rest = rest.slice(found.length);
  }
  const fraction = /^[.,](\d+)/.exec(rest);
  if (fraction) rest = rest.slice(fraction[0].length);
  const zone = /^(?:Z|[+-]\d\d:\d\d)/.exec(rest)?.[0];
  if (zone === undefined) return cannotParse(text, rest, 'Z07:00');
  const offsetHours = Number(zone.slice(1, 3));
  const offsetMinutes = Number(zone.slice(4, 6));
  if (offsetHours > 24) return wrong(text, ': time zone offset hour out of range');
  if (offsetMinutes > 60) return wrong(text, ': time zone offset minute out of range');
  rest = rest.slice(zone.length);
  if (rest !== '') return wrong(text, `: extra text: ${JSON.stringify(rest)}`);
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

function cannotParse(text: string, rest: string, element: string): ParsedTime {
  return wrong(
    text,
    ` as ${JSON.stringify(layout)}: cannot parse ${JSON.stringify(rest)} as ${JSON.stringify(element)}`,
  );
}

function wrong(text: string, why: string): ParsedTime {
  return { problem: `parsing time ${JSON.stringify(text)}${why}` };
}
