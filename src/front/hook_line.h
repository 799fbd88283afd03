/*
 * hook_line.h - when a hook is to be run
 *
 * A hook works through the alerts (core/alert.h) by their numbers: a run
 * takes all that have come since the last one that worked, so that nothing is
 * told twice and a burst is one run.  A run that fails is tried again, later
 * each time, together with what has come meanwhile.  A host that flaps cannot
 * make it run more often than HOOK_BURST times at once and one more each
 * HOOK_PACE_MS: the alerts wait, and what is too old to be kept is counted.
 *
 * Pure: the time, monotonic milliseconds, comes in.
 */
#ifndef MAILBRAKE_FRONT_HOOK_LINE_H
#define MAILBRAKE_FRONT_HOOK_LINE_H

#include <stdbool.h>
#include <stdint.h>

#define HOOK_GATHER_MS	2000		/* what belongs to one moment */
#define HOOK_BURST	10
#define HOOK_PACE_MS	300000LL
#define HOOK_TRIES	5
#define HOOK_LONGEST_MS	86400000LL	/* of HOOK_LATER */

enum hook_outcome {
	HOOK_WORKED,		/* exit status 0 */
	HOOK_FAILED,		/* any other end: HOOK_TRIES times in all */
	HOOK_LATER,		/* 75, EX_TEMPFAIL: for HOOK_LONGEST_MS */
	HOOK_NEVER,		/* 78, EX_CONFIG: another try is pointless */
};

struct hook_line {
	uint64_t	 next;		/* the first alert that is not told */
	uint64_t	 taken;		/* running: the end of what it tells */
	uint64_t	 lost;		/* not told, and not kept any more */
	bool		 running;
	int		 tries;		/* of what is being told */
	int64_t		 first_ms;	/* the first of them */
	int64_t		 due_ms;	/* not before */
	int64_t		 paid_ms;	/* see hook_line_due() */
};

/* Nothing before next concerns it, and it is not run before due_ms. */
void	hook_line_open(struct hook_line *, uint64_t next, int64_t due_ms);

/* There are new alerts, from end on. */
void	hook_line_news(struct hook_line *, uint64_t end, int64_t now_ms);

/* When it wants to run, which may be in the past; 0 while it runs or has
 * nothing to tell.  end: alerts_end(). */
int64_t	hook_line_due(const struct hook_line *, uint64_t end);

/* It is run now, with the alerts [next, taken); first: alerts_first(). */
void	hook_line_start(struct hook_line *, uint64_t first, uint64_t end,
	    int64_t now_ms);

/* How it ended.  The wait before the next try, or 0: either it has worked,
 * or it is given up and what it should have told is lost. */
int64_t	hook_line_end(struct hook_line *, enum hook_outcome, int64_t now_ms);

/* What an exit status means. */
enum hook_outcome hook_outcome(int status);

#endif
