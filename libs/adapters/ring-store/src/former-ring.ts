/**
 * A ring where the version before this one keeps it: in one value, beside the entries. See
 * `former-value.ts` of the ring for how long, and for who stands where.
 */
import { LokiError } from '@loki/model';
import type { Logger, Random } from '@loki/ports';
import { agree, formerValueOf } from '@loki/ring';
import type { EntryChange } from '@loki/ring';
import type { RedisClient } from './redis-client.ts';

/** Asks Redis with a deadline. */
export type RedisAsk = <T>(subject: string, question: (client: RedisClient) => Promise<T>) => Promise<T>;

interface FormerRingDeps {
  readonly redisKey: string;
  readonly random: Random;
  readonly logger?: Logger;
  readonly ask: RedisAsk;
  /** All entries as they are now. */
  readonly read: () => Promise<ReadonlyMap<string, string>>;
  /** Changes an entry if it is still what it was. */
  readonly change: (change: EntryChange) => Promise<void>;
}

/**
 * The form of the former version: a hash holds `value` and `version`. The version is drawn at random by each
 * writer, not counted: a server that was wiped and counts from 1 again must not take a write that was meant
 * for its former state.
 * KEYS: the hash; ARGV: version that must stand ('' for none), new version, value, channel to tell.
 */
const compareAndSetScript = `
local kind = redis.call('TYPE', KEYS[1]).ok
local current = ''
if kind == 'hash' then
  current = redis.call('HGET', KEYS[1], 'version') or ''
elseif kind ~= 'none' then
  redis.call('DEL', KEYS[1])
end
if current ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'value', ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[2])
return 1`;

/** Versions of ours begin with it; the former version's alphabet lacks it. */
const ourMark = '~';

/** Attempts to write before the next reading does it. */
const attemptsMax = 4;

/** Due writes, with the version and the entries that they follow from. */
type Plan = ReturnType<typeof agree> & {
  readonly version: string;
  readonly entries: ReadonlyMap<string, string>;
};

/**
 * Keeps value and entries in agreement. A value that this version wrote agrees with the entries in all but
 * heartbeats: no process reads it again. A process that finds it unchanged since its own last look
 * writes it anew, so that one of all processes writes it once in the time between two looks.
 */
export class FormerRing {
  readonly #deps: FormerRingDeps;
  #conflicts: ReadonlyMap<string, string> = new Map();
  /** Of the value at the last look. */
  #version: string | undefined;

  constructor(deps: FormerRingDeps) {
    this.#deps = deps;
  }

  isOurs(version: string): boolean {
    return version.startsWith(ourMark);
  }

  /**
   * The entries with the members that the value alone knows. Writes what is due, as far as Redis takes it.
   */
  async entries(): Promise<ReadonlyMap<string, string>> {
    const version = await this.#readVersion();
    const isSame = version === this.#version;
    this.#version = version;
    if (!this.isOurs(version)) return this.#join();
    const entries = await this.#deps.read();
    if (isSame) await this.#attempt(() => this.#set(version, formerValueOf(entries)));
    return entries;
  }

  /** Shows a change of the entries in the value at once. A failure is made good at the next reading. */
  async show(removedId?: string): Promise<void> {
    await this.#attempt(async () => {
      for (let attempt = 0; attempt < attemptsMax; attempt++) {
        // The version is read before the entries: a value that was written since is no older than them.
        const version = await this.#readVersion();
        const isShown = this.isOurs(version)
          ? await this.#set(version, formerValueOf(await this.#deps.read()))
          : await this.#write(await this.#plan(removedId));
        if (isShown) return;
      }
    });
  }

  async #join(): Promise<ReadonlyMap<string, string>> {
    const plan = await this.#plan();
    this.#conflicts = plan.conflicts;
    await this.#attempt(() => this.#write(plan));
    const merged = new Map(plan.entries);
    for (const { id, after } of plan.changes) {
      if (after === undefined) merged.delete(id);
      else merged.set(id, after);
    }
    return merged;
  }

  async #plan(removedId?: string): Promise<Plan> {
    const answer = await this.#ask('read', (client) => client.hmget(this.#deps.redisKey, 'version', 'value'));
    const [version, value] = Array.isArray(answer) ? answer : [];
    const entries = await this.#deps.read();
    const plan = agree(entries, value ?? undefined, this.#conflicts, removedId);
    return { ...plan, entries, version: version ?? '' };
  }

  async #write(plan: Plan): Promise<boolean> {
    for (const change of plan.changes) await this.#deps.change(change);
    return this.#set(plan.version, plan.value);
  }

  async #readVersion(): Promise<string> {
    const version: unknown = await this.#ask('read', (client) => client.hget(this.#deps.redisKey, 'version'));
    return typeof version === 'string' ? version : '';
  }

  async #set(version: string, value: string): Promise<boolean> {
    const { random, redisKey, ask } = this.#deps;
    const next = `${ourMark}${Buffer.from(random.bytes(12)).toString('base64url')}`;
    const isSet: unknown = await ask('set', (client) =>
      client.eval(compareAndSetScript, 1, redisKey, version, next, value, redisKey),
    );
    if (isSet !== 0 && isSet !== 1) {
      throw new LokiError('unavailable', 'ring store: an answer of another kind');
    }
    if (isSet === 1) this.#version = next;
    return isSet === 1;
  }

  /** Reads; something else in the hash's place is no value. */
  async #ask<T>(subject: string, question: (client: RedisClient) => Promise<T>): Promise<T | undefined> {
    return this.#deps.ask(subject, async (client) => {
      try {
        return await question(client);
      } catch (error) {
        if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return undefined;
        throw error;
      }
    });
  }

  /** Redis may refuse writes while it answers: what was read is right all the same. */
  async #attempt(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#deps.logger?.debug('redis: the value of the former version could not be written', {
        err: error instanceof Error ? error.message : String(error),
      });
    }
  }
}
