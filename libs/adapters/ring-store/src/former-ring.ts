/**
 * A ring in the form of the former version: one value beside the entries. `former-value.ts` of the ring
 * describes the agreement of both forms and its end.
 */
import { LokiError } from '@loki/model';
import type { Logger, Random } from '@loki/ports';
import { agree, formerValueOf } from '@loki/ring';
import type { EntryChange } from '@loki/ring';
import type { RedisClient } from './redis-client.ts';

/** Runs a command with a deadline. */
export type RedisAsk = <T>(subject: string, question: (client: RedisClient) => Promise<T>) => Promise<T>;

interface FormerRingDeps {
  readonly redisKey: string;
  readonly random: Random;
  readonly logger?: Logger;
  readonly ask: RedisAsk;
  /** All entries as they are now. */
  readonly read: () => Promise<ReadonlyMap<string, string>>;
  /** Changes an entry if it is unchanged. */
  readonly change: (change: EntryChange) => Promise<void>;
}

/**
 * The form of the former version: a hash holds `value` and `version`. Each writer chooses the version at
 * random: with counted versions, an emptied server that counts from 1 again could accept a write that was
 * meant for its former state. KEYS: the hash; ARGV: expected version ('' for none), new version, value,
 * channel for the message.
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

/** Prefix of this program's versions; the former program's alphabet lacks it. */
const ourMark = '~';

/** Attempts of a write; afterwards the next read repeats it. */
const attemptsMax = 4;

/** Due writes, with the version and the entries from which they were derived. */
type Plan = ReturnType<typeof agree> & {
  readonly version: string;
  readonly entries: ReadonlyMap<string, string>;
};

/**
 * Keeps value and entries in agreement. A value that this version wrote agrees with the entries in all but
 * heartbeats: no process reads it again. A process that finds it unchanged since its own last read writes it
 * again, so that between two reads one process of all writes it once.
 */
export class FormerRing {
  readonly #deps: FormerRingDeps;
  #conflicts: ReadonlyMap<string, string> = new Map();
  /** Version of the value at the last read. */
  #version: string | undefined;

  constructor(deps: FormerRingDeps) {
    this.#deps = deps;
  }

  isOurs(version: string): boolean {
    return version.startsWith(ourMark);
  }

  /**
   * The entries, with the members that only the value has. Writes due changes; a failed write is repeated
   * later.
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

  /** Mirrors a change of the entries in the value at once. The next read repeats a failed write. */
  async show(removedId?: string): Promise<void> {
    await this.#attempt(async () => {
      for (let attempt = 0; attempt < attemptsMax; attempt++) {
        // Reads the version before the entries: a value that was written later is no older than the entries.
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

  /** Reads the hash; a key of another type counts as no value. */
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

  /** Redis may refuse writes and still answer reads: the read entries are valid. */
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
