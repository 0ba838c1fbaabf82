/** What one client has of the address space: an IPv4 address, or of IPv6 its first 64 bits (RFC 4291 2.5.1), as text. */
export function addressBlock(address: string): string {
  if (!address.includes(':')) return address;
  /* RFC 4291 2.5.5.2: all IPv4 addresses would be of one block */
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped !== null) return mapped[1]!;
  const [plain] = address.split('%') as [string];
  const [before, after] = plain.split('::') as [string, string?];
  const head = before === '' ? [] : before.split(':');
  const tail = after === undefined || after === '' ? [] : after.split(':');
  /* a final dotted quad stands for two groups */
  const written = head.length + tail.length + (plain.includes('.') ? 1 : 0);
  const zeros = after === undefined ? 0 : Math.max(0, 8 - written);
  const groups = [...head, ...Array.from({ length: zeros }, () => '0'), ...tail];
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}
