/*
 * dialog.h - a client's side of a service, and what the service logs
 *
 * Replaces base/log.c.  A client that waits for ten seconds in vain fails
 * its test.  Any thread.
 */
#ifndef MAILBRAKE_TESTS_DIALOG_H
#define MAILBRAKE_TESTS_DIALOG_H

#include <stdbool.h>
#include <stddef.h>

struct endpoint;

int		 dial(const struct endpoint *);
void		 put_bytes(int fd, const char *, size_t);
void		 put(int fd, const char *text);

/* Reads exactly what is expected. */
void		 expect_bytes(int fd, const char *, size_t);
void		 expect(int fd, const char *text);

/* The service has closed; so does this. */
void		 expect_end(int fd);

/* The same, without waiting and without closing: only what came before. */
bool		 has_ended(int fd);

/* Sends text again and again and reads nothing, until the service takes no
 * more.  Returns how many bytes were sent. */
size_t		 fill(int fd, const char *text);

/* What has been logged since the last call; good until the next. */
const char	*logged(void);
void		 logged_about(const char *words);

#endif
