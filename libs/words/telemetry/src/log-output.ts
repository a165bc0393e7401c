/**
 * Writes the process's own log lines to a file descriptor. A slow, full or closed log never stops the
 * process.
 */
import fs from 'node:fs';
import { Socket } from 'node:net';
import type { Timers } from '@loki/ports';

/** Most bytes of lines that wait for a slow reader; further lines are dropped and counted. */
const pendingBytesMax = 1 << 20;
/** Pause before waiting lines are written again. */
const retryMs = 100;

interface LogOutputOptions {
  /** Usually 2, standard error. */
  readonly fd: number;
  readonly timers: Timers;
}

/**
 * Writes lines in order. Each write is attempted at once without blocking; lines that the reader does not
 * take wait, up to 1 MiB. A failed write (full disk, closed pipe) drops its lines.
 */
export class LogOutput {
  /** Lines that were lost since the start. */
  droppedCount = 0;
  readonly #timers: Timers;
  /**
   * Writes some of the bytes and returns their number; 0: the reader takes none now. Throws when the output
   * is broken.
   */
  readonly #writeSome: (bytes: Buffer) => number;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #isRetrying = false;
  readonly #flushAtExit = () => this.#flush();
  /** Node and libraries write warnings to standard error themselves; its error would end the process. */
  readonly #ignoreError = () => undefined;

  constructor({ fd, timers }: LogOutputOptions) {
    this.#timers = timers;
    this.#writeSome = openNonBlocking(fd);
    process.once('exit', this.#flushAtExit);
    if (fd === process.stderr.fd) process.stderr.on('error', this.#ignoreError);
  }

  write(line: string): void {
    const bytes = Buffer.from(line);
    if (this.#pendingBytes + bytes.length > pendingBytesMax) {
      this.droppedCount++;
      return;
    }
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    this.#flush();
  }

  /** Stops all writes at the end of the process. */
  close(): void {
    process.off('exit', this.#flushAtExit);
    process.stderr.off('error', this.#ignoreError);
  }

  #flush(): void {
    while (this.#pending.length > 0) {
      const [first] = this.#pending;
      let written: number;
      try {
        written = this.#writeSome(first);
      } catch {
        // A log that cannot be written cannot report this: the counter does.
        this.droppedCount++;
        written = first.length;
      }
      if (written === 0) {
        this.#retryLater();
        return;
      }
      this.#pendingBytes -= written;
      if (written === first.length) this.#pending.shift();
      else this.#pending[0] = first.subarray(written);
    }
  }

  #retryLater(): void {
    if (this.#isRetrying) return;
    this.#isRetrying = true;
    this.#timers.after(retryMs, () => {
      this.#isRetrying = false;
      this.#flush();
    });
  }
}

/**
 * Returns a function that writes to `fd` without waiting for a reader. Pipes and terminals are opened once
 * more, as the flag O_NONBLOCK of the given descriptor is shared with the processes that started this one.
 * Writes to files do not wait for a reader.
 */
function openNonBlocking(fd: number): (bytes: Buffer) => number {
  const stat = fs.fstatSync(fd);
  if (stat.isSocket()) return socketWriter(fd);
  if (stat.isFile()) return (bytes) => fs.writeSync(fd, bytes);
  const target = reopened(fd);
  return (bytes) => {
    try {
      return fs.writeSync(target, bytes);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0;
      throw error;
    }
  };
}

function reopened(fd: number): number {
  try {
    return fs.openSync(`/proc/self/fd/${fd}`, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK);
  } catch {
    // Not Linux, or no permission: the given descriptor is used, and a stopped reader can block this process.
    return fd;
  }
}

function socketWriter(fd: number): (bytes: Buffer) => number {
  const socket = new Socket({ fd, readable: false, writable: true });
  socket.on('error', () => socket.destroy());
  socket.unref();
  return (bytes) => {
    if (socket.destroyed) throw new Error('the log is closed');
    if (socket.writableLength > 0) return 0;
    socket.write(bytes);
    return bytes.length;
  };
}
