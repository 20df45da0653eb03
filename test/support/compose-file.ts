/**
 * Reads the compose files of this repository: the part of YAML that they are written in, which is block
 * mappings, lists of plain values, quotes and comments. Anything else is an error, not a guess.
 */

export type Node = string | readonly Node[] | { readonly [key: string]: Node };

interface Line {
  readonly indent: number;
  readonly text: string;
}

/** The file as a tree of texts; an empty value is an empty text. */
export function parseCompose(source: string): Node {
  const lines = source
    .split('\n')
    .map((line) => line.replace(/(^|\s)#.*$/, '').trimEnd())
    .filter((line) => line !== '')
    .map((line) => ({ indent: line.search(/\S/), text: line.trim() }));
  const { node, rest } = block(lines);
  if (rest[0] !== undefined) throw new Error(`not understood: ${rest[0].text}`);
  return node;
}

/** The node at this path; throws if there is none. */
export function at(node: Node, ...path: readonly string[]): Node {
  let here: Node | undefined = node;
  for (const key of path) {
    const children: Readonly<Record<string, Node>> = isMapping(here) ? here : {};
    here = children[key];
    if (here === undefined) throw new Error(`there is no ${path.join('.')}`);
  }
  return here;
}

export function isMapping(node: Node): node is { readonly [key: string]: Node } {
  return typeof node === 'object' && !Array.isArray(node);
}

/** A mapping of plain values. */
export function texts(node: Node): Readonly<Record<string, string>> {
  if (!isMapping(node)) throw new Error('not a mapping');
  return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, text(value)]));
}

/** A list of plain values. */
export function list(node: Node): readonly string[] {
  if (!Array.isArray(node)) throw new Error('not a list');
  return node.map(text);
}

export function text(node: Node): string {
  if (typeof node !== 'string') throw new Error('not a plain value');
  return node;
}

type Parsed = { readonly node: Node; readonly rest: readonly Line[] };

/** The lines from here on that are indented alike, with what is below them. */
function block(lines: readonly Line[]): Parsed {
  const [first] = lines;
  if (first === undefined) return { node: '', rest: [] };
  return first.text.startsWith('- ') ? sequence(lines, first.indent) : mapping(lines, first.indent);
}

function sequence(lines: readonly Line[], indent: number): Parsed {
  const end = lines.findIndex((line) => line.indent !== indent || !line.text.startsWith('- '));
  const count = end === -1 ? lines.length : end;
  return { node: lines.slice(0, count).map((line) => scalar(line.text.slice(2))), rest: lines.slice(count) };
}

function mapping(lines: readonly Line[], indent: number): Parsed {
  const node: Record<string, Node> = {};
  let rest = lines;
  for (let line = rest[0]; line !== undefined && line.indent === indent; line = rest[0]) {
    const [, key, value] = /^([\w.-]+):(?: +(.*))?$/.exec(line.text) ?? [];
    if (key === undefined) throw new Error(`not understood: ${line.text}`);
    if (key in node) throw new Error(`${key} is there twice`);
    rest = rest.slice(1);
    const isParent = value === undefined && (rest[0]?.indent ?? 0) > indent;
    if (isParent) {
      const below = block(rest);
      node[key] = below.node;
      rest = below.rest;
    } else {
      node[key] = scalar(value ?? '');
    }
  }
  return { node, rest };
}

function scalar(value: string): string {
  const quoted = /^"([^"\\]*)"$/.exec(value)?.[1];
  if (quoted !== undefined) return quoted;
  if (/^["'[{&*|>!]/.test(value)) throw new Error(`not understood: ${value}`);
  return value;
}
