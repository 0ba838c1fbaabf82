import { existsSync, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { allPages, page, root } from './helpers/pages.js';

const pages = allPages();

/** What is wrong with a link, undefined for one that leads somewhere. */
function fault(folder: string, own: string, link: string): string | undefined {
  if (/^(https?|mailto):/.test(link)) return undefined;
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? join(root, own) : resolve(folder, path);
  if (!existsSync(target)) return `${link}: no such file`;
  if (anchor === undefined) return undefined;
  if (!target.endsWith('.md')) return `${link}: an anchor in what is no page`;
  const known = page(relative(root, target)).headings.map((heading) => heading.anchor);
  return known.includes(anchor) ? undefined : `${link}: no such heading`;
}

describe('a link or image of a page leads to a file, and its anchor to a heading', () => {
  it.each(pages.filter(({ links }) => links.length > 0).map((one) => [one.name, one] as const))(
    '%s',
    (name, { folder, links }) => {
      expect(links.map((link) => fault(folder, name, link)).filter((what) => what !== undefined)).toEqual([]);
    },
  );
});

/** The table of contents, and the first page of the site. */
const aboveAll = ['docs/README.md', 'docs/home.md'];

it('every page of docs/ is in its table of contents', () => {
  const listed = page('docs/README.md').links.map((link) => resolve(root, 'docs', link));
  const missing = pages
    .filter(({ name }) => name.startsWith('docs/') && !aboveAll.includes(name))
    .filter(({ name }) => !listed.includes(join(root, name)));
  expect(missing.map(({ name }) => name)).toEqual([]);
});

it('every example has a page, and is in the table of contents', () => {
  const listed = page('docs/README.md').links.filter((link) => link.startsWith('../examples/'));
  const files = listed.map((link) => resolve(root, 'docs', link));
  expect(files.filter((file) => !existsSync(file) || !statSync(file).isFile())).toEqual([]);
  const pagesOfExamples = pages.filter(({ name }) => /^examples\/[^/]+\/README\.md$/.test(name));
  expect(files.sort()).toEqual(pagesOfExamples.map(({ name }) => join(root, name)).sort());
});
