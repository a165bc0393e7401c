/** The model: tenants, labels, errors, units and small tools that every library uses. */
export { BoundedMap } from './bounded-map.ts';
export { errors, hasCode, LokiError } from './errors.ts';
export type { ErrorCode } from './errors.ts';
export { FormValues, parseForm } from './form.ts';
export { fnv1a32, fnv1Hash32, hash64, hash64Bytes, loadHash } from './hash.ts';
export { checkInterrupt, interruptible, isInterruptible } from './interrupt.ts';
export { compareText, Labels, sortTexts } from './labels.ts';
export type { LabelPair } from './labels.ts';
export { parseMediaType } from './media-type.ts';
export { Semaphore } from './semaphore.ts';
export { freeMemory } from './free-memory.ts';
export { SharedBytes } from './shared-bytes.ts';
export { parseTenantId } from './tenant-id.ts';
export type { TenantId } from './tenant-id.ts';
export { dayNs, hourNs, mib, nsPerMs, nsPerSecond, usOf } from './units.ts';
