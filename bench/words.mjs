const kinds = {
  echo: 'echo',
  client: 'client',
  broadcast: 'publish',
  connect: 'connect and close',
  idle: 'idle memory',
};
const words = {
  transient: 'lent',
  ascii: 'text',
  utf8: 'text beyond ASCII',
  unix: 'unix socket',
  spin: 'client awake',
  busy: 'busyPoll',
  one: 'one sends',
  all: 'all send',
  tls: 'TLS',
  deflate: 'compressed',
  open: 'open handler',
  quiet: 'nobody floods',
};
const counted = {
  deep: (n) => `${n} in flight`,
  kept: (n) => `last ${n} kept`,
  threads: (n) => `${n} threads`,
  topics: (n) => `${n} topics`,
  flood: (n) => `${n} in flight by one`,
};

function size(word) {
  const [, number, unit] = /^(\d+)(Ki|Mi)?$/.exec(word);
  return `${number} ${unit ?? ''}B`;
}

function inWord(word) {
  const [, name, number] = /^([a-z]+)(\d+)$/.exec(word) ?? [];
  return words[word] ?? counted[name]?.(number) ?? word;
}

/** What a cell measures, for people: `echo-50x1Ki-deep16` is "echo, 50 × 1 KiB, 16 in flight". */
export function inWords(cell) {
  const [kind, ...rest] = cell.split('-');
  const parts = rest.map((word) => {
    const [, count, bytes] = /^(\d+)x(\d+(?:Ki|Mi)?)$/.exec(word) ?? [];
    if (count !== undefined) return `${count} × ${size(bytes)}`;
    return /^\d+$/.test(word) ? Number(word).toLocaleString('en') : inWord(word);
  });
  return [kinds[kind] ?? (kind === 'mixed' ? '49 quiet ones' : kind), ...parts].join(', ');
}
