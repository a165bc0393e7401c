/** The tree of a template. `at` is the position in the text that errors point to. */
export type Node =
  | TextNode
  | ActionNode
  | BranchNode
  | TemplateNode
  | { readonly kind: 'break'; readonly at: number }
  | { readonly kind: 'continue'; readonly at: number };

interface TextNode {
  readonly kind: 'text';
  readonly at: number;
  readonly text: string;
}

export interface ActionNode {
  readonly kind: 'action';
  readonly at: number;
  readonly pipe: PipeNode;
}

export interface BranchNode {
  readonly kind: 'if' | 'with' | 'range';
  readonly at: number;
  readonly pipe: PipeNode;
  readonly list: readonly Node[];
  readonly elseList: readonly Node[] | undefined;
}

export interface TemplateNode {
  readonly kind: 'template';
  readonly at: number;
  readonly name: string;
  readonly pipe: PipeNode | undefined;
}

export interface PipeNode {
  readonly kind: 'pipe';
  readonly at: number;
  readonly isAssign: boolean;
  readonly declares: readonly VariableNode[];
  readonly commands: readonly CommandNode[];
}

export interface CommandNode {
  readonly kind: 'command';
  readonly at: number;
  readonly args: readonly Operand[];
}

export interface VariableNode {
  readonly kind: 'variable';
  readonly at: number;
  /** `$x` and the names of the fields after it. */
  readonly path: readonly string[];
}

interface FieldNode {
  readonly kind: 'field';
  readonly at: number;
  readonly path: readonly string[];
}

interface ChainNode {
  readonly kind: 'chain';
  readonly at: number;
  readonly base: Operand;
  readonly path: readonly string[];
}

export interface NumberNode {
  readonly kind: 'number';
  readonly at: number;
  readonly text: string;
  readonly int: bigint | undefined;
  readonly uint: bigint | undefined;
  readonly float: number | undefined;
}

interface IdentifierNode {
  readonly kind: 'identifier';
  readonly at: number;
  readonly name: string;
}

export type Operand =
  | PipeNode
  | VariableNode
  | FieldNode
  | ChainNode
  | NumberNode
  | IdentifierNode
  | { readonly kind: 'dot'; readonly at: number }
  | { readonly kind: 'nil'; readonly at: number }
  | { readonly kind: 'bool'; readonly at: number; readonly value: boolean }
  | { readonly kind: 'string'; readonly at: number; readonly quoted: string; readonly text: string };

/** A part of a template that an error can point to. */
export type AnyNode = Node | Operand | CommandNode;

/** The canonical text of a node; errors quote it. */
export function show(node: AnyNode): string {
  switch (node.kind) {
    case 'text':
      return node.text;
    case 'action':
      return `{{${show(node.pipe)}}}`;
    case 'break':
    case 'continue':
      return `{{${node.kind}}}`;
    case 'template':
      return `{{template ${JSON.stringify(node.name)}${node.pipe ? ` ${show(node.pipe)}` : ''}}}`;
    case 'if':
    case 'with':
    case 'range':
      return `{{${node.kind} ${show(node.pipe)}}}${node.list.map(show).join('')}${
        node.elseList ? `{{else}}${node.elseList.map(show).join('')}` : ''
      }{{end}}`;
    case 'pipe': {
      const declares = node.declares.map(show).join(', ');
      const head = declares === '' ? '' : `${declares} ${node.isAssign ? '=' : ':='} `;
      return head + node.commands.map(show).join(' | ');
    }
    case 'command':
      return node.args.map(showOperand).join(' ');
    case 'variable':
      return node.path.join('.');
    case 'field':
      return node.path.map((name) => `.${name}`).join('');
    case 'chain':
      return showOperand(node.base) + node.path.map((name) => `.${name}`).join('');
    case 'number':
      return node.text;
    case 'identifier':
      return node.name;
    case 'dot':
      return '.';
    case 'nil':
      return 'nil';
    case 'bool':
      return String(node.value);
    case 'string':
      return node.quoted;
  }
}

function showOperand(node: Operand): string {
  return node.kind === 'pipe' ? `(${show(node)})` : show(node);
}
