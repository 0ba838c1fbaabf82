import { createClient } from 'redis';
import { RedisStore } from '../../../lib/redis/index.js';
import { until } from './managers.js';

/** Until the chat with its sessions in this Redis has stored what it keeps of one; it tells before. */
export async function untilKept(url: string, id: string): Promise<void> {
  const client = await createClient({ url })
    .on('error', () => undefined)
    .connect();
  try {
    const store = new RedisStore({ client, prefix: 'chat:' });
    await until('kept', async () => ((await store.get(id))?.version ?? 0) > 0);
  } finally {
    client.destroy();
  }
}
