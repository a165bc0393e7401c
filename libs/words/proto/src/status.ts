/** Error bodies of OTLP clients. */
import { bytesField, varintField } from './push-request.ts';

/**
 * `google.rpc.Status` with a message (field 2) and, unless 0, a code (field 1): the error body of OTLP
 * clients.
 */
export function encodeStatus(message: string, code = 0): Buffer {
  const text = bytesField(2, Buffer.from(message));
  return code === 0 ? text : Buffer.concat([varintField(1, BigInt(code)), text]);
}
