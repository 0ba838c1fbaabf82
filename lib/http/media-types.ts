const utf8 = '; charset=utf-8';

const byExtension = new Map<string, string>([
  ['html', `text/html${utf8}`],
  ['htm', `text/html${utf8}`],
  ['css', `text/css${utf8}`],
  ['js', `text/javascript${utf8}`],
  ['mjs', `text/javascript${utf8}`],
  ['txt', `text/plain${utf8}`],
  ['md', `text/markdown${utf8}`],
  ['csv', `text/csv${utf8}`],
  ['vtt', `text/vtt${utf8}`],
  ['xml', `text/xml${utf8}`],
  ['json', 'application/json'],
  ['map', 'application/json'],
  ['webmanifest', 'application/manifest+json'],
  ['wasm', 'application/wasm'],
  ['pdf', 'application/pdf'],
  ['zip', 'application/zip'],
  ['gz', 'application/gzip'],
  ['svg', 'image/svg+xml'],
  ['png', 'image/png'],
  ['jpg', 'image/jpeg'],
  ['jpeg', 'image/jpeg'],
  ['gif', 'image/gif'],
  ['webp', 'image/webp'],
  ['avif', 'image/avif'],
  ['ico', 'image/x-icon'],
  ['woff', 'font/woff'],
  ['woff2', 'font/woff2'],
  ['ttf', 'font/ttf'],
  ['otf', 'font/otf'],
  ['mp3', 'audio/mpeg'],
  ['ogg', 'audio/ogg'],
  ['wav', 'audio/wav'],
  ['m4a', 'audio/mp4'],
  ['mp4', 'video/mp4'],
  ['webm', 'video/webm'],
]);

/** The Content-Type of a file by its name; text is taken for UTF-8. */
export function mediaType(name: string): string {
  const dot = name.lastIndexOf('.');
  const known = dot < 0 ? undefined : byExtension.get(name.slice(dot + 1).toLowerCase());
  return known ?? 'application/octet-stream';
}
