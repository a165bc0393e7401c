import type { Prng } from '@loki/testkit';
import { labelNames } from './gen-names.ts';

const textFunctions = [
  'ToUpper', 'ToLower', 'lower', 'upper', 'title', 'trim', 'TrimSpace', 'urlencode', 'urldecode', 'b64enc', 'b64dec', 'len',
  'bytes', 'duration', 'duration_seconds', 'int', 'float64', 'html', 'js', 'printf "%q"', 'printf "%5.1s|"', 'trunc 4',
  'trunc -3', 'substr 1 4', 'Replace "e" "E" -1', 'replace "o" "0"', 'TrimPrefix "i"', 'trimSuffix "o"', 'repeat 2',
  'indent 1', 'alignLeft 6', 'alignRight 6', 'contains "a"', 'hasPrefix "i"', 'hasSuffix "o"', 'default "none"',
  'regexReplaceAll "([a-z])o" "${1}_"', 'regexReplaceAllLiteral "e" "$1"', 'count "o"', 'fromJson', 'unixToTime', 'toDate "2006"',
] as const; // prettier-ignore
const numberFunctions = ['add 1', 'sub 2', 'mul 3', 'div 4', 'mod 5', 'addf 0.5', 'mulf 2', 'divf 4', 'max 3', 'min 3', 'ceil', 'floor', 'round 1'] as const; // prettier-ignore

/** A template that compiles; what it does with a line may be an error, which lines then carry. */
export function template(random: Prng): string {
  const count = random.int(1, 3);
  return Array.from({ length: count }, () => part(random)).join(random.pick(['', ' ', '-', ' level=']));
}

function part(random: Prng): string {
  const name = () => `.${random.pick(labelNames)}`;
  const roll = random.int(0, 11);
  if (roll < 3) return `{{${name()}}}`;
  if (roll < 6) return `{{${name()} | ${random.pick(textFunctions)}}}`;
  if (roll === 6) return `{{${name()} | ${random.pick(numberFunctions)}}}`;
  if (roll === 7) return random.pick(['{{__line__}}', '{{__line__ | len}}', '{{__timestamp__ | unixEpoch}}', '{{__timestamp__.Unix}}', '{{date "15:04:05" __timestamp__}}']); // prettier-ignore
  if (roll === 8)
    return `{{if ${random.pick(['eq', 'ne', 'lt', 'gt'])} ${name()} "info"}}yes{{else}}${random.pick(['no', ''])}{{end}}`;
  if (roll === 9) return `{{if and ${name()} (not ${name()})}}a{{else if ${name()}}}b{{end}}`;
  if (roll === 10) return `{{with ${name()}}}[{{.}}]{{end}}`;
  return random.pick(['literal', '{{/* said nothing */}}', '{{"a" | printf "%s-%s" "b"}}', '{{range $i, $c := (fromJson .list)}}{{$i}}{{end}}']); // prettier-ignore
}
