/*
 * standing.c - sending, stopped, probation: the moves of one egress
 */
#include "core/standing.h"

#include <stddef.h>

enum happening {
	NOTHING,
	LISTED,			/* the score reached the limit */
	CLEAN_LONG,		/* below it for the time asked for */
	CLEAN_LONG_NO_RAMP,
	RAMPED,			/* the ramp is over */
};

static const struct {
	enum state	from;
	enum happening	what;
	enum state	to;
	bool		relapse;
} moves[] = {
	{ STATE_SENDING,	LISTED,			STATE_STOPPED,	 false },
	{ STATE_PROBATION,	LISTED,			STATE_STOPPED,	 true },
	{ STATE_STOPPED,	CLEAN_LONG,		STATE_PROBATION, false },
	{ STATE_STOPPED,	CLEAN_LONG_NO_RAMP,	STATE_SENDING,	 false },
	{ STATE_PROBATION,	RAMPED,			STATE_SENDING,	 false },
};

int64_t
standing_wait_ms(const struct policy *p, int relapses)
{
	int64_t wait = p->resume_after_ms, limit = p->resume_max_wait_ms;

	if (limit < wait)
		limit = wait;
	while (relapses-- > 0 && wait < limit)
		wait *= p->relapse_factor > 1 ? p->relapse_factor : 1;
	return wait < limit ? wait : limit;
}

static bool
resumed_lately(const struct standing *s, const struct policy *p,
    int64_t now_ms)
{
	return s->resumed_ms != 0 &&
	    now_ms - s->resumed_ms < p->resume_max_wait_ms;
}

static enum happening
what_happened(struct standing *s, const struct policy *p, int64_t checked_ms,
    int64_t now_ms)
{
	if (s->score >= p->stop_score)
		return LISTED;
	switch (s->state) {
	case STATE_STOPPED:
		if (s->clean_since_ms == 0)
			s->clean_since_ms = now_ms;
		s->until_ms = s->clean_since_ms +
		    standing_wait_ms(p, s->relapses);
		if (now_ms < s->until_ms || checked_ms < s->until_ms)
			return NOTHING;
		return p->resume_ramp_ms > 0 ? CLEAN_LONG :
		    CLEAN_LONG_NO_RAMP;
	case STATE_PROBATION:
		s->until_ms = s->since_ms + p->resume_ramp_ms;
		/* Nobody is let out unseen. */
		return now_ms >= s->until_ms && checked_ms >= s->until_ms ?
		    RAMPED : NOTHING;
	case STATE_SENDING:
	case STATE_KINDS:
		break;
	}
	/* Long enough without a stop: what was is forgotten. */
	if (!resumed_lately(s, p, now_ms)) {
		s->relapses = 0;
		s->resumed_ms = 0;
	}
	return NOTHING;
}

bool
standing_step(struct standing *s, const struct policy *p, int score,
    int64_t checked_ms, int64_t now_ms, enum state *from)
{
	enum happening what;
	size_t i;

	/* The clock was set back: what would lie ahead began now. */
	if (s->since_ms > now_ms)
		s->since_ms = now_ms;
	if (s->clean_since_ms > now_ms)
		s->clean_since_ms = now_ms;
	if (s->resumed_ms > now_ms)
		s->resumed_ms = now_ms;
	if (s->stopped_ms > now_ms)
		s->stopped_ms = now_ms;
	if (s->unseen_ms > now_ms)
		s->unseen_ms = now_ms;
	s->score = score;
	what = what_happened(s, p, checked_ms, now_ms);
	if (what == LISTED && s->state == STATE_STOPPED) {
		s->clean_since_ms = 0;	/* the waiting starts anew */
		s->until_ms = 0;
	}
	for (i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
		if (moves[i].from != s->state || moves[i].what != what)
			continue;
		/* Listed again soon after full sending is a relapse too. */
		if (what == LISTED)
			s->relapses = moves[i].relapse ||
			    resumed_lately(s, p, now_ms) ? s->relapses + 1 :
			    0;
		if (what == LISTED)
			s->stopped_ms = now_ms;
		*from = s->state;
		s->state = moves[i].to;
		s->since_ms = now_ms;
		s->clean_since_ms = 0;
		s->resumed_ms = s->state == STATE_SENDING ? now_ms : 0;
		s->until_ms = s->state == STATE_PROBATION ?
		    now_ms + p->resume_ramp_ms : 0;
		s->unseen_ms = 0;
		return true;
	}
	return false;
}
