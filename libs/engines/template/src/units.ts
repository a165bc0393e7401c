/** Sizes in templates (`bytes`). */
import { parseFloatText, quoteGo } from '@loki/go';
import { CallError } from './errors.ts';
import { trimSpace } from './text-functions.ts';

const prefixes = ['k', 'm', 'g', 't', 'p', 'e'];
const sizeUnits = new Map<string, bigint>([
  ['', 1n],
  ['b', 1n],
]);
prefixes.forEach((prefix, i) => {
  for (const unit of [prefix, `${prefix}b`]) sizeUnits.set(unit, 1000n ** BigInt(i + 1));
  for (const unit of [`${prefix}i`, `${prefix}ib`]) sizeUnits.set(unit, 1024n ** BigInt(i + 1));
});

/** Parses a size like `1.5 MiB` to bytes. Throws CallError with Loki's texts. */
export function parseBytes(text: string): number {
  const [digits] = /^[\p{Nd}.,]*/u.exec(text)!;
  const number = digits.replaceAll(',', '');
  const value = parseFloatText(number);
  if (value === undefined || /[^0-9.]/.test(number)) {
    throw new CallError(`strconv.ParseFloat: parsing ${quoteGo(number)}: invalid syntax`);
  }
  const unit = trimSpace(text.slice(digits.length)).toLowerCase();
  const size = sizeUnits.get(unit);
  if (size === undefined) throw new CallError(`unhandled size name: ${unit}`);
  const bytes = number.includes('.') ? Math.floor(value * Number(size)) : Number(BigInt(number) * size);
  if (bytes >= 2 ** 64) throw new CallError(`too large: ${text}`);
  return bytes;
}
