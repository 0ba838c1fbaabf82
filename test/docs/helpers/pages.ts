import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Block, blocksOf, headingsOf, linksOf } from '../../../scripts/tools/markdown.mjs';

export const root = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '');

export interface MarkdownPage {
  /** Relative to the repository. */
  readonly name: string;
  readonly folder: string;
  readonly text: string;
  readonly blocks: Block[];
  readonly headings: ReturnType<typeof headingsOf>;
  readonly links: string[];
}

function read(path: string): MarkdownPage {
  const text = readFileSync(path, 'utf8');
  return {
    name: relative(root, path),
    folder: dirname(path),
    text,
    blocks: blocksOf(text),
    headings: headingsOf(text),
    links: linksOf(text),
  };
}

/** A page by its name, as `docs/options.md`. */
export const page = (name: string) => read(join(root, name));

const markdownIn = (folder: string) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md') && !name.includes('node_modules'))
    .map((name) => join(folder, name));

/** What a reader is told how to write code by. */
export const guides = (): MarkdownPage[] => ['README.md', ...markdownIn('docs')].map(page);

/** Every page that we wrote. */
export const allPages = (): MarkdownPage[] => [
  ...readdirSync(root)
    .filter((name) => name.endsWith('.md'))
    .map(page),
  ...['docs', 'examples', 'bench', 'patches'].flatMap(markdownIn).map(page),
];
