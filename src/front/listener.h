/*
 * listener.h - sockets that the front ends listen on
 */
#ifndef MAILBRAKE_FRONT_LISTENER_H
#define MAILBRAKE_FRONT_LISTENER_H

#include <event2/event.h>
#include <event2/listener.h>

#include "base/endpoint.h"

/*
 * A listening, non-blocking socket, or -1 with errno kept and a line logged
 * that says what to do.  A socket file that nobody listens on is replaced;
 * one that answers belongs to a running program and is an error.  what is
 * the name of the entry in the configuration's listen group.
 */
int	listener_socket(const struct endpoint *, const char *what);

/* Lets a mail server's user connect to a Unix socket: group "name" (NULL:
 * postfix, if there is such a group) and mode 0660; where that cannot be
 * done, mode 0666, said in the log.  Nothing for inet sockets. */
void	listener_permit(const struct endpoint *, const char *group,
	    const char *what);

/* Takes connections on a loop, and rests for half a second instead of
 * spinning when the process is out of file descriptors or memory.  Owns
 * fd.  One thread: the loop's.  NULL when libevent has no memory. */
struct listener;			/* opaque, see listener.c */

struct listener *listener_new(struct event_base *, int fd,
	    evconnlistener_cb, void *ctx);
void	listener_free(struct listener *);	/* NULL is allowed */

/* While paused, new connections wait in the kernel. */
void	listener_pause(struct listener *);
void	listener_resume(struct listener *);

#endif
