/** Decides at the headers of a push whether its body is read: step *admit* of a written line. */
import type { Clock, TimerHandle, Timers } from '@loki/ports';

interface AdmittanceDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Refusal: requests of the holder already wait for the thread, and further ones would occupy memory. */
  readonly isBusy: (holder: string) => boolean;
}

/**
 * A holder has as many places as its requests were answered in this time, so that the last one waits about as
 * long: well below the 10 s after which common agents disconnect. A shorter time would reduce the places
 * while a slow write log is idle.
 */
const windowMs = 2_000;
const slotMs = 250;
/** The newest slot is still running. */
const windowSlots = windowMs / slotMs + 1;

/**
 * Minimum of places of a holder, for a burst after silence. 256 bodies of agents (48 KB) take 12 MB, and half
 * a second on half of a core.
 */
const placesLeast = 256;

/**
 * A body that is still arriving after this time gives its place up until it is complete, so that no other
 * request waits for it.
 */
const receivingMs = 250;

/**
 * Time after which a waiting request is answered, if only by a refusal: common agents wait for 10 s. Clients
 * that ignore Retry-After ask again at once: 6,000 of them have 370 refusals a second where 500 pushes a
 * second are handled, and had 690 with 5 s.
 */
const answerMs = 7_000;
const tickMs = 20;
/** Resting connections of a holder that are read in one tick when places are free: 3,200 a second. */
const roomyPerTick = 64;
/** Spreads the reads of connections that rested together: this multiple of an even rate. */
const unevenness = 2;
/** Maximum rest, also on a busy thread. */
export const restMsMax = 20_000;

/** A resting connection: between two requests, not read. */
export interface Connection {
  readonly destroyed: boolean;
  pause(): unknown;
  resume(): unknown;
}

/** The requests and connections of one tenant. */
interface Line {
  readonly holder: string;
  /** Number of requests with a place. */
  inside: number;
  /** Number of admitted requests, with a place or without. */
  open: number;
  /** Resting connections, each with the start of its rest, in order. */
  readonly resting: Map<Connection, number>;
  /** Answers by slot of time; `slot` is the newest one. */
  readonly answers: Uint32Array;
  answerCount: number;
  slot: number;
}

/** The admission of one request, from its headers to the end of its answer. */
export interface Place {
  readonly line: Line;
  readonly sinceMs: number;
  isTaken: boolean;
}

/**
 * Bounds the pushes of each tenant that are received and handled, by the rate at which they are answered:
 * the same rule fits a process that decodes them and a gateway that sends them on. Others are refused by
 * their headers.
 *
 * Clients that send again at once, refused or not, would occupy the thread with refusals. So a connection
 * rests after its answer while its tenant has enough requests: its next one waits in the kernel, where it
 * costs neither time nor memory of the process, and those that rest longest are read first.
 */
export class Admittance {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #isBusy: AdmittanceDeps['isBusy'];
  readonly #lines = new Map<string, Line>();
  /** Places of arriving bodies, in order of their start. */
  readonly #receiving = new Set<Place>();
  /** Connections that are read because their rest is over, although no place is free for their requests. */
  readonly #overdue = new WeakSet<Connection>();
  #tick: TimerHandle | undefined;
  #tickedMs = 0;

  constructor({ clock, timers, isBusy }: AdmittanceDeps) {
    this.#clock = clock;
    this.#timers = timers;
    this.#isBusy = isBusy;
  }

  /**
   * Takes a place for a request; undefined: it must be refused.
   *
   * @param holder the tenant; the caller has verified its name, because each holder has a queue of its own
   * @param connection of the request
   */
  enter(holder: string, connection: Connection): Place | undefined {
    const nowMs = this.#clock.monotonicMs();
    this.#releaseSlow(nowMs);
    const line = this.#lineOf(holder);
    if (line.inside >= placesOf(line, nowMs)) return undefined;
    if (this.#overdue.delete(connection) && this.#isBusy(holder)) {
      this.#forget(line);
      return undefined;
    }
    line.inside++;
    line.open++;
    const place: Place = { line, sinceMs: nowMs, isTaken: true };
    this.#receiving.add(place);
    return place;
  }

  /** The body of the request is complete. */
  received(place: Place): void {
    this.#receiving.delete(place);
    if (place.isTaken) return;
    place.isTaken = true;
    place.line.inside++;
  }

  /**
   * Ends the request.
   *
   * @param isAnswered the request was handled, with any answer: it counts for the holder's places
   */
  leave(place: Place, isAnswered: boolean): void {
    const { line } = place;
    this.#receiving.delete(place);
    if (place.isTaken) line.inside--;
    place.isTaken = false;
    line.open--;
    if (isAnswered) {
      advance(line, this.#clock.monotonicMs());
      line.answers[line.slot % windowSlots]++;
      line.answerCount++;
    }
    this.#forget(line);
  }

  /** Starts the rest of a connection after its request, if the holder has enough requests. */
  rest(holder: string, connection: Connection): void {
    const line = this.#lines.get(holder);
    if (!line) return;
    const nowMs = this.#clock.monotonicMs();
    if (line.resting.size === 0 && this.#hasRoom(line, nowMs)) return;
    connection.pause();
    line.resting.set(connection, nowMs);
    if (this.#tick) return;
    this.#tickedMs = nowMs;
    this.#tick = this.#timers.after(tickMs, () => this.#readSome());
  }

  /** Expected time to answer all waiting requests of the holder; 0: unknown. */
  backlogMs(holder: string): number {
    const line = this.#lines.get(holder);
    if (!line) return 0;
    advance(line, this.#clock.monotonicMs());
    const waiting = line.inside + line.resting.size;
    return line.answerCount === 0 ? 0 : (waiting * windowMs) / line.answerCount;
  }

  /** Ends the rest of all connections. */
  stop(): void {
    this.#tick?.cancel();
    this.#tick = undefined;
    for (const line of this.#lines.values()) {
      for (const connection of line.resting.keys()) this.#read(line, connection);
    }
  }

  #lineOf(holder: string): Line {
    let line = this.#lines.get(holder);
    if (!line) {
      const answers = new Uint32Array(windowSlots);
      line = { holder, inside: 0, open: 0, resting: new Map(), answers, answerCount: 0, slot: 0 };
      this.#lines.set(holder, line);
    }
    return line;
  }

  /** Clients choose the names of holders: a holder without requests is dropped. */
  #forget(line: Line): void {
    if (line.open === 0 && line.resting.size === 0) this.#lines.delete(line.holder);
  }

  #releaseSlow(nowMs: number): void {
    for (const place of this.#receiving) {
      if (nowMs - place.sinceMs < receivingMs) break;
      this.#receiving.delete(place);
      place.isTaken = false;
      place.line.inside--;
    }
  }

  #hasRoom(line: Line, nowMs: number): boolean {
    return line.inside < placesOf(line, nowMs) && !this.#isBusy(line.holder);
  }

  /** Reads connections whose rest is over, and others while places are free for their requests. */
  #readSome(): void {
    const nowMs = this.#clock.monotonicMs();
    // On a busy thread this tick is late.
    const passedMs = nowMs - this.#tickedMs;
    this.#tickedMs = nowMs;
    let isAnyResting = false;
    for (const line of this.#lines.values()) {
      const { resting } = line;
      if (resting.size === 0) continue;
      let roomy = this.#hasRoom(line, nowMs)
        ? Math.min(roomyPerTick, placesOf(line, nowMs) - line.inside)
        : 0;
      // A request that finds a place waits there, too.
      const restMs = answerMs - insideMs(line, nowMs);
      let due = Math.ceil((unevenness * resting.size * passedMs) / restMs);
      for (const [connection, sinceMs] of resting) {
        if (roomy-- <= 0) {
          if (due-- <= 0 || nowMs - sinceMs < restMs) break;
          this.#overdue.add(connection);
        }
        this.#read(line, connection);
      }
      isAnyResting ||= resting.size > 0;
    }
    this.#tick = isAnyResting ? this.#timers.after(tickMs, () => this.#readSome()) : undefined;
  }

  #read(line: Line, connection: Connection): void {
    line.resting.delete(connection);
    if (!connection.destroyed) connection.resume();
    this.#forget(line);
  }
}

function placesOf(line: Line, nowMs: number): number {
  // Most holders never have this number of requests: their answers need no count.
  if (line.inside < placesLeast) return placesLeast;
  advance(line, nowMs);
  return Math.max(placesLeast, line.answerCount);
}

/** Time that the newest request with a place waits for its answer, by the answers of the window. */
function insideMs(line: Line, nowMs: number): number {
  advance(line, nowMs);
  return Math.min(windowMs, (line.inside * windowMs) / Math.max(1, line.answerCount));
}

/** Drops the answers of slots that are too old. */
function advance(line: Line, nowMs: number): void {
  const slot = Math.floor(nowMs / slotMs);
  const passed = Math.min(slot - line.slot, windowSlots);
  for (let i = 1; i <= passed; i++) {
    const at = (line.slot + i) % windowSlots;
    line.answerCount -= line.answers[at];
    line.answers[at] = 0;
  }
  line.slot = slot;
}
