// Reads the parts of a Markdown page that tests and the site care about: headings, links, code blocks.

/** @typedef {{ language: string, code: string, line: number, marks: string[] }} Block */

/**
 * Fenced code blocks, with the HTML comments that stand directly above them.
 *
 * @param {string} text
 * @returns {Block[]}
 */
export function blocksOf(text) {
  const blocks = [];
  let marks = [];
  let open;
  text.split('\n').forEach((line, i) => {
    const fence = /^```(\w*)\s*$/.exec(line);
    if (open !== undefined && fence !== null) {
      blocks.push(open);
      open = undefined;
    } else if (open !== undefined) {
      open.code += `${line}\n`;
    } else if (fence !== null) {
      open = { language: fence[1], code: '', line: i + 2, marks };
      marks = [];
    } else {
      const mark = /^<!-- (.*) -->$/.exec(line);
      if (mark !== null) marks.push(mark[1]);
      else if (line !== '') marks = [];
    }
  });
  return blocks;
}

/** The page without its code blocks and comments; lines keep their numbers. */
export function proseOf(text) {
  const blank = (part) => part.replace(/[^\n]/g, '');
  return text.replace(/^```[\s\S]*?^```\s*$/gm, blank).replace(/<!--[\s\S]*?-->/g, blank);
}

/** Headings with their level, their words as written, and the anchor that GitHub and the site give them. */
export function headingsOf(text) {
  const seen = new Map();
  return [...proseOf(text).matchAll(/^(#{1,6}) (.+)$/gm)].map(([, marks, words]) => {
    const slug = words
      .trim()
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M}_ -]/gu, '')
      .replaceAll(' ', '-');
    const times = seen.get(slug) ?? 0;
    seen.set(slug, times + 1);
    return { level: marks.length, words, anchor: times === 0 ? slug : `${slug}-${times}` };
  });
}

/** Targets of links and images. */
export function linksOf(text) {
  const prose = proseOf(text).replace(/`[^`\n]*`/g, '');
  return [...prose.matchAll(/\]\(([^()\s]+)\)/g)].map(([, target]) => target);
}
