/** Rule groups in files, for `ruler_storage: local`: first step of the story of a rule. */
import { LokiError, parseTenantId } from '@loki/model';
import type { TenantId } from '@loki/model';
import type { Disk, Logger } from '@loki/ports';
import { readRuleFile, RuleTextError, ruleTextBytesMax } from './read-yaml.ts';
import type { PlacedGroup, RuleGroup } from './rule-group.ts';
import type { RuleStore, TenantGroups } from './rule-store.ts';
import { checkGroup } from './validate.ts';

/** Bound on rule files of one tenant. */
const filesMax = 1000;

/**
 * Groups in rule files that other tools write: `{directory}/{tenant}/{namespace}`, each file with a list of
 * groups. The API cannot change them.
 */
export class LocalRuleStore implements RuleStore {
  readonly #disk: Disk;
  readonly #logger: Logger;

  constructor(disk: Disk, logger: Logger) {
    this.#disk = disk;
    this.#logger = logger;
  }

  async tenants(): Promise<TenantId[]> {
    const tenants: TenantId[] = [];
    for (const name of await this.#disk.list('')) {
      // Mounted ConfigMaps have entries such as `..data`.
      if (name.startsWith('.')) continue;
      try {
        tenants.push(parseTenantId(name));
      } catch {
        this.#logger.warn('a rule directory is not named as a tenant', { directory: name });
      }
    }
    return tenants;
  }

  async groups(tenant: TenantId, namespace?: string): Promise<TenantGroups> {
    const groups: PlacedGroup[] = [];
    let isComplete = true;
    const files = (await this.#listFiles(tenant)).filter(
      (name) => namespace === undefined || name === namespace,
    );
    if (files.length > filesMax) {
      throw new LokiError('internal', `tenant ${tenant} has more than ${filesMax} rule files`);
    }
    for (const name of files) {
      try {
        const read = await this.#read(tenant, name);
        for (const group of read ?? []) groups.push({ tenant, namespace: name, group });
      } catch (error) {
        if (!(error instanceof LokiError || error instanceof RuleTextError)) throw error;
        isComplete = false;
        this.#logger.error('a rule file cannot be read and is not evaluated', {
          tenant,
          file: name,
          err: error.message,
        });
      }
    }
    return { groups, isComplete };
  }

  async #listFiles(tenant: TenantId): Promise<string[]> {
    return (await this.#disk.list(tenant)).filter((name) => !name.startsWith('.'));
  }

  /** undefined: no such file; it may have been removed meanwhile. */
  async #read(tenant: TenantId, name: string): Promise<RuleGroup[] | undefined> {
    let text: string;
    try {
      text = await this.#readText(`${tenant}/${name}`);
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (code === 'ENOENT' || code === 'EISDIR') return undefined;
      throw error;
    }
    const groups = readRuleFile(text).map(checkGroup);
    const names = new Set<string>();
    for (const group of groups) {
      if (names.has(group.name)) {
        throw new RuleTextError(`groupname: "${group.name}" is repeated in the same file`);
      }
      names.add(group.name);
    }
    return groups;
  }

  async #readText(path: string): Promise<string> {
    const file = await this.#disk.open(path, { readOnly: true });
    try {
      const size = await file.size();
      if (size > ruleTextBytesMax) throw new RuleTextError('the file is too long');
      return (await file.read(0, size)).toString('utf8');
    } finally {
      await file.close();
    }
  }

  async group(tenant: TenantId, namespace: string, name: string): Promise<RuleGroup> {
    const { groups } = await this.groups(tenant, namespace);
    const match = groups.find(({ group }) => group.name === name);
    if (!match) throw new LokiError('notFound', 'group does not exist');
    return match.group;
  }

  async names(tenant: TenantId): Promise<{ namespace: string; name: string }[]> {
    const { groups } = await this.groups(tenant);
    return groups.map(({ namespace, group }) => ({ namespace, name: group.name }));
  }

  async put(): Promise<void> {
    throw readOnly();
  }

  async delete(): Promise<void> {
    throw readOnly();
  }
}

function readOnly(): LokiError {
  return new LokiError('badRequest', 'rules come from local files, which the API does not change');
}
