/*
 * hook_line.c - when a hook is to be run
 */
#include "front/hook_line.h"

#include <sysexits.h>

#define AGAIN_MS	10000		/* news after a run that failed */

/* Before the second try, the third ... */
static const int64_t waits_ms[] = { 10000, 60000, 300000, 900000 };

#define WAIT_COUNT	((int)(sizeof(waits_ms) / sizeof(waits_ms[0])))

void
hook_line_open(struct hook_line *l, uint64_t next, int64_t due_ms)
{
	*l = (struct hook_line){ .next = next, .due_ms = due_ms };
}

void
hook_line_news(struct hook_line *l, uint64_t end, int64_t now_ms)
{
	if (l->running)
		return;			/* its end settles when */
	if (l->tries == 0) {
		/* The first of a moment waits for the others; these do not
		 * make it wait longer. */
		if (l->next >= end)
			l->due_ms = now_ms + HOOK_GATHER_MS;
	} else if (l->due_ms > now_ms + AGAIN_MS) {
		l->due_ms = now_ms + AGAIN_MS;
	}
}

/*
 * The pace (ITU-T I.371, the generic cell rate algorithm): a run costs
 * HOOK_PACE_MS, paid_ms is when all runs so far are paid for, and so many may
 * be owed.
 */
int64_t
hook_line_due(const struct hook_line *l, uint64_t end)
{
	int64_t credit_ms = l->paid_ms - (HOOK_BURST - 1) * HOOK_PACE_MS;

	if (l->running || l->next >= end)
		return 0;
	return l->due_ms > credit_ms ? l->due_ms : credit_ms;
}

void
hook_line_start(struct hook_line *l, uint64_t first, uint64_t end,
    int64_t now_ms)
{
	if (l->next < first) {
		l->lost += first - l->next;
		l->next = first;
	}
	l->taken = end;
	l->running = true;
	if (l->tries++ == 0)
		l->first_ms = now_ms;
	l->paid_ms = (l->paid_ms > now_ms ? l->paid_ms : now_ms) +
	    HOOK_PACE_MS;
}

static bool
may_try_again(const struct hook_line *l, enum hook_outcome outcome,
    int64_t now_ms)
{
	if (outcome == HOOK_LATER)
		return now_ms - l->first_ms < HOOK_LONGEST_MS;
	return outcome == HOOK_FAILED && l->tries < HOOK_TRIES;
}

int64_t
hook_line_end(struct hook_line *l, enum hook_outcome outcome, int64_t now_ms)
{
	int64_t wait_ms = 0;

	l->running = false;
	if (outcome != HOOK_WORKED && may_try_again(l, outcome, now_ms)) {
		wait_ms = waits_ms[l->tries < WAIT_COUNT ? l->tries - 1 :
		    WAIT_COUNT - 1];
		l->due_ms = now_ms + wait_ms;
		return wait_ms;
	}
	/* What was left out has been told, or more is lost now. */
	l->lost = outcome == HOOK_WORKED ? 0 : l->lost + l->taken - l->next;
	l->next = l->taken;
	l->tries = 0;
	l->due_ms = now_ms + HOOK_GATHER_MS;
	return 0;
}

enum hook_outcome
hook_outcome(int status)
{
	return status == EX_OK ? HOOK_WORKED : status == EX_TEMPFAIL ?
	    HOOK_LATER : status == EX_CONFIG ? HOOK_NEVER : HOOK_FAILED;
}
