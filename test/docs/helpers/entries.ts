import { type MarkdownPage, page } from './pages.js';

/** What a page says of an option: its heading, and the line below it. */
export interface Entry {
  readonly name: string;
  /** The number behind `default`, where it is one. */
  readonly default: number | undefined;
  /** The numbers of `a` to `b`, where these are its bounds. */
  readonly bounds: readonly [least: number, most: number] | undefined;
  /** It is a `number`; others are integers, as are `bytes` and `ms`. */
  readonly fractions: boolean;
}

const numberOf = (text: string | undefined) =>
  text !== undefined && /^\d[\d_]*$/.test(text) ? Number(text.replaceAll('_', '')) : undefined;

/** Entries below headings of the third level; only those of one section where it is given. */
export function entriesOf(name: string, section?: string): Entry[] {
  const { text }: MarkdownPage = page(name);
  const parts = text.split(/^## /m);
  const part = section === undefined ? text : parts.find((one) => one.startsWith(`${section}\n`));
  if (part === undefined) throw new Error(`Expected a section "${section}" in ${name}`);
  return [...part.matchAll(/^### (.+)\n\n(.*)$/gm)].map(([, heading, line]) => {
    const [, least, most] = /`(\d[\d_]*)` to `(\d[\d_]*)`/.exec(line!) ?? [];
    const ends = [numberOf(least), numberOf(most)] as const;
    return {
      name: heading!.replaceAll('`', ''),
      default: numberOf(/default `([^`]*)`/.exec(line!)?.[1]),
      fractions: line!.startsWith('number '),
      bounds: ends[0] === undefined || ends[1] === undefined ? undefined : [ends[0], ends[1]],
    };
  });
}
