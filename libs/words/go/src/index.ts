/** Go's text forms (numbers, times, durations, JSON, quotes), because Loki's clients see and send them. */

export {
  formatGoDuration,
  formatPrometheusDuration,
  goDurationOrProblem,
  parseDuration,
} from './duration.ts';
export { parseGoDuration, parsePrometheusDuration } from './duration.ts';
export { binaryFloat, formatFloat, hexFloat } from './float.ts';
export { goJson, goJsonString } from './json.ts';
export {
  blockEnd,
  closingQuote,
  jsonErrors,
  jsonEscapes,
  skipBlanks,
  tokenEnd,
  unescapeJson,
} from './jsonparser.ts';
export { parseFloatText, parseIntText } from './number.ts';
export { parseTime } from './parse-time.ts';
export { isPrint, quoteBytes, quoteGo, quoteRune, quoteToAscii } from './quote.ts';
export { parseGoTime } from './rfc3339.ts';
export { civil, floorDiv, formatTime, monthNames, timeAt, weekdayNames, zeroTime } from './time.ts';
export type { GoTime } from './time.ts';
export { unquoteGo, unquoteRune } from './unquote.ts';
export { queryEscape } from './url.ts';
export { findZone, utc } from './zones.ts';
