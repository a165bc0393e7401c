/** The table of all configuration keys, read from schema-data.json. */
import schemaData from './schema-data.json' with { type: 'json' };

/**
 * The kind of a key's value. `duration` is Go's form, `promduration` Prometheus' (limits); `size` takes
 * `256KB` as well as a plain number; `any` is a free-form subtree whose reader checks it; `blocks` a list of
 * blocks.
 */
export type KeyKind =
  | 'string'
  | 'bool'
  | 'int'
  | 'float'
  | 'size'
  | 'duration'
  | 'promduration'
  | 'time'
  | 'list'
  | 'any'
  | 'blocks';

/** One key of the configuration, as a row of the table of keys. */
export interface KeySpec {
  readonly node: 'key';
  /** Place in the YAML file, `.`-separated. */
  readonly path: string;
  readonly name: string;
  readonly kind: KeyKind;
  /** Text of the default, as a file has it; '' : none. */
  readonly defaultText: string;
  /** Command-line flag without dashes; '' : none. */
  readonly flag: string;
  /** The effect of the key; set only for keys that Loki does not have. */
  readonly help: string;
  /** For `blocks`: the schema of each item. */
  readonly item?: BlockSpec;
}

export interface BlockSpec {
  readonly node: 'block';
  readonly path: string;
  readonly name: string;
  /** Go's type name, for the error about an unknown key. */
  readonly typeName: string;
  readonly keys: Map<string, KeySpec | BlockSpec>;
}

interface Schema {
  readonly root: BlockSpec;
  readonly byFlag: ReadonlyMap<string, KeySpec>;
  readonly byPath: ReadonlyMap<string, KeySpec>;
}

/** In place of a flag prefix: the included keys have no flags. */
const noFlags = '-';

/**
 * Every key of the configuration. The data file holds one list of lines per block: `name | kind | default |
 * flag | effect` (the effect only for keys that Loki does not have), indented two spaces per nesting level. A
 * kind `@block` includes another list below `name` (the fourth field is then the flag prefix that replaces
 * `<p>`), `* | @block` includes it in place (a flag prefix of `-` leaves its keys without flags), `{}` opens
 * a nested section, `[]block` is a list of such blocks.
 */
let built: Schema | undefined;

/** Built at first use, once: about 2,500 keys after inclusion, a few milliseconds. */
export function schema(): Schema {
  built ??= buildSchema();
  return built;
}

/** The block at `path`, which the table must have. */
export function schemaBlock(path: string): BlockSpec {
  let block = schema().root;
  for (const name of path.split('.')) {
    const next = block.keys.get(name);
    if (next?.node !== 'block') throw new Error(`no such configuration block: ${path}`);
    block = next;
  }
  return block;
}

const data = schemaData as Readonly<Record<string, readonly string[]>>;

function buildSchema(): Schema {
  const byFlag = new Map<string, KeySpec>();
  const byPath = new Map<string, KeySpec>();
  const root = newBlock('', '', 'loki.ConfigWrapper');
  fill(root, 'root', '');
  return { root, byFlag, byPath };

  function fill(target: BlockSpec, listName: string, flagPrefix: string): void {
    const open: BlockSpec[] = [target];
    for (const line of data[listName]) {
      const depth = (line.length - line.trimStart().length) / 2;
      const [name, kind, defaultText = '', rawFlag = '', help = ''] = line
        .trim()
        .split('|')
        .map((part) => part.trim());
      const flag = flagPrefix === noFlags ? '' : replacePrefix(rawFlag, flagPrefix);
      open.length = depth + 1;
      const parent = open[depth];
      if (kind === '{}') {
        open.push(child(parent, name, parent.typeName));
      } else if (kind.startsWith('@')) {
        const included = kind.slice(1);
        const prefix = rawFlag === noFlags ? noFlags : flag;
        if (name === '*') fill(parent, included, prefix);
        else fill(child(parent, name, `${included.replaceAll('_', '')}.Config`), included, prefix);
      } else {
        addKey(parent, { name, kind, defaultText, flag, help });
      }
    }
  }

  function addKey(parent: BlockSpec, line: Omit<KeySpec, 'node' | 'path' | 'kind'> & { kind: string }): void {
    const { name, kind, flag } = line;
    const path = join(parent.path, name);
    let spec: KeySpec = { node: 'key', path, ...line, kind: kind as KeyKind };
    if (kind.startsWith('[]')) {
      const item = newBlock(path, name, `${kind.slice(2).replaceAll('_', '')}.Config`);
      fillItem(item, kind.slice(2));
      spec = { ...spec, kind: 'blocks', item };
    }
    parent.keys.set(name, spec);
    byPath.set(path, spec);
    if (flag !== '' && !byFlag.has(flag)) byFlag.set(flag, spec);
  }
}

/** Items of lists have no flags and no place of their own. */
function fillItem(item: BlockSpec, listName: string): void {
  const open: BlockSpec[] = [item];
  for (const line of data[listName]) {
    const depth = (line.length - line.trimStart().length) / 2;
    const [name, kind, defaultText = ''] = line
      .trim()
      .split('|')
      .map((part) => part.trim());
    open.length = depth + 1;
    const parent = open[depth];
    if (kind === '{}') open.push(child(parent, name, parent.typeName));
    else {
      const path = join(parent.path, name);
      parent.keys.set(name, {
        node: 'key',
        path,
        name,
        kind: kind as KeyKind,
        defaultText,
        flag: '',
        help: '',
      });
    }
  }
}

function newBlock(path: string, name: string, typeName: string): BlockSpec {
  return { node: 'block', path, name, typeName, keys: new Map() };
}

function child(parent: BlockSpec, name: string, typeName: string): BlockSpec {
  const existing = parent.keys.get(name);
  if (existing?.node === 'block') return existing;
  const block = newBlock(join(parent.path, name), name, typeName);
  parent.keys.set(name, block);
  return block;
}

function join(parent: string, name: string): string {
  return parent === '' ? name : `${parent}.${name}`;
}

/** `<p>` stands for the including block's prefix; with an empty prefix the leading dot is dropped. */
function replacePrefix(flag: string, prefix: string): string {
  if (!flag.includes('<p>')) return flag;
  return flag.replace('<p>', prefix).replace(/^\./, '');
}
