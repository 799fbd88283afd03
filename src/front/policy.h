/*
 * policy.h - the Postfix policy service (check_policy_service)
 *
 * Runs on an event loop and thread of its own (front/server.h), so that a
 * burst of DNS answers never delays a mail.  Protocol: SMTPD_POLICY_README
 * of Postfix.
 *
 * Answers: DUNNO, "451 4.7.1 TEXT" or "HOLD TEXT".  Postfix does not say by
 * which transport a recipient leaves, so the sender, the recipient and the
 * account decide.  Requests of one connection are answered in order; one
 * that is not understood closes its connection.
 */
#ifndef MAILBRAKE_FRONT_POLICY_H
#define MAILBRAKE_FRONT_POLICY_H

#include "base/endpoint.h"
#include "core/board.h"

struct policy_server;			/* opaque */

/* Listens and starts the thread, with all signals blocked in it.
 * socket_group: group that may connect to a Unix socket, NULL for the
 * default.  NULL with errno kept and a line logged if the socket cannot be
 * opened.  The board outlives the server. */
struct policy_server *policy_server_start(struct board *,
		    const struct endpoint *, const char *socket_group);

/* Returns when the answers that were due are out, or after two seconds;
 * the socket file is removed.  NULL is allowed. */
void		 policy_server_stop(struct policy_server *);

#endif
