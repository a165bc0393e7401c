/** Draws templates for line_format and label_format. */
import type { Prng } from '@loki/virtual';
import { labelNames } from './gen-names.ts';

const textFunctions = [
  'ToUpper', 'ToLower', 'lower', 'upper', 'title', 'trim', 'TrimSpace', 'urlencode', 'urldecode', 'b64enc', 'b64dec', 'len',
  'bytes', 'duration', 'duration_seconds', 'int', 'float64', 'html', 'js', 'urlquery', 'printf "%q"', 'printf "%5.1s|"',
  'printf "%-6s|"', 'printf "%v %T"', 'printf "%x"', 'trunc 4', 'trunc -3', 'substr 1 4', 'substr -1 3', 'Replace "e" "E" -1',
  'Replace "o" "" 1', 'replace "o" "0"', 'TrimPrefix "i"', 'TrimSuffix "r"', 'trimPrefix "e"', 'trimSuffix "o"', 'trimAll "ei"',
  'Trim "io"', 'TrimLeft "ie"', 'TrimRight "or"', 'repeat 2', 'indent 1', 'nindent 2', 'alignLeft 6', 'alignRight 6',
  'contains "a"', 'hasPrefix "i"', 'hasSuffix "o"', 'default "none"', 'regexReplaceAll "([a-z])o" "${1}_"',
  'regexReplaceAll "(?i)E(.)" "$1$1"', 'regexReplaceAllLiteral "e" "$1"', 'count "o"', 'count "[a-e]"', 'fromJson', 'unixToTime',
  'toDate "2006"', 'print', 'println', 'printf "%s"', 'eq "info"', 'not', 'ToUpper | len', 'len | add 1', 'lower | title | trunc 3',
] as const; // prettier-ignore
const numberFunctions = [
  'add 1', 'sub 2', 'mul 3', 'div 4', 'mod 5', 'addf 0.5', 'subf 1.5', 'mulf 2', 'divf 4', 'max 3', 'min 3', 'maxf 2.5', 'minf 2.5',
  'ceil', 'floor', 'round 1', 'int | printf "%03d"', 'float64 | printf "%.2f"', 'float64 | printf "%e"', 'int | add 1 2 3',
] as const; // prettier-ignore
const times = [
  '{{__timestamp__ | unixEpoch}}', '{{__timestamp__.Unix}}', '{{__timestamp__ | unixEpochMillis}}', '{{__timestamp__ | unixEpochNanos}}',
  '{{__timestamp__ | date "2006-01-02T15:04:05.000Z07:00"}}', '{{date "15:04:05" __timestamp__}}', '{{__timestamp__.Year}}',
  '{{toDateInZone "2006-01-02" "Europe/Berlin" "2024-03-31" | unixEpoch}}', '{{__timestamp__.Weekday}}',
] as const; // prettier-ignore
const wholes = [
  'literal', '{{/* said nothing */}}', '{{"a" | printf "%s-%s" "b"}}', '{{range $i, $c := (fromJson .list)}}{{$i}}{{end}}',
  '{{define "t"}}<{{.}}>{{end}}{{template "t" .level}}', '{{- " x " -}}', '{{printf "%d" 7}}', '{{len .}}', '{{index (fromJson "[1,2]") 1}}',
  '{{range $k, $v := .}}{{$k}} {{end}}', '{{slice "abcdef" 1 3}}', '{{le 1 2}}{{ge 1 2}}', '{{max 1 2 3}}', '{{html "<a>"}}', '{{"\\t"}}',
] as const; // prettier-ignore

/**
 * A template that compiles; it may fail on a line, which then carries an error.
 *
 * @param names labels of a row
 */
export function template(random: Prng, names: readonly string[]): string {
  const count = random.int(1, 3);
  return Array.from({ length: count }, () => part(random, names)).join(
    random.pick(['', ' ', '-', ' level=', ' | ']),
  );
}

function part(random: Prng, names: readonly string[]): string {
  const identifiers = names.filter((name) => /^[A-Za-z_]\w*$/.test(name));
  const name = () => `.${identifiers.length > 0 && random.chance(0.7) ? random.pick(identifiers) : random.pick(labelNames)}`; // prettier-ignore
  const roll = random.int(0, 13);
  if (roll < 3) return `{{${name()}}}`;
  if (roll < 6) return `{{${name()} | ${random.pick(textFunctions)}}}`;
  if (roll === 6) {
    return `{{${random.pick([name(), '.status', '.latency'])} | ${random.pick(numberFunctions)}}}`;
  }
  if (roll === 7) return random.pick(times);
  if (roll === 8) {
    return `{{if ${random.pick(['eq', 'ne', 'lt', 'gt'])} ${name()} "info"}}yes{{else}}${random.pick(['no', ''])}{{end}}`;
  }
  if (roll === 9) return `{{if and ${name()} (not ${name()})}}a{{else if or ${name()} ${name()}}}b{{end}}`;
  if (roll === 10) return `{{with ${name()}}}[{{.}}]{{else}}none{{end}}`;
  if (roll === 11) return `{{$v := ${name()}}}{{$v}}{{if $v}}{{$v = "x"}}{{end}}{{$v | len}}`;
  if (roll === 12) return random.pick(['{{__line__}}', '{{__line__ | len}}', '{{__line__ | trunc 9}}', '{{__line__ | ToUpper}}']); // prettier-ignore
  return random.pick(wholes);
}
