import { getSystemErrorName } from 'node:util';

/** What the system said of a call, as Node tells it: `code`, `errno`, `syscall`. */
export function systemError(syscall: string, errno: number): NodeJS.ErrnoException {
  const code = getSystemErrorName(-errno);
  return Object.assign(new Error(`${syscall} ${code}`), { errno: -errno, code, syscall });
}

/** The peer sent FIN, which is no error to the system; the code is libuv's. */
export function ended(): NodeJS.ErrnoException {
  return Object.assign(new Error('read EOF: the peer ended the network connection'), {
    code: 'EOF',
    syscall: 'read',
  });
}
