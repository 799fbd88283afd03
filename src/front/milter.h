/*
 * milter.h - the milter front end, for Postfix and Sendmail
 *
 * libmilter brings its own threads; callbacks take a view, decide, give it
 * back.  Process signals stay with main.c: see milter_signals.c for how
 * libmilter's own signal thread is kept away from them.  One milter a
 * process, and it cannot be started a second time.
 *
 * What the mail server sees:
 *	a recipient that must wait	451 4.7.1 and the reason, for that
 *					recipient only
 *	a message that is held		accepted, and quarantined at its end
 *	the brake was put on between	451 4.7.1 for the whole message at
 *	  RCPT and end of message	its end
 * Mail of sendmail(1) under Postfix is never put off, for it would lie in
 * maildrop and be tried with every later submission: it is quarantined.
 */
#ifndef MAILBRAKE_FRONT_MILTER_H
#define MAILBRAKE_FRONT_MILTER_H

#include <stdbool.h>

#include "base/endpoint.h"
#include "core/board.h"

/* Listens and starts libmilter in a thread of its own, with all signals
 * blocked in every thread of it.  SIGPIPE is ignored from then on, for the
 * process.  False and a line logged if the socket cannot be opened. */
bool	milter_start(struct board *, const struct endpoint *,
	    const char *socket_group);

/* Removes the socket file; when it returns, at once, the board is no longer
 * used.  Open connections end with the process, and what they ask until
 * then is put off. */
void	milter_stop(void);

#endif
