/*
 * decide.h - what happens to one message
 *
 * One pure function: (view, envelope, now) -> verdict.  The milter, the
 * policy service, the maps and `mailbrake explain` call the same one.  Any
 * thread.
 *
 * The order of the rules is the policy: people before evidence, a stop
 * before a send, and mail that never leaves is nobody's business.
 */
#ifndef MAILBRAKE_CORE_DECIDE_H
#define MAILBRAKE_CORE_DECIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/board.h"

#define VERDICT_TEXT_MAX	400

enum asker {
	ASK_NEW,		/* a milter or policy service: may it come in */
	ASK_ROUTE,		/* the MTA: which way should it take */
	ASK_GATE,		/* a delivery is about to begin: may it */
};

/* One recipient of one message.  NULL is "not known" everywhere. */
struct envelope {
	const char	*sender;	/* "" or "<>": the null sender */
	const char	*recipient;
	const char	*account;	/* SASL login */
	const char	*transport;	/* the MTA's, for this recipient */
	bool		 must_take;	/* sendmail(1): cannot be told "later" */
	enum asker	 asker;
	bool		 routed;	/* the MTA asks our route map, so what
					 * is let in goes by another egress */
	uint64_t	 let_out;	/* ASK_GATE: deliveries that were let
					 * pass in this probation */
};

enum why {
	WHY_CLEAN,		/* nothing is known against the egress */
	WHY_LOCAL,		/* the mail does not leave this host */
	WHY_OPERATOR_STOP,
	WHY_OPERATOR_SEND,
	WHY_LISTED,		/* the egress, or the sender's domain */
	WHY_PROBATION_PASS,	/* within the share that may go already */
	WHY_PROBATION_WAIT,
	WHY_NO_EGRESS,		/* nothing is known of the way it goes */
	WHY_GUARDED,		/* the pool stops to save its last ones */
	WHY_KINDS
};

const char	*why_name(enum why);

struct verdict {
	enum action	 act;		/* what to do */
	enum action	 would;		/* the same without observe mode */
	enum why	 why;
	int		 egress;	/* that it is about; index, or -1 */
	int		 home;		/* that it takes on a good day, or -1 */
	int		 to;		/* that it leaves by, or would without
					 * observe mode; -1: none now */
	int		 domain;	/* sender domain that decided, or -1 */
	const struct override *override;/* borrowed from the view, or NULL */
	int64_t		 until_ms;	/* next expected change, or 0 */
};

struct verdict	 decide(const struct view *, const struct envelope *,
		    int64_t now_ms);

/*
 * The line that the sender sees, without the reply code:
 * "Outbound mail paused: 203.0.113.7 is listed by zen.spamhaus.org (SBL)
 * [mailbrake mx1]".  ASCII, one line, no control characters.  Returns buf.
 */
const char	*verdict_text(const struct view *, const struct verdict *,
		    char buf[VERDICT_TEXT_MAX]);

/* The probation share that may go at now_ms, 0 to 1: it grows with time, and
 * no faster than what has gone proves to be good. */
double		 decide_share(const struct view *, size_t egress,
		    int64_t now_ms);

/* Deliveries that a probation has allowed until now_ms in all. */
uint64_t	 decide_allowance(const struct view *, size_t egress,
		    int64_t now_ms);

#endif
