/*
 * test_policy_server.c - the policy service and its sockets, over real ones
 *
 * The decision is ours: the recipient's first letter says what it is to be.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <netinet/in.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/text.h"
#include "front/front.h"
#include "front/listener.h"
#include "front/policy.h"

#define ASK	"request=smtpd_access_policy\n"
#define DUNNO	"action=DUNNO\n\n"
#define DEADLINE_MS	10000

/* --- the decision ------------------------------------------------------ */

struct front_stats front_stats[FRONT_KINDS];

static _Atomic unsigned int asked;
static char seen[256];		/* the last envelope; read when answered */
static char *long_text;		/* instead of the usual reason */

static const char *
or_none(const char *s)
{
	return s != NULL ? s : "(none)";
}

enum action
front_ask(enum front_kind kind, struct board *board,
    const struct envelope *env, char *text)
{
	assert_int_equal(kind, FRONT_POLICY);
	assert_null(board);
	assert_null(env->transport);
	assert_false(env->must_take);
	snprintf(seen, sizeof(seen), "%s %s %s", or_none(env->sender),
	    or_none(env->recipient), or_none(env->account));
	asked++;
	strcpy(text, "listed");
	if (long_text != NULL)
		text_copy(text, VERDICT_TEXT_MAX, long_text);
	switch (env->recipient != NULL ? env->recipient[0] : ' ') {
	case 't':
		return ACT_TEMPFAIL;
	case 'h':
		return ACT_HOLD;
	case 'r':
		return ACT_REROUTE;
	default:
		return ACT_PASS;
	}
}

/* --- the log ----------------------------------------------------------- */

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char log_text[4096], log_taken[sizeof(log_text)];

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

/* What has been logged since the last call. */
static const char *
logged(void)
{
	pthread_mutex_lock(&log_lock);
	strcpy(log_taken, log_text);
	log_text[0] = '\0';
	pthread_mutex_unlock(&log_lock);
	return log_taken;
}

static void
logged_about(const char *words)
{
	const char *text = logged();

	if (strstr(text, words) == NULL)
		fail_msg("the log does not say \"%s\" but \"%s\"", words,
		    text);
}

/* --- a place and a client ---------------------------------------------- */

static char dir[] = "/tmp/test_policy.XXXXXX";
static struct endpoint where;
static struct policy_server *server;

static int
dial(void)
{
	struct sockaddr_storage ss;
	struct timeval limit = { DEADLINE_MS / 1000, 0 };
	socklen_t len = endpoint_sockaddr(&where, &ss);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_int_not_equal(fd, -1);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	assert_int_equal(connect(fd, (struct sockaddr *)&ss, len), 0);
	return fd;
}

static void
put(int fd, const char *text)
{
	size_t len = strlen(text);

	assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* Reads exactly what is expected. */
static void
expect(int fd, const char *text)
{
	size_t len = strlen(text), got = 0;
	char *buf = malloc(len + 1);
	ssize_t n;

	assert_non_null(buf);
	while (got < len && (n = recv(fd, buf + got, len - got, 0)) > 0)
		got += (size_t)n;
	buf[got] = '\0';
	assert_string_equal(buf, text);
	free(buf);
}

/* What the service had not read yet, it may answer with a reset. */
static bool
is_end(ssize_t n)
{
	return n == 0 || (n == -1 && errno == ECONNRESET);
}

static void
expect_end(int fd)
{
	char byte;

	assert_true(is_end(recv(fd, &byte, 1, 0)));
	close(fd);
}

static void
says(const char *request, const char *reply)
{
	int fd = dial();

	put(fd, request);
	expect(fd, reply);
	close(fd);
}

static int
set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	where.kind = ENDPOINT_UNIX;
	snprintf(where.path, sizeof(where.path), "%s/policy", dir);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	unlink(where.path);
	return rmdir(dir);
}

static int
start(void **state)
{
	(void)state;
	asked = 0;
	server = policy_server_start(NULL, &where, NULL);
	logged();
	return server != NULL ? 0 : -1;
}

static int
stop(void **state)
{
	(void)state;
	policy_server_stop(server);
	assert_int_equal(atomic_load(
	    &front_stats[FRONT_POLICY].connections), 0);
	free(long_text);
	long_text = NULL;
	return 0;
}

/* --- the service ------------------------------------------------------- */

static void
test_answers(void **state)
{
	(void)state;
	says(ASK "recipient=p@x\n\n", DUNNO);
	says(ASK "recipient=r@x\n\n", DUNNO);
	says(ASK "recipient=t@x\n\n", "action=451 4.7.1 listed\n\n");
	says(ASK "recipient=h@x\n\n", "action=HOLD listed\n\n");
}

static void
test_what_the_decision_is_told(void **state)
{
	(void)state;
	says(ASK "sender=a@x\nrecipient=p@x\nsasl_username=u\n\n", DUNNO);
	assert_string_equal(seen, "a@x p@x u");
	/* The null sender is known; an empty recipient or login is none. */
	says(ASK "sender=\nrecipient=\nsasl_username=\n"
	    "protocol_state=END-OF-MESSAGE\n\n", DUNNO);
	assert_string_equal(seen, " (none) (none)");
	says(ASK "protocol_state=MAIL\nsender=a@x\n\n", DUNNO);
	assert_string_equal(seen, "a@x (none) (none)");
	assert_int_equal(asked, 3);
}

static void
test_states_without_a_message(void **state)
{
	static const char *const states[] = {
		"CONNECT", "EHLO", "HELO", "VRFY", "ETRN", "SOMETHING",
	};
	char request[128];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		snprintf(request, sizeof(request),
		    ASK "protocol_state=%s\nrecipient=t@x\n\n", states[i]);
		says(request, DUNNO);
	}
	assert_int_equal(asked, 0);
}

static void
test_requests_in_one_packet_are_answered_in_order(void **state)
{
	char all[8192] = "", wanted[8192] = "";
	int i, fd = dial();

	(void)state;
	for (i = 0; i < 100; i++) {
		strcat(all, i % 3 == 0 ? ASK "recipient=t@x\n\n" :
		    i % 3 == 1 ? "recipient=h@x\n" ASK "\n" : ASK "\n");
		strcat(wanted, i % 3 == 0 ? "action=451 4.7.1 listed\n\n" :
		    i % 3 == 1 ? "action=HOLD listed\n\n" : DUNNO);
	}
	put(fd, all);
	expect(fd, wanted);
	put(fd, ASK "recipient=h@x\n\n");
	expect(fd, "action=HOLD listed\n\n");
	close(fd);
}

static void
test_a_request_in_single_bytes(void **state)
{
	static const char request[] = ASK "recipient=t@x\n\n" ASK "\n";
	char byte[2] = "";
	size_t i;
	int fd = dial();

	(void)state;
	for (i = 0; i < sizeof(request) - 1; i++) {
		byte[0] = request[i];
		put(fd, byte);
	}
	expect(fd, "action=451 4.7.1 listed\n\n" DUNNO);
	close(fd);
}

static void
test_nonsense_ends_its_connection_only(void **state)
{
	int other = dial(), fd = dial();
	uint64_t before = front_stats[FRONT_POLICY].malformed;

	(void)state;
	put(other, ASK "recipient=h@x\n");
	put(fd, ASK "\n" ASK "recipient=t@x\n\nGET /\033[1m\xff HTTP/1.1\n");
	expect(fd, DUNNO "action=451 4.7.1 listed\n\n");
	expect_end(fd);
	logged_about("closing a connection of a local program that sent a "
	    "line without \"=\": \"GET /?[1m? HTTP/1.1\"");
	assert_int_equal(front_stats[FRONT_POLICY].malformed, before + 1);
	/* The second one is counted, and not logged so soon. */
	fd = dial();
	put(fd, "\n");
	expect_end(fd);
	assert_string_equal(logged(), "");
	assert_int_equal(front_stats[FRONT_POLICY].malformed, before + 2);
	put(other, "\n");
	expect(other, "action=HOLD listed\n\n");
	close(other);
}

static void
test_who_asks_and_hangs_up_is_answered(void **state)
{
	int fd = dial();

	(void)state;
	put(fd, ASK "recipient=t@x\n\n" ASK "unfinished");
	shutdown(fd, SHUT_WR);
	expect(fd, "action=451 4.7.1 listed\n\n");
	expect_end(fd);
}

static void
make_long_text(void)
{
	long_text = calloc(1, VERDICT_TEXT_MAX);
	assert_non_null(long_text);
	memset(long_text, 'x', VERDICT_TEXT_MAX - 1);
}

/* Writes requests for long answers and reads none, until the service does
 * not take any more.  Returns how many bytes were sent. */
static size_t
fill(int fd, const char *request)
{
	size_t len = strlen(request), at = 0, sent = 0;
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	ssize_t n;

	/* Quiet for a while means that it has stopped reading. */
	while (poll(&p, 1, 300) == 1) {
		n = send(fd, request + at, len - at,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n == -1 && errno == EAGAIN)
			continue;
		assert_true(n > 0);
		at = (at + (size_t)n) % len;
		sent += (size_t)n;
		assert_true(sent < 64 * 1024 * 1024);
	}
	return sent;
}

static void
test_who_does_not_read_is_not_read_from(void **state)
{
	static const char request[] = ASK "recipient=t@x\n\n";
	size_t sent, i, whole;
	char reply[VERDICT_TEXT_MAX + 32];
	int fd = dial();

	(void)state;
	make_long_text();
	snprintf(reply, sizeof(reply), "action=451 4.7.1 %s\n\n", long_text);
	sent = fill(fd, request);
	whole = sent / strlen(request);
	assert_true(asked < whole);
	/* Others are served meanwhile. */
	says(ASK "\n", DUNNO);
	for (i = 0; i < whole; i++)
		expect(fd, reply);
	put(fd, request + sent % strlen(request));
	expect(fd, reply);
	close(fd);
}

static void *
read_to_the_end(void *arg)
{
	int fd = *(int *)arg;
	static char buf[65536];
	static size_t got;
	ssize_t n;

	got = 0;
	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		got += (size_t)n;
	return is_end(n) ? &got : NULL;
}

static void
test_a_stop_lets_answers_out(void **state)
{
	static const char request[] = ASK "recipient=t@x\n\n";
	pthread_t reader;
	void *got;
	int idle, fd;

	assert_int_equal(start(state), 0);
	idle = dial();
	fd = dial();
	make_long_text();
	fill(fd, request);
	assert_int_equal(pthread_create(&reader, NULL, read_to_the_end, &fd),
	    0);
	stop(state);
	pthread_join(reader, &got);
	assert_non_null(got);
	assert_int_equal(*(size_t *)got, asked *
	    (strlen("action=451 4.7.1 \n\n") + VERDICT_TEXT_MAX - 1));
	close(fd);
	expect_end(idle);
	assert_int_equal(access(where.path, F_OK), -1);
}

static void
test_a_stop_does_not_wait_for_the_idle(void **state)
{
	struct timespec before, after;
	int fd;

	assert_int_equal(start(state), 0);
	fd = dial();
	put(fd, ASK "recip");
	clock_gettime(CLOCK_MONOTONIC, &before);
	stop(state);
	clock_gettime(CLOCK_MONOTONIC, &after);
	assert_true(after.tv_sec - before.tv_sec <= 1);
	expect_end(fd);
}

/* --- the socket -------------------------------------------------------- */

static void
test_a_path_that_is_taken(void **state)
{
	struct stat st;

	(void)state;
	assert_null(policy_server_start(NULL, &where, NULL));
	assert_int_equal(errno, EADDRINUSE);
	logged_about("another program listens there");
	/* The first one has noticed nothing. */
	says(ASK "\n", DUNNO);
	assert_int_equal(stat(where.path, &st), 0);
}

/* As a daemon leaves it that was killed. */
static void
leave_behind(void)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_sockaddr(&where, &ss);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	close(fd);
}

static void
test_a_path_that_was_left_behind(void **state)
{
	leave_behind();
	assert_int_equal(start(state), 0);
	says(ASK "\n", DUNNO);
	stop(state);
}

static void
test_a_path_that_is_something_else(void **state)
{
	int fd = open(where.path, O_WRONLY | O_CREAT, 0600);

	(void)state;
	assert_int_equal(write(fd, "precious", 8), 8);
	close(fd);
	assert_int_equal(listener_socket(&where, "policy"), -1);
	logged_about("a file of that name that is no socket: remove it or "
	    "change listen.policy");
	assert_int_equal(access(where.path, F_OK), 0);
	unlink(where.path);
}

static void
test_a_directory_that_is_missing(void **state)
{
	struct endpoint e = { .kind = ENDPOINT_UNIX,
	    .path = "/nonexistent/brake/policy.sock" };

	(void)state;
	assert_int_equal(listener_socket(&e, "policy"), -1);
	assert_int_equal(errno, ENOENT);
	logged_about("policy socket unix:/nonexistent/brake/policy.sock: "
	    "directory /nonexistent/brake does not exist: create it or "
	    "change listen.policy");
}

static void
test_inet_sockets(void **state)
{
	struct endpoint e = { .kind = ENDPOINT_INET };
	struct sockaddr_in6 in6;
	socklen_t len = sizeof(in6);
	int fd, second;

	(void)state;
	assert_true(addr_parse("127.0.0.1", &e.addr));
	fd = listener_socket(&e, "policy");
	assert_int_not_equal(fd, -1);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in6, &len), 0);
	e.port = ntohs(in6.sin6_port);
	second = listener_socket(&e, "policy");
	assert_int_equal(second, -1);
	assert_int_equal(errno, EADDRINUSE);
	logged_about("another program listens there");
	close(fd);
	assert_true(addr_parse("192.0.2.1", &e.addr));
	assert_int_equal(listener_socket(&e, "policy"), -1);
	logged_about("this host does not have that address");
}

static void
test_a_group_that_does_not_exist(void **state)
{
	struct stat st;
	int fd = listener_socket(&where, "policy");

	(void)state;
	assert_int_not_equal(fd, -1);
	listener_permit(&where, "no-such-group", "policy");
	logged_about("there is no group no-such-group: any local user may "
	    "connect; set listen.group");
	assert_int_equal(stat(where.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0666);
	close(fd);
	unlink(where.path);
}

int
main(void)
{
#define SERVED(f)	cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
		SERVED(test_answers),
		SERVED(test_what_the_decision_is_told),
		SERVED(test_states_without_a_message),
		SERVED(test_requests_in_one_packet_are_answered_in_order),
		SERVED(test_a_request_in_single_bytes),
		SERVED(test_nonsense_ends_its_connection_only),
		SERVED(test_who_asks_and_hangs_up_is_answered),
		SERVED(test_who_does_not_read_is_not_read_from),
		cmocka_unit_test(test_a_stop_lets_answers_out),
		cmocka_unit_test(test_a_stop_does_not_wait_for_the_idle),
		SERVED(test_a_path_that_is_taken),
		cmocka_unit_test(test_a_path_that_was_left_behind),
		cmocka_unit_test(test_a_path_that_is_something_else),
		cmocka_unit_test(test_a_directory_that_is_missing),
		cmocka_unit_test(test_inet_sockets),
		cmocka_unit_test(test_a_group_that_does_not_exist),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
