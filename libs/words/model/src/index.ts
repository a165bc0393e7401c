export {
  formatGoDuration,
  formatPrometheusDuration,
  parseDuration,
  parseGoDuration,
  parsePrometheusDuration,
} from './duration.ts';
export { errors, hasCode, LokiError } from './errors.ts';
export type { ErrorCode } from './errors.ts';
export { FormValues, parseForm } from './go-form.ts';
export { goEscape, goJsonString } from './go-json.ts';
export { fnv1a32, fnv1Hash32, hash64, hash64Bytes, loadHash } from './hash.ts';
export { checkInterrupt, interruptible, isInterruptible } from './interrupt.ts';
export { compareText, Labels, quoteGo } from './labels.ts';
export type { LabelPair } from './labels.ts';
export { parseMediaType } from './media-type.ts';
export { Semaphore } from './semaphore.ts';
export { parseTenantId } from './tenant-id.ts';
export type { TenantId } from './tenant-id.ts';
export { dayNs, hourNs, mib, nsPerMs, nsPerSecond, usOf } from './units.ts';
