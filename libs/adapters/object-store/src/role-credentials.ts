/**
 * Caches the keys of a role while they are valid: the service is asked before they expire, by one call at a
 * time, and requests use the old keys in the meantime.
 */
import type { Clock, Timers } from '@loki/ports';
import type { CredentialRole } from './credential-sources.ts';
import { fetchRoleKeys } from './role-keys.ts';
import type { RoleKeys } from './role-keys.ts';

/** Time before the expiry at which new keys are requested. */
const refreshBeforeMs = 5 * 60_000;
/** Keys that expire sooner are not used: a request takes time, and clocks differ. */
const marginMs = 10_000;
/** Pause after a failure of the service, so that not every request of the store asks it. */
const pauseMs = 2_000;
/**
 * Deadline of one call with all its requests. Shorter than an attempt of the store, so that its error is
 * reported.
 */
const callMs = 8_000;

interface RoleCredentialsDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly fetchKeys?: (role: CredentialRole, signal: AbortSignal) => Promise<RoleKeys>;
}

export class RoleCredentials {
  readonly #role: CredentialRole;
  readonly #deps: RoleCredentialsDeps;
  #keys: RoleKeys | undefined;
  #call: Promise<RoleKeys> | undefined;
  #failure: { readonly error: Error; readonly atMs: number } | undefined;

  constructor(role: CredentialRole, deps: RoleCredentialsDeps) {
    this.#role = role;
    this.#deps = deps;
  }

  /** @throws Error with the role, when it issues no keys and the last ones have expired */
  async keys(): Promise<RoleKeys> {
    const keys = this.#keys;
    const restMs = keys === undefined ? -1 : this.#restMs(keys);
    if (keys && restMs > refreshBeforeMs) return keys;
    const call = this.#refresh();
    if (keys && restMs > marginMs) {
      call.catch(() => undefined); // the old keys are still valid; the next request tries again
      return keys;
    }
    return call;
  }

  /** Discards keys that the server has refused. */
  refuse(refused: RoleKeys): void {
    if (this.#keys === refused) this.#keys = undefined;
  }

  #restMs({ expiresAtMs }: RoleKeys): number {
    return expiresAtMs === undefined ? Number.POSITIVE_INFINITY : expiresAtMs - this.#deps.clock.nowMs();
  }

  #refresh(): Promise<RoleKeys> {
    const failure = this.#failure;
    if (failure && this.#deps.clock.monotonicMs() - failure.atMs < pauseMs) {
      return Promise.reject(failure.error);
    }
    this.#call ??= this.#fetch().finally(() => (this.#call = undefined));
    return this.#call;
  }

  async #fetch(): Promise<RoleKeys> {
    const { timers, clock, fetchKeys = fetchRoleKeys } = this.#deps;
    const abort = new AbortController();
    const timeout = Promise.withResolvers<never>();
    const timer = timers.after(callMs, () => {
      const reason = new Error(`no answer in ${callMs} ms`);
      timeout.reject(reason);
      abort.abort(reason);
    });
    try {
      const keys = await Promise.race([fetchKeys(this.#role, abort.signal), timeout.promise]);
      if (this.#restMs(keys) <= 0) throw new Error(`the keys expired at ${expiryText(keys)}`);
      this.#keys = keys;
      this.#failure = undefined;
      return keys;
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      const last = this.#keys ? `; the last keys expire at ${expiryText(this.#keys)}` : '';
      const error = new Error(`no keys by the role (${this.#role.kind}): ${reason}${last}`, { cause });
      this.#failure = { error, atMs: clock.monotonicMs() };
      throw error;
    } finally {
      timer.cancel();
    }
  }
}

function expiryText({ expiresAtMs = 0 }: RoleKeys): string {
  return new Date(expiresAtMs).toISOString();
}
