/**
 * What a close code means for coming back: the one table that `reconnect` goes by, sessions close by, and the
 * documentation shows. A code that is not here is final: it is an application's own, or says that nothing would change.
 */
export const comeBackCodes: ReadonlySet<number> = new Set([
  1001 /* going away: a server that stops, a page that is left */,
  1005 /* a close frame without a code, as a bare `close()` of many libraries sends it: it says nothing against it */,
  1006 /* no close frame */, 1011 /* a server that met an error */, 1012 /* restarts */,
  1013 /* is overloaded */, 1014 /* a gateway without a server */, 4408 /* silent for too long */,
  4440 /* the session expired: the next one is new */,
]);

/** Whether a refusal with this status may be another answer later (RFC 9110 15.5.9, 15.6, RFC 6585 4, RFC 8470 5.2). */
export function comesBackAfterStatus(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || status >= 500;
}
