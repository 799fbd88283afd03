/*
 * process.h - being a daemon: detaching, privileges, telling the manager
 */
#ifndef MAILBRAKE_BASE_PROCESS_H
#define MAILBRAKE_BASE_PROCESS_H

#include <stdbool.h>

/*
 * Goes into the background: the caller goes on as a child in a session of
 * its own, while the parent waits and leaves with status 0 when the child
 * calls process_ready(), or 1 when the child ends before that.
 */
void	process_detach(void);

/* Up and running: releases a waiting parent, tells the service manager. */
void	process_ready(void);

/* Sends a state such as "STOPPING=1" to the service manager, if there is
 * one (sd_notify(3), a datagram to $NOTIFY_SOCKET). */
void	process_notify(const char *state);

/* Creates the directory that path is in, if only that one is missing, and
 * gives it to user (NULL: nobody).  A failure is only logged. */
void	process_make_parent(const char *path, const char *user,
	    unsigned int mode);

/*
 * Becomes user, with the groups that it is in and, if there is such a
 * group, with group: that sockets can be given to it.  Does nothing unless
 * started by root.  Where there is no such user it stays root and says so,
 * since a brake that does not start would be worse, unless must_exist.
 * Ends the process if the change itself fails.
 */
void	process_drop_privileges(const char *user, bool must_exist,
	    const char *group);

#endif
