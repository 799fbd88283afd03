/*
 * log.h - one line for each thing an operator should know
 *
 * To standard error in the foreground, to syslog (LOG_MAIL) otherwise.  Every function
 * may be called from any thread, writes a line in one piece, and keeps
 * errno.  Text that came from outside goes through text_clean() first.
 */
#ifndef MAILBRAKE_BASE_LOG_H
#define MAILBRAKE_BASE_LOG_H

#include <stdbool.h>

#define LOG_FMT(f, a)	__attribute__((__format__(__printf__, f, a)))

/* Before the first thread.  verbose adds debug lines. */
void	log_init(const char *ident, bool foreground, bool verbose);

/* Until this is called, what is wrong is told on standard error too when
 * logging to syslog: somebody may be looking at the start. */
void	log_started(void);

void	log_debug(const char *fmt, ...) LOG_FMT(1, 2);
void	log_info(const char *fmt, ...) LOG_FMT(1, 2);
void	log_warn(const char *fmt, ...) LOG_FMT(1, 2);	/* adds errno */
void	log_warnx(const char *fmt, ...) LOG_FMT(1, 2);

/* For start-up and for running out of memory only. */
void	fatal(const char *fmt, ...) LOG_FMT(1, 2)
	    __attribute__((__noreturn__));		/* adds errno */
void	fatalx(const char *fmt, ...) LOG_FMT(1, 2)
	    __attribute__((__noreturn__));

#endif
