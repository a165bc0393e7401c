/** A queue of recorded samples in files, which survives crashes and reports damage. FORMAT.md draws it. */
import { mib } from '@loki/model';
import type { Disk, DiskFile } from '@loki/ports';
import { readPosition, savePosition } from './send-queue-position.ts';
import type { Position } from './send-queue-position.ts';
import { encodeRecord, headerBytes, readRecord, soundAfter } from './send-queue-records.ts';
import type { QueuedRecord } from './send-queue-records.ts';

interface SendQueueOptions {
  readonly disk: Disk;
  readonly directory: string;
  /** Bound on the bytes on disk; above it the oldest file is removed. */
  readonly bytesMax: number;
  readonly fileBytesMax?: number;
}

const defaultFileBytesMax = 4 * mib;

interface QueueFile {
  readonly number: number;
  bytes: number;
  samples: number;
}

/** Lost samples and the reason. */
export interface Lost {
  readonly samples: number;
  readonly reason: 'queue_full' | 'corrupt';
}

/**
 * A queue of records in files, first in, first out. An appended record survives a crash. A few records may be
 * returned again after a crash, because the position is not synced. Damage costs only the affected records,
 * and is reported. FORMAT.md draws the files.
 */
export class SendQueue {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #bytesMax: number;
  readonly #fileBytesMax: number;
  /** Oldest first; appends go to the last. */
  #files: QueueFile[] = [];
  #writer: DiskFile | undefined;
  #offset = 0;
  #samples = 0;
  /** The file of the position at the start: file numbers are never reused. */
  #takenFile = 0;
  /** Serialises appends and takes. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(options: SendQueueOptions) {
    this.#disk = options.disk;
    this.#directory = options.directory;
    this.#bytesMax = options.bytesMax;
    this.#fileBytesMax = options.fileBytesMax ?? defaultFileBytesMax;
  }

  /**
   * Opens the queue of an earlier process. Appends go to a new file, since the last one may end with a
   * partial record.
   */
  static async open(options: SendQueueOptions): Promise<{ queue: SendQueue; losses: Lost[] }> {
    const queue = new SendQueue(options);
    return { queue, losses: await queue.#load() };
  }

  /** Bytes on disk. */
  get bytes(): number {
    return this.#files.reduce((sum, file) => sum + file.bytes, 0);
  }

  /** Number of waiting samples. */
  get samples(): number {
    return this.#samples;
  }

  /** Durable when it resolves. Returns the records that were removed for space. */
  append(record: QueuedRecord): Promise<Lost[]> {
    return this.#inTurn(async () => {
      const last = this.#files.at(-1)!;
      if (!this.#writer || last.bytes >= this.#fileBytesMax) await this.#nextFile();
      const file = this.#files.at(-1)!;
      const bytes = encodeRecord(record);
      try {
        await this.#writer!.append(bytes);
        await this.#writer!.sync();
      } catch (error) {
        // The part that reached the disk is unknown: nothing may follow it in this file.
        await this.#closeWriter();
        file.bytes += bytes.length;
        throw error;
      }
      file.bytes += bytes.length;
      file.samples += record.samples;
      this.#samples += record.samples;
      return this.#shrink();
    });
  }

  /**
   * The oldest records with at most `samplesMax` samples together, but at least one record; [] if none waits.
   */
  peek(samplesMax: number): Promise<{ records: QueuedRecord[]; end: Position; losses: Lost[] }> {
    return this.#inTurn(() => this.#peek(samplesMax));
  }

  /** Removes the records up to `end`. */
  take(end: Position, samples: number): Promise<void> {
    return this.#inTurn(async () => {
      const first = this.#files[0];
      // The file may have been removed meanwhile, with its samples.
      if (first.number > end.file) return;
      while (this.#files[0].number < end.file) await this.#dropFirst();
      this.#offset = end.offset;
      // A record whose append failed at the last step is readable, but was not counted.
      const counted = Math.min(samples, this.#files[0].samples);
      this.#files[0].samples -= counted;
      this.#samples -= counted;
      await savePosition(this.#disk, this.#directory, { file: this.#files[0].number, offset: this.#offset });
    });
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#closeWriter();
  }

  async #peek(samplesMax: number): Promise<{ records: QueuedRecord[]; end: Position; losses: Lost[] }> {
    const losses: Lost[] = [];
    for (;;) {
      const first = this.#files[0];
      const isLast = this.#files.length === 1;
      const { records, offset, isDamaged } = await this.#read(first, this.#offset, samplesMax);
      if (records.length > 0) return { records, end: { file: first.number, offset }, losses };
      if (first.samples > 0) {
        // All readable records were taken; the remaining ones were counted before they were damaged.
        losses.push({ samples: first.samples, reason: 'corrupt' });
        this.#samples -= first.samples;
        first.samples = 0;
      }
      if (isLast) {
        // The damage is at the file's end: appends must not follow it.
        if (isDamaged) await this.#nextFile();
        else return { records, end: { file: first.number, offset }, losses };
      }
      await this.#dropFirst();
    }
  }

  async #read(
    { number, bytes }: QueueFile,
    from: number,
    samplesMax: number,
  ): Promise<{ records: QueuedRecord[]; offset: number; isDamaged: boolean }> {
    const records: QueuedRecord[] = [];
    let offset = from;
    let isDamaged = false;
    if (from >= bytes) return { records, offset, isDamaged };
    const file = await this.#disk.open(this.#path(number));
    try {
      let samples = 0;
      while (offset < bytes) {
        const record = await readRecord(file, offset);
        if (!record) {
          isDamaged = true;
          offset = (await soundAfter(file, offset, bytes)) ?? bytes;
          continue;
        }
        if (records.length > 0 && samples + record.samples > samplesMax) break;
        records.push(record);
        samples += record.samples;
        offset += headerBytes + record.bytes.length;
      }
      return { records, offset, isDamaged };
    } finally {
      await file.close();
    }
  }

  async #load(): Promise<Lost[]> {
    await this.#disk.makeDirectory(this.#directory);
    const position = await readPosition(this.#disk, this.#directory);
    this.#takenFile = position?.file ?? 0;
    const numbers: number[] = [];
    for (const name of await this.#disk.list(this.#directory)) {
      const match = /^(\d{1,15})\.queue$/.exec(name);
      if (match) numbers.push(Number(match[1]));
    }
    numbers.sort((a, b) => a - b);
    const losses: Lost[] = [];
    for (const number of numbers) {
      if (position && number < position.file) await this.#disk.remove(this.#path(number));
      else {
        const from = number === position?.file ? position.offset : 0;
        this.#files.push(await this.#measure(number, from, losses));
      }
    }
    if (position && this.#files[0]?.number === position.file) this.#offset = position.offset;
    this.#samples = this.#files.reduce((sum, file) => sum + file.samples, 0);
    await this.#nextFile();
    losses.push(...(await this.#shrink()));
    return losses;
  }

  /** Counts the records of a file after `from`. The number of damaged samples is unknown: at least one. */
  async #measure(number: number, from: number, losses: Lost[]): Promise<QueueFile> {
    const file = await this.#disk.open(this.#path(number));
    try {
      const size = await file.size();
      let offset = from;
      let samples = 0;
      while (offset < size) {
        const record = await readRecord(file, offset);
        if (record) {
          samples += record.samples;
          offset += headerBytes + record.bytes.length;
          continue;
        }
        losses.push({ samples: 1, reason: 'corrupt' });
        const next = await soundAfter(file, offset, size);
        if (next === undefined) break;
        offset = next;
      }
      return { number, bytes: offset, samples };
    } finally {
      await file.close();
    }
  }

  /** Removes the oldest files while the queue is too large. */
  async #shrink(): Promise<Lost[]> {
    const losses: Lost[] = [];
    while (this.#files.length > 1 && this.bytes > this.#bytesMax) {
      losses.push({ samples: this.#files[0].samples, reason: 'queue_full' });
      await this.#dropFirst();
    }
    return losses;
  }

  async #dropFirst(): Promise<void> {
    const dropped = this.#files.shift()!;
    this.#samples -= dropped.samples;
    this.#offset = 0;
    await this.#disk.remove(this.#path(dropped.number));
  }

  async #nextFile(): Promise<void> {
    await this.#closeWriter();
    const number = (this.#files.at(-1)?.number ?? this.#takenFile) + 1;
    this.#writer = await this.#disk.open(this.#path(number), { create: true });
    await this.#disk.syncDirectory(this.#directory);
    this.#files.push({ number, bytes: 0, samples: 0 });
  }

  async #closeWriter(): Promise<void> {
    const writer = this.#writer;
    this.#writer = undefined;
    await writer?.close();
  }

  #path(number: number): string {
    return `${this.#directory}/${number}.queue`;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined); // the caller gets the failure through `done`
    return done;
  }
}
