// npm run docs: the pages of docs/ and the API reference as one static site in build/docs.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Failure, isMain, main, root } from './tools/run.mjs';

const out = join(root, 'build', 'docs');

/** The pages in the order of docs/README.md, with the section of it that names them. */
export function pages() {
  const found = [];
  let section = '';
  for (const line of readFileSync(join(root, 'docs', 'README.md'), 'utf8').split('\n')) {
    section = /^## (.+)$/.exec(line)?.[1] ?? section;
    const link = /^\* \[([^\]]+)\]\(([\w./-]+\.md)\)/.exec(line);
    if (link !== null) found.push({ title: link[1], file: join(root, 'docs', link[2]), section });
  }
  return found;
}

/** typedoc leaves code out of a heading's words, and so out of its anchor and the page's contents. */
function nameCodeInHeadings(parser) {
  parser.core.ruler.push('code-in-headings', ({ tokens, Token }) => {
    for (const [i, { type }] of tokens.entries()) {
      if (type !== 'heading_open') continue;
      for (const code of tokens[i + 1].children.filter((token) => token.type === 'code_inline')) {
        const words = new Token('text', '', 0);
        words.content = code.content;
        code.children = [words];
      }
    }
  });
}

/** Builds the site into `folder`; warnings are failures, since each is a page that says less than it wants to. */
export async function buildDocs(folder = out) {
  const { Application, Converter, LogLevel, TSConfigReader } = await import('typedoc').catch((cause) => {
    throw new Failure(`typedoc is not installed; run: npm ci (${cause.message})`);
  });
  const list = pages();
  const app = await Application.bootstrap(
    {
      name: 'libwebsockets for Node',
      entryPoints: [
        'lib/index.ts',
        'lib/sessions/index.ts',
        'lib/sessions/conformance.ts',
        'lib/redis/index.ts',
      ]
        .map((path) => join(root, path))
        .filter((path) => existsSync(path)),
      tsconfig: join(root, 'tsconfig.build.json'),
      basePath: root,
      readme: join(root, 'docs', 'home.md'),
      favicon: join(root, 'docs', 'images', 'icon.svg'),
      projectDocuments: list.map(({ file }) => file),
      out: folder,
      cleanOutputDir: true,
      customCss: join(root, 'scripts', 'tools', 'docs.css'),
      disableSources: true,
      excludeInternal: true,
      excludePrivate: true,
      excludeProtected: true,
      excludeExternals: true,
      githubPages: false,
      hideGenerator: true,
      includeVersion: true,
      searchInDocuments: true,
      highlightLanguages: ['bash', 'dockerfile', 'ini', 'javascript', 'json', 'nginx', 'typescript'],
      // A page says more about a word than each member that mentions it.
      searchGroupBoosts: Object.fromEntries(list.map(({ section }) => [section, 3])),
      sort: ['source-order'],
      sortEntryPoints: false,
      groupOrder: [...new Set(list.map(({ section }) => section)), '*'],
      navigation: { includeCategories: true, includeGroups: true, includeFolders: false },
      markdownItLoader: nameCodeInHeadings,
      validation: { notExported: false, invalidLink: true, invalidPath: true, notDocumented: false },
      logLevel: LogLevel.Warn,
    },
    [new TSConfigReader()],
  );
  app.converter.on(Converter.EVENT_CREATE_DOCUMENT, (_, document) => {
    const page = list.find(({ file }) => file === join(root, `${document.name}.md`));
    if (page === undefined) return;
    document.name = page.title;
    document.frontmatter.group = page.section;
  });
  const project = await app.convert();
  if (project === undefined) throw new Failure('the documentation could not be read');
  await app.generateDocs(project, folder);
  if (app.logger.hasErrors() || app.logger.hasWarnings())
    throw new Failure('the documentation has the faults named above');
  return folder;
}

if (isMain(import.meta.url))
  await main(async () => {
    console.log(`built ${pathToFileURL(join(await buildDocs(), 'index.html'))}`);
  });
