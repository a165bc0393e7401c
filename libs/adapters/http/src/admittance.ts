/** Decides at the headers of a push whether its body is read: step *admit* of a written line. */
import type { Clock, TimerHandle, Timers } from '@loki/ports';

interface AdmittanceDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Requests of the holder wait for the thread already: more of them would wait in memory. */
  readonly isBusy: (holder: string) => boolean;
}

/**
 * A holder has as many places as requests of it were answered in this time, so that the last of them is
 * answered after about as long: well before common agents hang up, after 10 s. No smaller: answers of a
 * write log that is slow, but idle, would take places away.
 */
const windowMs = 2_000;
const slotMs = 250;
/** The newest slot is not over yet. */
const windowSlots = windowMs / slotMs + 1;

/**
 * Places of a holder at least: those of a burst after silence. 256 bodies of agents (48 KB) take 12 MB, and
 * half of a core half a second.
 */
const placesLeast = 256;

/**
 * A body that is still coming after this time does without a place until it is there: others wait for none.
 */
const receivingMs = 250;

/**
 * Time after which a resting connection is read, although its request will be refused: half of the time that
 * common agents wait for an answer.
 */
const restMs = 5_000;
const tickMs = 20;
/** Connections of a holder that are read again in a tick because there is room: 3,200 a second. */
const roomyPerTick = 64;
/** Connections that rested together are read at this multiple of an even rate, not together. */
const unevenness = 2;
/** The longest rest, also on a busy thread. */
export const restMsMax = 4 * restMs;

/** A connection between two requests. */
export interface Connection {
  readonly destroyed: boolean;
  pause(): unknown;
  resume(): unknown;
}

/** The requests and connections of one tenant. */
interface Line {
  readonly holder: string;
  /** Requests that have a place. */
  inside: number;
  /** Requests that were let in, with a place or without. */
  open: number;
  /** Connections that are not read, and since when, in order. */
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
 * Clients that come back at once, refused or not, would take the thread by asking. So a connection rests
 * after its answer while its tenant has enough requests: its next one waits in the kernel, where it costs
 * neither time nor memory of the process, and those that rest longest are read first.
 */
export class Admittance {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #isBusy: AdmittanceDeps['isBusy'];
  readonly #lines = new Map<string, Line>();
  /** Places of bodies that are coming, in order of arrival. */
  readonly #receiving = new Set<Place>();
  /** Connections that are read because they rested long enough: there was no room for their requests. */
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
   * @param holder the tenant; the caller proves its name, since each has a line
   * @param connection by which it came
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
   * The request is over.
   *
   * @param isAnswered it was handled, whatever the answer: more may come
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

  /** Lets a connection rest whose request is over, if the holder has enough requests. */
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

  /** Time in which all requests of the holder that wait now would be answered; 0: unknown. */
  backlogMs(holder: string): number {
    const line = this.#lines.get(holder);
    if (!line) return 0;
    advance(line, this.#clock.monotonicMs());
    const waiting = line.inside + line.resting.size;
    return line.answerCount === 0 ? 0 : (waiting * windowMs) / line.answerCount;
  }

  /** Lets no connection rest any longer. */
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

  /** Clients choose the names of holders: one without requests is not remembered. */
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

  /** Reads connections that rested long enough, and others while there is room for their requests. */
  #readSome(): void {
    const nowMs = this.#clock.monotonicMs();
    // A busy thread is late.
    const passedMs = nowMs - this.#tickedMs;
    this.#tickedMs = nowMs;
    let isAnyResting = false;
    for (const line of this.#lines.values()) {
      const { resting } = line;
      if (resting.size === 0) continue;
      let roomy = this.#hasRoom(line, nowMs)
        ? Math.min(roomyPerTick, placesOf(line, nowMs) - line.inside)
        : 0;
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
  // Most holders never have that many: their answers are not looked at.
  if (line.inside < placesLeast) return placesLeast;
  advance(line, nowMs);
  return Math.max(placesLeast, line.answerCount);
}

/** Forgets the answers of slots that are too old. */
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
