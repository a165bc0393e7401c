/**
 * The label name for a key of a parsed line: surrounding blanks are trimmed, a leading digit gets a `_`
 * before it, and every character that a label name cannot have becomes `_`.
 *
 * @param isPrefixed the key follows a prefix (`user` + `_` + key), so its first digit is not a leading one
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
