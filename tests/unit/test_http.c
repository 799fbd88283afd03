/*
 * test_http.c - the server of the status page, with time in our hands
 *
 * The clients are blocking sockets with a time-out; http_beat() takes the
 * time as an argument, so nothing waits for a deadline.
 */
#include "unit.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "front/http.h"

static struct http *http;
static struct endpoint endpoint;
static char answer[8192];

static int
set_up(void **state)
{
	(void)state;
	endpoint = (struct endpoint){ .kind = ENDPOINT_UNIX };
	snprintf(endpoint.path, sizeof(endpoint.path), "%s",
	    unit_file("http.sock", NULL));
	http = http_start(&endpoint);
	assert_non_null(http);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	http_stop(http);
	assert_int_equal(access(endpoint.path, F_OK), -1);
	return 0;
}

static int
dial(void)
{
	struct timeval limit = { 10, 0 };
	struct sockaddr_storage ss;
	socklen_t len = endpoint_sockaddr(&endpoint, &ss);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_int_not_equal(fd, -1);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	assert_int_equal(connect(fd, (struct sockaddr *)&ss, len), 0);
	return fd;
}

/* All that comes until the end; fails if the end does not come. */
static void
read_all(int fd)
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, answer + len, sizeof(answer) - 1 - len)) > 0)
		len += (size_t)n;
	if (n == -1 && errno != ECONNRESET)
		fail_msg("no end: %s", strerror(errno));
	answer[len] = '\0';
	close(fd);
}

static void
ask(const char *request)
{
	int fd = dial();

	assert_int_equal(write(fd, request, strlen(request)),
	    strlen(request));
	read_all(fd);
}

static void
get(const char *path)
{
	char request[256];

	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\n"
	    "\r\n", path);
	ask(request);
}

static void
put(enum http_document which, const char *text)
{
	http_put(http, which, xstrdup(text), strlen(text));
}

static void
assert_status(const char *status)
{
	char line[32];

	snprintf(line, sizeof(line), "HTTP/1.1 %s ", status);
	if (strncmp(answer, line, strlen(line)) != 0)
		fail_msg("not %s: %.200s", status, answer);
}

static void
test_before_the_first(void **state)
{
	(void)state;
	get("/");
	assert_status("503");
	unit_says(answer, "only just started");
	get("/healthz");
	assert_status("200");
}

static void
test_latest(void **state)
{
	(void)state;
	put(HTTP_PAGE, "one");
	put(HTTP_METRICS, "m 1\n");
	get("/");
	assert_status("200");
	unit_says(answer, "\r\n\r\none");
	unit_says(answer, "Content-Type: text/html; charset=utf-8\r\n");
	unit_says(answer, "Cache-Control: no-store\r\n");
	unit_says(answer, "Connection: close\r\n");
	unit_says(answer, "Content-Security-Policy: default-src 'none'; ");
	unit_says(answer, "X-Content-Type-Options: nosniff\r\n");
	put(HTTP_PAGE, "two");
	get("/");
	unit_says(answer, "\r\n\r\ntwo");
	get("/metrics");
	unit_says(answer, "\r\n\r\nm 1\n");
	unit_says(answer, "Content-Type: text/plain; version=0.0.4;");
	get("/?a=b");
	assert_status("200");
}

static void
test_stale(void **state)
{
	int64_t now = clock_mono_ms();

	(void)state;
	put(HTTP_PAGE, "all is well");
	http_beat(http, now - HTTP_STALE_MS + 5000);
	get("/");
	assert_status("200");
	http_beat(http, now - HTTP_STALE_MS - 1);
	get("/healthz");
	assert_status("503");
	unit_says(answer, "not looked after itself for 20 s");
	get("/");
	assert_status("503");
	unit_says_not(answer, "all is well");
	http_beat(http, clock_mono_ms());
	get("/healthz");
	assert_status("200");
	unit_says(answer, "\r\n\r\nok\n");
}

static const struct request {
	const char	*claim, *text, *status, *says;
} requests[] = {
	{ "an unknown path says what there is", "GET /x HTTP/1.1\r\n"
	    "Host: x\r\n\r\n", "404", "/status.json" },
	{ "nothing is above the root", "GET /../etc/passwd HTTP/1.1\r\n"
	    "Host: x\r\n\r\n", "404", "not found" },
	{ "POST is refused before its body is read", "POST / HTTP/1.1\r\n"
	    "Host: x\r\nContent-Length: 999999999\r\n\r\nabc", "405",
	    "Allow: GET, HEAD\r\n" },
	{ "so is what nobody knows", "BREW / HTTP/1.1\r\nHost: x\r\n\r\n",
	    "405", "Allow: GET, HEAD\r\n" },
	{ "HEAD has a length", "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", "200",
	    "Content-Length: 4\r\n" },
};

static void
test_request(void **state)
{
	const struct request *r = *state;

	put(HTTP_PAGE, "page");
	ask(r->text);
	assert_status(r->status);
	unit_says(answer, r->says);
	unit_says_not(answer, "\r\n\r\npage");
}

static void
test_garbage(void **state)
{
	char junk[20000];

	(void)state;
	memset(junk, 'x', sizeof(junk));
	memcpy(junk, "GET /", 5);
	junk[sizeof(junk) - 1] = '\0';
	signal(SIGPIPE, SIG_IGN);
	put(HTTP_PAGE, "page");
	{
		int fd = dial();

		/* It may be refused before all of it is sent. */
		if (write(fd, junk, strlen(junk)) == -1)
			assert_int_equal(errno, EPIPE);
		read_all(fd);
	}
	unit_says_not(answer, "200 OK");
	get("/");
	assert_status("200");
}

static void
test_deadline(void **state)
{
	int64_t began_ms = clock_mono_ms();
	int fd = dial();

	(void)state;
	put(HTTP_PAGE, "page");
	assert_int_equal(write(fd, "GET", 3), 3);
	/* One that is served shows that the other was accepted. */
	get("/");
	http_beat(http, clock_mono_ms() + HTTP_DEADLINE_MS + 1000);
	read_all(fd);
	assert_string_equal(answer, "");
	/* It was not for its silence. */
	assert_in_range(clock_mono_ms() - began_ms, 0,
	    HTTP_IDLE_S * 1000 - 500);
	get("/");
	assert_status("200");
}

static void
test_not_before_its_time(void **state)
{
	int fd = dial();

	(void)state;
	put(HTTP_PAGE, "page");
	get("/");
	http_beat(http, clock_mono_ms() + HTTP_DEADLINE_MS - 5000);
	assert_int_equal(write(fd, "GET / HTTP/1.0\r\n\r\n", 18), 18);
	read_all(fd);
	unit_says(answer, "\r\n\r\npage");
}

static void
test_room(void **state)
{
	int fds[3 * HTTP_CONNECTIONS];
	int64_t began_ms = clock_mono_ms();
	size_t i;

	(void)state;
	put(HTTP_PAGE, "page");
	for (i = 0; i < COUNT(fds); i++) {
		fds[i] = dial();
		assert_int_equal(write(fds[i], "G", 1), 1);
	}
	get("/");
	assert_status("200");
	/* They are silent, but have not been so for long. */
	assert_in_range(clock_mono_ms() - began_ms, 0,
	    HTTP_IDLE_S * 1000 - 500);
	read_all(fds[0]);
	assert_string_equal(answer, "");
	for (i = 1; i < COUNT(fds); i++)
		close(fds[i]);
	get("/");
	assert_status("200");
}

static void
test_mode(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat(endpoint.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
}

static void
test_taken(void **state)
{
	(void)state;
	assert_null(http_start(&endpoint));
	put(HTTP_PAGE, "page");
	get("/");
	assert_status("200");
}

int
main(void)
{
	unit_around(set_up, tear_down);
	unit_claim("before the first document it says so",
	    test_before_the_first);
	unit_claim("the latest document is served", test_latest);
	unit_claim("of a loop that hangs nothing old is told", test_stale);
	unit_rows(requests, test_request);
	unit_claim("garbage ends its connection only", test_garbage);
	unit_claim("a slow request ends at its deadline", test_deadline);
	unit_claim("and not before", test_not_before_its_time);
	unit_claim("the oldest make room for the newest", test_room);
	unit_claim("a Unix socket is for owner and group", test_mode);
	unit_claim("what somebody listens on stays his", test_taken);
	return unit_run("http");
}
