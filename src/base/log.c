/*
 * log.c - one line for each thing an operator should know
 *
 * A line is formatted into a buffer and leaves in one write, so that lines
 * of several threads never mix.
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"

#define LINE_MAX_BYTES	1024

static const char *log_ident = "mailbrake";
static bool log_foreground = true;
static bool log_verbose;
static bool log_starting = true;
static bool log_stamped = true;		/* lines begin with the time */

void
log_init(const char *ident, bool foreground, bool verbose)
{
	log_ident = ident;
	log_foreground = foreground;
	log_verbose = verbose;
	/* The journal of systemd has a time of its own on each line. */
	log_stamped = getenv("JOURNAL_STREAM") == NULL;
	if (!foreground)
		openlog(ident, LOG_PID | LOG_NDELAY, LOG_MAIL);
}

void
log_started(void)
{
	log_starting = false;
}

static void
log_line(int priority, const char *suffix, const char *fmt, va_list ap)
    LOG_FMT(3, 0);

static void
log_line(int priority, const char *suffix, const char *fmt, va_list ap)
{
	char text[LINE_MAX_BYTES], line[LINE_MAX_BYTES + 128];
	char stamp[CLOCK_TEXT_MAX];
	int saved = errno;
	ssize_t done;
	int n;

	vsnprintf(text, sizeof(text), fmt, ap);
	if (!log_foreground)
		syslog(priority, "%s%s%s", text,
		    suffix != NULL ? ": " : "", suffix != NULL ? suffix : "");
	if (log_foreground || (log_starting && priority <= LOG_WARNING)) {
		n = snprintf(line, sizeof(line), "%s%s%s: %s%s%s%s\n",
		    log_stamped ? clock_text(clock_wall_ms(), stamp) : "",
		    log_stamped ? " " : "", log_ident,
		    priority == LOG_WARNING ? "warning: " :
		    priority == LOG_ERR ? "error: " : "", text,
		    suffix != NULL ? ": " : "", suffix != NULL ? suffix : "");
		if (n >= (int)sizeof(line)) {
			n = sizeof(line) - 1;
			line[n - 1] = '\n';
		}
		/* Standard error that is gone or full is no reason to
		 * stop: there is nobody left to tell. */
		done = write(STDERR_FILENO, line, (size_t)n);
		(void)done;
	}
	errno = saved;
}

void
log_debug(const char *fmt, ...)
{
	va_list ap;

	if (!log_verbose)
		return;
	va_start(ap, fmt);
	log_line(LOG_DEBUG, NULL, fmt, ap);
	va_end(ap);
}

void
log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LOG_INFO, NULL, fmt, ap);
	va_end(ap);
}

void
log_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LOG_WARNING, strerror(errno), fmt, ap);
	va_end(ap);
}

void
log_warnx(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LOG_WARNING, NULL, fmt, ap);
	va_end(ap);
}

void
fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LOG_ERR, strerror(errno), fmt, ap);
	va_end(ap);
	exit(1);
}

void
fatalx(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LOG_ERR, NULL, fmt, ap);
	va_end(ap);
	exit(1);
}
