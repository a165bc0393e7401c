/** Times in the delete API. */
const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;

/**
 * A time of the delete API in Unix milliseconds: exactly 10 digits of seconds, or RFC 3339. Undefined: other
 * text.
 */
export function parseDeleteTime(text: string): number | undefined {
  if (/^\d{10}$/.test(text)) return Number(text) * 1000;
  if (!rfc3339.test(text)) return undefined;
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) return undefined;
  // Date accepts the 30th of February and turns it into another day.
  const day = Number(text.slice(8, 10));
  const monthLength = new Date(Date.UTC(Number(text.slice(0, 4)), Number(text.slice(5, 7)), 0)).getUTCDate();
  return day > monthLength ? undefined : ms;
}
