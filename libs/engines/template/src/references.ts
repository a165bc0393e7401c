/**
 * Finds the labels and fields that a template may read, so that only these are extracted: step *plan* of a
 * query.
 */
import type { CommandNode, Node, Operand, PipeNode } from './nodes.ts';
import type { ParsedTemplate } from './parser.ts';

/** The fields that a template may read, derived from its tree. It may list too many, never too few. */
interface References {
  readonly labelNames: ReadonlySet<string>;
  /** The template uses all labels: {{ . }}, {{ range . }}. */
  readonly usesAllLabels: boolean;
  readonly usesLine: boolean;
  readonly usesTimestamp: boolean;
}

export function findReferences(parsed: ParsedTemplate): References {
  const finder = new Finder();
  finder.list(parsed.root, true);
  // The argument of a definition is not tracked, so its dot may be the labels.
  for (const list of parsed.definitions.values()) finder.list(list, true);
  return {
    labelNames: finder.labelNames,
    usesAllLabels: finder.usesAllLabels,
    usesLine: finder.functions.has('__line__'),
    usesTimestamp: finder.functions.has('__timestamp__'),
  };
}

class Finder {
  readonly labelNames = new Set<string>();
  readonly functions = new Set<string>();
  usesAllLabels = false;

  /** @param isLabels whether the dot may be the labels */
  list(nodes: readonly Node[], isLabels: boolean): void {
    for (const node of nodes) {
      switch (node.kind) {
        case 'action':
          this.#pipe(node.pipe, isLabels);
          break;
        case 'template':
          // {{ template "x" . }} passes the labels on; the visit of "x" finds their use there.
          if (node.pipe && !isDot(node.pipe)) this.#pipe(node.pipe, isLabels);
          else if (node.pipe && !isLabels) this.#pipe(node.pipe, isLabels);
          break;
        case 'if':
          this.#pipe(node.pipe, isLabels);
          this.list(node.list, isLabels);
          this.list(node.elseList ?? [], isLabels);
          break;
        case 'with':
        case 'range':
          // Inside, the dot is a value. If it still is the labels, their use was recorded here.
          this.#pipe(node.pipe, isLabels);
          this.list(node.list, false);
          this.list(node.elseList ?? [], isLabels);
          break;
        default:
      }
    }
  }

  #pipe(node: PipeNode, isLabels: boolean): void {
    for (const command of node.commands) this.#command(command, isLabels);
  }

  #command(node: CommandNode, isLabels: boolean): void {
    const [first, second, third] = node.args;
    const isConstantIndex =
      first.kind === 'identifier' && first.name === 'index' && third?.kind === 'string' && isLabels;
    if (isConstantIndex && (second.kind === 'dot' || isRoot(second))) {
      this.functions.add('index');
      this.labelNames.add(third.text);
      for (const arg of node.args.slice(3)) this.#operand(arg, isLabels);
      return;
    }
    for (const arg of node.args) this.#operand(arg, isLabels);
  }

  #operand(node: Operand, isLabels: boolean): void {
    switch (node.kind) {
      case 'dot':
        if (isLabels) this.usesAllLabels = true;
        break;
      case 'field':
        if (isLabels) this.labelNames.add(node.path[0]);
        break;
      case 'variable':
        if (node.path[0] !== '$') break;
        if (node.path.length > 1) this.labelNames.add(node.path[1]);
        else this.usesAllLabels = true;
        break;
      case 'chain':
        this.#operand(node.base, isLabels);
        break;
      case 'pipe':
        this.#pipe(node, isLabels);
        break;
      case 'identifier':
        this.functions.add(node.name);
        break;
      default:
    }
  }
}

function isRoot(node: Operand): boolean {
  return node.kind === 'variable' && node.path.length === 1 && node.path[0] === '$';
}

function isDot(pipe: PipeNode): boolean {
  const { commands, declares } = pipe;
  return (
    declares.length === 0 &&
    commands.length === 1 &&
    commands[0].args.length === 1 &&
    commands[0].args[0].kind === 'dot'
  );
}
