import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Case } from './cases/case.js';
import { closing } from './cases/closing.js';
import { control } from './cases/control.js';
import { fragmentation } from './cases/fragmentation.js';
import { framing } from './cases/framing.js';
import { deliveries, roles } from './cases/roles.js';
import { utf8 } from './cases/utf8.js';

const tables: Record<string, Case[]> = {
  'base framing': framing,
  fragmentation,
  'control frames': control,
  'the close handshake': closing,
  UTF8: utf8,
};

/** Comparing long Buffers byte by byte in JavaScript takes long, and tells nobody more. */
const brief = (data: string | Buffer) =>
  data.length < 500
    ? data
    : `${typeof data} of ${data.length}: ${createHash('sha256').update(data).digest('hex')}`;

const ways = Object.entries(roles).flatMap(([role, run]) => [
  ...deliveries.map((delivery) => ({ role, run, delivery, deflate: false })),
  { role, run, delivery: 'in one write' as const, deflate: true },
]);

for (const { role, run, delivery, deflate } of ways)
  describe(`a ${role} ${deflate ? 'with permessage-deflate ' : ''}that gets its input ${delivery}`, () => {
    for (const [name, cases] of Object.entries(tables))
      describe(name, () => {
        for (const one of cases.filter(({ plainOnly }) => !(deflate && plainOnly)))
          it(`RFC 6455 ${one.section}: ${one.rule}`, async () => {
            const outcome = await run(one, delivery, deflate);
            expect({ ...outcome, messages: outcome.messages.map(brief) }).toEqual({
              messages: (one.messages ?? []).map(brief),
              pongs: one.pongs ?? [],
              heard: one.heard ?? [],
              end: one.end ?? 'open',
            });
          });
      });
  });
