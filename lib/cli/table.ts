/** A column: its heading, the text of a row, and whether the text is a number. */
export interface Column<T> {
  readonly heading: string;
  readonly text: (row: T) => string;
  readonly right?: boolean;
}

const maxWidth = 40;

/** Rows as aligned text under their headings, without trailing blanks. */
export function formatTable<T>(columns: readonly Column<T>[], rows: readonly T[]): string {
  const cells = rows.map((row) => columns.map(({ text }) => printable(text(row))));
  const widths = columns.map(({ heading }, index) => {
    return Math.max(heading.length, ...cells.map((row) => width(row[index] ?? '')));
  });
  const line = (texts: readonly string[]) =>
    texts
      .map((text, index) => {
        const fill = ' '.repeat((widths[index] ?? 0) - width(text));
        return columns[index]?.right === true ? fill + text : text + fill;
      })
      .join('  ')
      .trimEnd();
  const headings = columns.map(({ heading }) => heading);
  return [line(headings), line(widths.map((each) => '─'.repeat(each))), ...cells.map(line)].join('\n');
}

/** Names come from clients: nothing in them may reach the terminal as a command, and none may fill it. */
export function printable(text: string): string {
  const visible = [
    ...text.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/g, '�'),
  ];
  return visible.length > maxWidth ? `${visible.slice(0, maxWidth - 1).join('')}…` : visible.join('');
}

/** Columns of the terminal, nearly: East Asian characters and emoji take two. */
function width(text: string): number {
  return [...text].reduce((sum, character) => {
    return (
      sum +
      (/[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60]|\p{Emoji_Presentation}/u.test(
        character,
      )
        ? 2
        : 1)
    );
  }, 0);
}

/** `45s`, `12m`, `3h 20m`, `4d 2h`: two units at most. */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 === 0 ? `${hours}h` : `${hours}h ${minutes % 60}m`;
  const days = Math.floor(hours / 24);
  return hours % 24 === 0 ? `${days}d` : `${days}d ${hours % 24}h`;
}

export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1_048_576 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1_048_576).toFixed(1)} MiB`;
}
