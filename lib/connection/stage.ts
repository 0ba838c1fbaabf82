/**
 * @internal How far a connection is. LOST: nothing can be sent any more, which `send` was told before any event tells
 * it; what had come is still delivered. ENDED: its slot may have another tenant soon, and its `close` may wait.
 */
export const Stage = { OPEN: 0, LOST: 1, CLOSING: 2, ENDED: 3, DEAD: 4 } as const;
