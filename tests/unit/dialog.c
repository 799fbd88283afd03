/*
 * dialog.c - a client's side of a service, and what the service logs
 */
#include "dialog.h"

#include <sys/socket.h>
#include <sys/time.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/endpoint.h"
#include "base/log.h"
#include "unit.h"

#define DEADLINE_S	10
#define FILL_MAX	(64 * 1024 * 1024)

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char log_text[4096], log_taken[sizeof(log_text)];

/* --- the log ----------------------------------------------------------- */

static void
keep(const char *fmt, va_list ap)
{
	size_t at;
	int saved = errno;

	pthread_mutex_lock(&log_lock);
	at = strlen(log_text);
	vsnprintf(log_text + at, sizeof(log_text) - at, fmt, ap);
	pthread_mutex_unlock(&log_lock);
	errno = saved;
}

#define LOGGER(name) \
void \
name(const char *fmt, ...) \
{ \
	va_list ap; \
\
	va_start(ap, fmt); \
	keep(fmt, ap); \
	va_end(ap); \
}

LOGGER(log_debug)
LOGGER(log_info)
LOGGER(log_warn)
LOGGER(log_warnx)

void
fatal(const char *fmt, ...)
{
	(void)fmt;
	abort();
}

void
fatalx(const char *fmt, ...)
{
	(void)fmt;
	abort();
}

const char *
logged(void)
{
	pthread_mutex_lock(&log_lock);
	strcpy(log_taken, log_text);
	log_text[0] = '\0';
	pthread_mutex_unlock(&log_lock);
	return log_taken;
}

void
logged_about(const char *words)
{
	unit_says(logged(), words);
}

/* --- the client -------------------------------------------------------- */

int
dial(const struct endpoint *where)
{
	struct sockaddr_storage ss;
	struct timeval limit = { DEADLINE_S, 0 };
	socklen_t len = endpoint_sockaddr(where, &ss);
	int fd = socket(ss.ss_family, SOCK_STREAM, 0);

	assert_int_not_equal(fd, -1);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	assert_int_equal(connect(fd, (struct sockaddr *)&ss, len), 0);
	return fd;
}

void
put_bytes(int fd, const char *text, size_t len)
{
	assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

void
put(int fd, const char *text)
{
	put_bytes(fd, text, strlen(text));
}

void
expect_bytes(int fd, const char *text, size_t len)
{
	char *buf = malloc(len + 1);
	size_t got = 0;
	ssize_t n;

	assert_non_null(buf);
	while (got < len && (n = recv(fd, buf + got, len - got, 0)) > 0)
		got += (size_t)n;
	buf[got] = '\0';
	if (got != len || memcmp(buf, text, len) != 0)
		fail_msg("\"%.200s\" (%zu bytes) instead of \"%.200s\" (%zu)",
		    buf, got, text, len);
	free(buf);
}

void
expect(int fd, const char *text)
{
	expect_bytes(fd, text, strlen(text));
}

/* What the service had not read yet, it may answer with a reset. */
static bool
is_end(ssize_t n)
{
	return n == 0 || (n == -1 && errno == ECONNRESET);
}

void
expect_end(int fd)
{
	char byte;

	assert_true(is_end(recv(fd, &byte, 1, 0)));
	close(fd);
}

bool
has_ended(int fd)
{
	char byte;

	return is_end(recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT));
}

size_t
fill(int fd, const char *text)
{
	size_t len = strlen(text), at = 0, sent = 0;
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	ssize_t n;

	/* Quiet for a while means that it has stopped reading. */
	while (poll(&p, 1, 300) == 1) {
		n = send(fd, text + at, len - at,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n == -1 && errno == EAGAIN)
			continue;
		assert_true(n > 0);
		at = (at + (size_t)n) % len;
		sent += (size_t)n;
		assert_true(sent < FILL_MAX);
	}
	return sent;
}
