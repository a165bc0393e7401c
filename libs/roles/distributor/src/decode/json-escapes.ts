/** Escapes of JSON texts as bytes: step *decode* of a written line. */

/** The meaning of each byte after a backslash; 0: no simple escape. */
export const escapes = new Uint8Array(256);

/** Four hex digits as a number, -1 when they are not. */
export function hex4(bytes: Uint8Array, at: number, end: number): number {
  if (at + 4 > end) return -1;
  let code = 0;
  for (let i = at; i < at + 4; i++) {
    const byte = bytes[i];
    if (byte >= 0x30 && byte <= 0x39) code = code * 16 + byte - 0x30;
    else if ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66) code = code * 16 + (byte | 0x20) - 0x57;
    else return -1;
  }
  return code;
}

export function writeCodePoint(out: Uint8Array, at: number, code: number): number {
  let to = at;
  if (code < 0x80) out[to++] = code;
  else if (code < 0x800) {
    out[to++] = 0xc0 | (code >> 6);
    out[to++] = 0x80 | (code & 0x3f);
  } else if (code < 0x10000) {
    out[to++] = 0xe0 | (code >> 12);
    out[to++] = 0x80 | ((code >> 6) & 0x3f);
    out[to++] = 0x80 | (code & 0x3f);
  } else {
    out[to++] = 0xf0 | (code >> 18);
    out[to++] = 0x80 | ((code >> 12) & 0x3f);
    out[to++] = 0x80 | ((code >> 6) & 0x3f);
    out[to++] = 0x80 | (code & 0x3f);
  }
  return to;
}
