/*
 * socketmap.h - look-up tables for Postfix and Sendmail (socketmap_table(5))
 *
 * Runs on an event loop and thread of its own (front/server.h): a look-up
 * that is answered late stalls the whole of Postfix.  Requests of one
 * connection are answered in order.
 *
 * One that is not understood is answered with "TEMP malformed request: ..."
 * and its connection is closed.  TEMP, for it is what Postfix and Sendmail
 * both take for "put the mail off"; PERM lets Sendmail send it.
 */
#ifndef MAILBRAKE_FRONT_SOCKETMAP_H
#define MAILBRAKE_FRONT_SOCKETMAP_H

#include <stddef.h>

#include "base/endpoint.h"

struct socketmap;			/* opaque */

/*
 * Says what the map name has for key: writes "OK VALUE", "NOTFOUND " or
 * "TEMP REASON" to answer[size] and returns its length without a NUL.  name
 * and key end with a NUL, have no control characters, and are borrowed for
 * the call; a key may have spaces and be empty, and its case is as the mail
 * server sent it.  An answer that does not fit (size bytes or more) or is
 * empty becomes a TEMP.  On the server's thread.  Must never wait.
 */
typedef size_t (*socketmap_answer_fn)(void *ctx, const char *name,
    const char *key, size_t key_len, char *answer, size_t size);

/* Listens and starts the thread, with all signals blocked in it.
 * socket_group: group that may connect to a Unix socket, NULL for the
 * default.  NULL with errno kept and a line logged if that cannot be done.
 * ctx outlives the server. */
struct socketmap *socketmap_start(const struct endpoint *,
		    const char *socket_group, socketmap_answer_fn,
		    void *ctx);

/* Returns when the answers that were due are out, or after two seconds;
 * the socket file is removed.  NULL is allowed. */
void		 socketmap_stop(struct socketmap *);

#endif
