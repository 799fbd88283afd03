/*
 * link.h - the tool's end of the control socket
 *
 * Blocking, with a deadline on every answer.  Every string of an answer has
 * been cleaned for a terminal, whatever the daemon has done before.
 */
#ifndef MAILBRAKE_CTL_LINK_H
#define MAILBRAKE_CTL_LINK_H

#include <stdbool.h>

#include <jansson.h>

#include "ctl/args.h"

struct link;				/* opaque */

/* Finds the socket (-s, then listen.control of the configuration, then the
 * built-in one) and connects.  NULL after a complaint; *status is then the
 * exit status. */
struct link	*link_open(const struct args *, int *status);
void		 link_close(struct link *);

/* Takes request over.  False after a complaint. */
bool		 link_send(struct link *, json_t *request);

/* The next line's data (null is a value too), owned by the caller; NULL
 * after a complaint.  more: whether another line follows. */
json_t		*link_next(struct link *, bool *more);

/* From now on an answer may take for ever. */
void		 link_patient(struct link *);

/* All of it: connect, one request (taken over), one answer. */
json_t		*link_ask(const struct args *, json_t *request, int *status);

#endif
