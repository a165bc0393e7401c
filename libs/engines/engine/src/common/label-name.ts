/**
 * A label name from a key of a parsed line: blanks around it trimmed, a leading digit gets `_` before it,
 * every other character that a label name cannot have becomes `_`.
 *
 * @param isPrefixed the name continues another (`user` + `_` + key): a digit is then no leading one
 */
export function sanitizeLabelName(key: string, isPrefixed = false): string {
  const trimmed = key.trim();
  if (plainName.test(trimmed)) return trimmed;
  const cleaned = trimmed.replace(invalidChar, '_');
  return !isPrefixed && leadingDigit.test(cleaned) ? `_${cleaned}` : cleaned;
}

const plainName = /^[A-Za-z_][A-Za-z0-9_]*$/;
const invalidChar = /[^A-Za-z0-9_]/gu;
const leadingDigit = /^[0-9]/;
