/** Stores rule groups as objects: first step of the story of a rule. FORMAT.md draws them. */
import { crc32c } from '@loki/bytes';
import { BoundedMap, LokiError, parseTenantId } from '@loki/model';
import type { TenantId } from '@loki/model';
import type { Logger, ObjectStore, Workers } from '@loki/ports';
import { readCheckedGroup } from './read-group-task.ts';
import { RuleTextError } from './read-yaml.ts';
import type { PlacedGroup, RuleGroup } from './rule-group.ts';
import { nameBytesMax } from './validate.ts';
import { writeGroup } from './write-yaml.ts';

/** A store of rule groups. */
export interface RuleStore {
  /** Tenants that have groups, sorted. */
  tenants(signal?: AbortSignal): Promise<TenantId[]>;
  /**
   * Groups of a tenant, by namespace and name; optionally of one namespace. Unreadable groups are skipped and
   * logged.
   */
  groups(tenant: TenantId, namespace?: string, signal?: AbortSignal): Promise<TenantGroups>;
  /** @throws LokiError `notFound` if it does not exist */
  group(tenant: TenantId, namespace: string, name: string): Promise<RuleGroup>;
  /** Namespace and name of each group, without reading groups. */
  names(tenant: TenantId): Promise<{ namespace: string; name: string }[]>;
  put(tenant: TenantId, namespace: string, group: RuleGroup): Promise<void>;
  delete(tenant: TenantId, namespace: string, name: string): Promise<void>;
}

export interface TenantGroups {
  readonly groups: readonly PlacedGroup[];
  /** False: some groups of the tenant could not be read. */
  readonly isComplete: boolean;
}

const prefix = 'rules/';
/** Groups read in parallel. */
const readsMax = 16;
/** Bound on the groups of one tenant. */
const groupsMax = 40_000;

/**
 * Groups as objects `rules/{tenant}/{namespace}/{group}`, both names in URL-safe base64, so that each is one
 * part of the key and no two names collide.
 */
export class ObjectRuleStore implements RuleStore {
  readonly #objects: ObjectStore;
  readonly #logger: Logger;
  readonly #workers: Workers | undefined;
  /** By key: an unchanged group is not parsed again, and stays the same object. */
  readonly #parsed = new BoundedMap<string, { readonly bytes: Buffer; readonly group: RuleGroup }>(groupsMax);

  /** @param workers readers of large groups; absent: the calling thread */
  constructor(objects: ObjectStore, logger: Logger, workers?: Workers) {
    this.#objects = objects;
    this.#logger = logger;
    this.#workers = workers;
  }

  async tenants(signal?: AbortSignal): Promise<TenantId[]> {
    const tenants = new Set<TenantId>();
    for await (const { key } of this.#objects.list(prefix)) {
      signal?.throwIfAborted();
      const tenant = tenantOf(key.split('/')[1]);
      if (tenant !== undefined) tenants.add(tenant);
    }
    return [...tenants].sort();
  }

  async groups(tenant: TenantId, namespace?: string, signal?: AbortSignal): Promise<TenantGroups> {
    const names = (await this.names(tenant)).filter(
      (each) => namespace === undefined || each.namespace === namespace,
    );
    const groups: PlacedGroup[] = [];
    let isComplete = true;
    for (let at = 0; at < names.length; at += readsMax) {
      signal?.throwIfAborted();
      const read = await Promise.all(
        names.slice(at, at + readsMax).map((each) => this.#tryRead(tenant, each.namespace, each.name)),
      );
      for (const each of read) {
        if (each === 'unreadable') isComplete = false;
        else if (each) groups.push(each);
      }
    }
    return { groups, isComplete };
  }

  /** undefined: deleted since the listing. */
  async #tryRead(
    tenant: TenantId,
    namespace: string,
    name: string,
  ): Promise<PlacedGroup | 'unreadable' | undefined> {
    try {
      return { tenant, namespace, group: await this.group(tenant, namespace, name) };
    } catch (error) {
      if (!(error instanceof LokiError || error instanceof RuleTextError)) throw error;
      if (error instanceof LokiError && error.code === 'notFound') return undefined;
      if (error instanceof LokiError && error.code !== 'badRequest' && error.code !== 'corrupt') throw error;
      this.#logger.error('a rule group cannot be read and is not evaluated', {
        tenant,
        namespace,
        group: name,
        err: error.message,
      });
      return 'unreadable';
    }
  }

  async group(tenant: TenantId, namespace: string, name: string): Promise<RuleGroup> {
    // No group can have such names, and a store would have no key for them.
    if (Buffer.byteLength(namespace) > nameBytesMax || Buffer.byteLength(name) > nameBytesMax) {
      throw new LokiError('notFound', 'group does not exist');
    }
    const key = keyOf(tenant, namespace, name);
    const bytes = await this.#objects.get(key).catch((error: unknown) => {
      if (error instanceof LokiError && error.code === 'notFound') {
        throw new LokiError('notFound', 'group does not exist', { cause: error });
      }
      throw error;
    });
    const cached = this.#parsed.get(key);
    if (cached?.bytes.equals(bytes)) return cached.group;
    const group = await readCheckedGroup(checkedGroupText(key, bytes), this.#workers);
    if (group.name !== name) throw new LokiError('corrupt', `${key} holds a group of another name`);
    this.#parsed.set(key, { bytes, group });
    return group;
  }

  async names(tenant: TenantId): Promise<{ namespace: string; name: string }[]> {
    const names: { namespace: string; name: string }[] = [];
    for await (const { key } of this.#objects.list(`${prefix}${tenant}/`)) {
      const parts = key.split('/');
      if (parts.length !== 4) continue;
      if (names.length >= groupsMax) {
        throw new LokiError('internal', `tenant ${tenant} has more than ${groupsMax} rule groups`);
      }
      names.push({ namespace: decodeName(parts[2]), name: decodeName(parts[3]) });
    }
    return names.sort((a, b) => byText(a.namespace, b.namespace) || byText(a.name, b.name));
  }

  async put(tenant: TenantId, namespace: string, group: RuleGroup): Promise<void> {
    const bytes = storedGroup(writeGroup(group, { complete: true }));
    await this.#objects.put(keyOf(tenant, namespace, group.name), bytes);
  }

  async delete(tenant: TenantId, namespace: string, name: string): Promise<void> {
    const key = keyOf(tenant, namespace, name);
    await this.#objects.delete(key);
    this.#parsed.delete(key);
  }
}

/** First line of a stored group; the last line is a checksum of everything before it. */
const header = '# rule group, version 2\n';
const trailerPattern = /# crc32c=([0-9a-f]{8})\n$/;

/** A group's YAML in its stored form: with comments around it, which readers of version 1 skip. */
export function storedGroup(yaml: string): Buffer {
  const text = `${header}${yaml}`;
  return Buffer.from(`${text}# crc32c=${checksumOf(text)}\n`);
}

/**
 * The YAML of a stored group, if its checksum is correct or absent: older groups, and groups that operators
 * put into the bucket.
 */
export function checkedGroupText(key: string, bytes: Buffer): string {
  const text = bytes.toString('utf8');
  const trailer = trailerPattern.exec(text);
  if (!text.startsWith(header) && !trailer) return text;
  if (text.startsWith(header) && trailer?.[1] === checksumOf(text.slice(0, trailer?.index))) return text;
  throw new LokiError('corrupt', `the checksum of ${key} does not hold`);
}

function checksumOf(text: string): string {
  return crc32c(Buffer.from(text)).toString(16).padStart(8, '0');
}

/** Encodes a name as a part of an object key. */
export function encodeName(name: string): string {
  return Buffer.from(name).toString('base64url');
}

function decodeName(part: string): string {
  return Buffer.from(part, 'base64url').toString('utf8');
}

function keyOf(tenant: TenantId, namespace: string, name: string): string {
  return `${prefix}${tenant}/${encodeName(namespace)}/${encodeName(name)}`;
}

function tenantOf(text: string): TenantId | undefined {
  try {
    return parseTenantId(text);
  } catch {
    // A foreign object.
    return undefined;
  }
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
