/** Decoders as the fuzzer sees them; `x.fuzz.ts` beside a decoder exports its targets. */

/** The structure of a decoder's inputs, by which they are changed. */
type Shape = 'bytes' | 'text' | 'protobuf';

/** A decoder of outside bytes. */
export interface FuzzTarget {
  /** Unique in the tree; `--target` takes it. */
  readonly name: string;
  readonly shape: Shape;
  /** Valid inputs, and inputs that failed once. They run unchanged first. */
  readonly corpus: () => readonly (Uint8Array | string)[];
  /** Texts with a meaning for the decoder; they are inserted into inputs. */
  readonly words?: readonly string[];
  /** Restores the checksum of a changed input, so that the decoder does not refuse it for that alone. */
  readonly mend?: (input: Buffer) => Buffer;
  /**
   * Decodes an input. Its result distinguishes kinds of outcomes; an error is a finding unless `isRefusal`.
   */
  readonly run: (input: Buffer) => unknown;
  readonly isRefusal: (error: unknown) => boolean;
  /** Bytes that the decoder states as its bound; four times as many are a finding. */
  readonly limitBytes?: number;
  /** Set where an input may ask for work beyond its decoding, which a budget bounds. */
  readonly cpuMsMax?: number;
}

/** Bound of inputs: each has to be decoded within the time. */
export const inputBytesMax = 64 * 1024;
export const cpuMsMaxDefault = 100;
/** Memory bound of decoders that state none: enough for small inputs. */
export const limitBytesDefault = 16 * 2 ** 20;

/** A file of the tree whose damage must not pass. */
export interface GoldenFile {
  readonly name: string;
  readonly bytes: () => Buffer;
  /** The content as a text for each record; throws a refusal for damaged bytes. */
  readonly read: (bytes: Buffer) => readonly string[] | Promise<readonly string[]>;
  readonly isRefusal: (error: unknown) => boolean;
  /**
   * For a file that grows by records: the end of each. A cut leaves the whole records before it, and a
   * flipped bit costs at most its record. Absent: the file is intact as a whole or refused.
   */
  readonly recordEnds?: () => readonly number[];
  /** Leading bytes of which a reader can tolerate a wrong bit. */
  readonly spareBytes?: number;
}
