/* What must hold for every conversation. */
#ifndef LWSN_FUZZ_JUDGE_H
#define LWSN_FUZZ_JUDGE_H

#include "conversation.h"

/* A record that was told. */
void judge_record(conversation *c, const event *e);

/* What the transport sent so far and `far` did not take: whole responses and frames are taken. */
void judge_output(conversation *c, peer *far);

/* After its end: nothing of it is left. */
void judge_end(world *w, const conversation *c);

#endif
