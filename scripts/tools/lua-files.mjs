// The Lua that runs inside Redis: where it is, how it is formatted, and what the linter gets.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure, isMain, main, root } from './run.mjs';

const folder = join('lib', 'redis', 'lua');
/** In the order in which they make one program. */
const parts = ['records.lua', 'operations.lua'];

export function luaFiles() {
  return readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.lua'))
    .map((name) => join(folder, name))
    .sort();
}

/** The parts as one file, as Redis runs them: each uses what the ones before it declare. */
export function joinedLua() {
  const target = join('build', 'lint', 'sessions.lua');
  mkdirSync(join(root, 'build', 'lint'), { recursive: true });
  const texts = parts.map((name) => readFileSync(join(root, folder, name), 'utf8'));
  writeFileSync(join(root, target), texts.join(''));
  return target;
}

/** Formats every file in place, or with `check` only says which are not. */
export async function formatLua(check) {
  const stylua = await import('@johnnymorganz/stylua').catch((cause) => {
    throw new Failure(`stylua is not installed; run: npm ci (${cause.message})`);
  });
  // Each is used up by the file that it formats.
  const config = () =>
    Object.assign(stylua.Config.new(), {
      column_width: 110,
      indent_type: stylua.IndentType.Spaces,
      indent_width: 2,
      quote_style: stylua.QuoteStyle.AutoPreferSingle,
      syntax: stylua.LuaVersion.Lua51,
    });
  const wrong = luaFiles().filter((name) => {
    const text = readFileSync(join(root, name), 'utf8');
    const formatted = stylua.formatCode(text, config(), undefined, stylua.OutputVerification.Full);
    if (formatted !== text && !check) writeFileSync(join(root, name), formatted);
    return formatted !== text;
  });
  if (check && wrong.length > 0) {
    throw new Failure(`not formatted (npm run format does it): ${wrong.join(' ')}`);
  }
}

if (isMain(import.meta.url)) await main(() => formatLua(true));
