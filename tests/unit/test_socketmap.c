/*
 * test_socketmap.c - the socketmap service, over real sockets
 *
 * The answers are ours: map "echo" says "OK" and the key, and the other
 * names below say what their name says.
 */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dialog.h"
#include "front/front.h"
#include "front/netstring.h"
#include "front/socketmap.h"
#include "unit.h"

#define MANY		2000	/* connections */
#define LONG_KEY	90000

struct front_stats front_stats[FRONT_KINDS];

static struct endpoint where;
static struct socketmap *server;
static _Atomic unsigned int asked;

static size_t
answer(void *ctx, const char *name, const char *key, size_t key_len,
    char *text, size_t size)
{
	if (ctx != &where || size != NETSTRING_MAX + 1 ||
	    strlen(key) != key_len)
		abort();
	asked++;
	if (strcmp(name, "echo") == 0)
		return (size_t)snprintf(text, size, "OK %s", key);
	if (strcmp(name, "none") == 0)
		return (size_t)snprintf(text, size, "NOTFOUND ");
	if (strcmp(name, "longest") == 0) {
		memset(text, 'x', size);
		memcpy(text, "OK ", 3);
		return NETSTRING_MAX;
	}
	/* As snprintf() says that it had to cut. */
	if (strcmp(name, "toolong") == 0) {
		memset(text, 'x', size);
		return size;
	}
	return 0;
}

static void
start(void)
{
	logged();
	server = socketmap_start(&where, NULL, answer, &where);
	assert_non_null(server);
	logged();
}

static int
before(void **state)
{
	(void)state;
	where.kind = ENDPOINT_UNIX;
	snprintf(where.path, sizeof(where.path), "%s/map", unit_dir());
	asked = 0;
	start();
	return 0;
}

static int
after(void **state)
{
	(void)state;
	socketmap_stop(server);
	server = NULL;
	assert_int_equal(atomic_load(
	    &front_stats[FRONT_SOCKETMAP].connections), 0);
	return 0;
}

/* --- one request ------------------------------------------------------- */

static const struct {
	const char	*claim;
	const char	*request, *reply;
} good[] = {
	{ "a value", "10:echo ann@x,", "8:OK ann@x," },
	{ "no value", "6:none x,", "9:NOTFOUND ," },
	{ "spaces in a key", "14:echo \"a b\"@c.d,", "12:OK \"a b\"@c.d," },
	{ "an empty key", "5:echo ,", "3:OK ," },
	{ "an answer of nothing puts the mail off", "7:empty x,",
	    "38:TEMP mailbrake has no answer that fits," },
	{ "an answer that is too long puts the mail off", "9:toolong x,",
	    "38:TEMP mailbrake has no answer that fits," },
	{ "two in one packet", "6:echo a,6:echo b,", "4:OK a,4:OK b," },
};

static const struct {
	const char	*claim;
	const char	*request, *reply;
	const char	*log;
} bad[] = {
	{ "a length that is none", "GET / HTTP/1.1\r\n\r\n",
	    "53:TEMP malformed request: a length that is not a number,",
	    "socketmap: closing a connection of a local program that sent a "
	    "length that is not a number: \"GET / HTTP/1.1\"" },
	{ "a leading zero", "06:echo a,",
	    "52:TEMP malformed request: a length with a leading zero,",
	    "sent a length with a leading zero: \"06:echo a,\"" },
	{ "too long", "100001:echo",
	    "59:TEMP malformed request: a request of more than 100000 bytes,",
	    "sent a request of more than 100000 bytes: \"100001:echo\"" },
	{ "no comma", "6:echo ab,",
	    "65:TEMP malformed request: "
	    "a request without \",\" where it should end,",
	    "sent a request without \",\" where it should end: "
	    "\"6:echo ab,\"" },
	{ "no key", "4:echo,",
	    "55:TEMP malformed request: the name of a map without a key,",
	    "sent the name of a map without a key: \"4:echo,\"" },
	{ "a control character", "8:echo \033[m,",
	    "43:TEMP malformed request: a control character,",
	    "sent a control character: \"8:echo ?[m,\"" },
	{ "only the first of several, and nothing behind it",
	    "x6:echo a,6:echo b,",
	    "53:TEMP malformed request: a length that is not a number,",
	    "sent a length that is not a number: \"x6:echo a,6:echo b,\"" },
};

/* However it arrives. */
static void
test_good(void **state)
{
	size_t i, len, cut;
	int fd = dial(&where);

	(void)state;
	for (i = 0; i < COUNT(good); i++) {
		len = strlen(good[i].request);
		for (cut = 0; cut <= len; cut++) {
			put_bytes(fd, good[i].request, cut);
			put_bytes(fd, good[i].request + cut, len - cut);
			expect(fd, good[i].reply);
		}
	}
	close(fd);
}

static void
test_bad(void **state)
{
	uint64_t malformed = front_stats[FRONT_SOCKETMAP].malformed;
	size_t i;
	int fd;

	for (i = 0; i < COUNT(bad); i++) {
		/* Anew, for the log tells only of the first in a while. */
		after(state);
		start();
		fd = dial(&where);
		put(fd, "6:echo a,");
		expect(fd, "4:OK a,");
		put(fd, bad[i].request);
		expect(fd, bad[i].reply);
		expect_end(fd);
		logged_about(bad[i].log);
		fd = dial(&where);
		put(fd, bad[i].request);
		expect(fd, bad[i].reply);
		expect_end(fd);
		assert_string_equal(logged(), "");
	}
	assert_int_equal(front_stats[FRONT_SOCKETMAP].malformed,
	    malformed + 2 * COUNT(bad));
}

static void
test_a_nul(void **state)
{
	static const char request[] = "8:echo a\0b,";
	int fd = dial(&where);

	(void)state;
	put_bytes(fd, request, sizeof(request) - 1);
	expect(fd, "34:TEMP malformed request: a NUL byte,");
	expect_end(fd);
	assert_int_equal(asked, 0);
}

/* --- long ones --------------------------------------------------------- */

static void
test_a_long_key(void **state)
{
	char *request = malloc(LONG_KEY + 32), *reply = malloc(LONG_KEY + 32);
	int fd = dial(&where), i;
	size_t head, len;

	(void)state;
	assert_non_null(request);
	assert_non_null(reply);
	head = (size_t)sprintf(request, "%d:echo ", LONG_KEY + 5);
	memset(request + head, 'k', LONG_KEY);
	strcpy(request + head + LONG_KEY, ",");
	head = (size_t)sprintf(reply, "%d:OK ", LONG_KEY + 3);
	memset(reply + head, 'k', LONG_KEY);
	strcpy(reply + head + LONG_KEY, ",");
	for (i = 0; i < 3; i++) {
		/* The second half only when the first has been read. */
		len = strlen(request);
		put_bytes(fd, request, len / 2);
		put_bytes(fd, request + len / 2, len - len / 2);
		expect(fd, reply);
	}
	close(fd);
	free(request);
	free(reply);
}

static void
test_the_longest_answer(void **state)
{
	char *reply = malloc(NETSTRING_WHOLE + 1);
	int fd = dial(&where), i;

	(void)state;
	assert_non_null(reply);
	memset(reply, 'x', NETSTRING_WHOLE);
	memcpy(reply, "100000:OK ", 10);
	strcpy(reply + NETSTRING_WHOLE - 1, ",");
	for (i = 0; i < 20; i++)
		put(fd, "9:longest x,");
	for (i = 0; i < 20; i++)
		expect(fd, reply);
	close(fd);
	free(reply);
}

/* What this process has in memory; 0 where that cannot be told. */
static long
resident_kb(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long pages = 0;

	if (f == NULL)
		return 0;
	assert_int_equal(fscanf(f, "%*d %ld", &pages), 1);
	fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void
test_claims_cost_nothing(void **state)
{
	int fd[400];
	size_t i;
	long was;

	(void)state;
	was = resident_kb();
	for (i = 0; i < COUNT(fd); i++) {
		fd[i] = dial(&where);
		put(fd[i], "6:echo a,100000:echo ");
		expect(fd[i], "4:OK a,");
	}
	assert_true(resident_kb() - was < 400 * 50);
	for (i = 0; i < COUNT(fd); i++)
		close(fd[i]);
}

/* --- many -------------------------------------------------------------- */

static void
test_pipelined(void **state)
{
	enum { COUNT_OF = 5000 };
	char *all = malloc(COUNT_OF * 20), *wanted = malloc(COUNT_OF * 20);
	size_t at = 0, to = 0, i;
	int fd = dial(&where);

	(void)state;
	assert_non_null(all);
	assert_non_null(wanted);
	for (i = 0; i < COUNT_OF; i++) {
		at += (size_t)sprintf(all + at, "10:echo %05zu,", i);
		to += (size_t)sprintf(wanted + to, "8:OK %05zu,", i);
	}
	put_bytes(fd, all, at);
	expect_bytes(fd, wanted, to);
	assert_int_equal(asked, COUNT_OF);
	close(fd);
	free(all);
	free(wanted);
}

static void
test_many_connections(void **state)
{
	char request[32], reply[32];
	struct rlimit rl;
	int *fd, i, count = MANY;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &rl), 0);
	rl.rlim_cur = rl.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &rl), 0);
	/* Both ends are ours. */
	if (rl.rlim_cur != RLIM_INFINITY && rl.rlim_cur < 2 * MANY + 100)
		count = (int)(rl.rlim_cur - 100) / 2;
	fd = calloc((size_t)count, sizeof(*fd));
	assert_non_null(fd);
	for (i = 0; i < count; i++)
		fd[i] = dial(&where);
	for (i = 0; i < count; i++) {
		snprintf(request, sizeof(request), "9:echo %04d,", i);
		put(fd[i], request);
	}
	for (i = count - 1; i >= 0; i--) {
		snprintf(reply, sizeof(reply), "7:OK %04d,", i);
		expect(fd[i], reply);
	}
	assert_int_equal(front_stats[FRONT_SOCKETMAP].connections, count);
	for (i = 0; i < count; i++)
		close(fd[i]);
	free(fd);
}

/* --- slow and rude clients --------------------------------------------- */

static void
test_who_does_not_read_is_not_read_from(void **state)
{
	static const char request[] = "9:longest x,";
	char *reply = malloc(NETSTRING_WHOLE + 1);
	size_t sent, whole, i;
	int fd = dial(&where), other;

	(void)state;
	assert_non_null(reply);
	memset(reply, 'x', NETSTRING_WHOLE);
	memcpy(reply, "100000:OK ", 10);
	strcpy(reply + NETSTRING_WHOLE - 1, ",");
	sent = fill(fd, request);
	whole = sent / strlen(request);
	assert_true(asked < whole);
	/* Others are served meanwhile. */
	other = dial(&where);
	put(other, "6:echo a,");
	expect(other, "4:OK a,");
	close(other);
	for (i = 0; i < 50; i++)
		expect(fd, reply);
	assert_true(asked <= 50 + 20);
	close(fd);
	free(reply);
}

static void
test_who_asks_and_hangs_up_is_answered(void **state)
{
	int fd = dial(&where);

	(void)state;
	put(fd, "6:echo a,6:ec");
	shutdown(fd, SHUT_WR);
	expect(fd, "4:OK a,");
	expect_end(fd);
}

/* Its answers do not fit into the socket, and the end is seen before they
 * are out. */
static void
test_who_hangs_up_gets_all_answers(void **state)
{
	char *reply = malloc(NETSTRING_WHOLE + 1);
	int fd = dial(&where), other = dial(&where), i;

	(void)state;
	assert_non_null(reply);
	memset(reply, 'x', NETSTRING_WHOLE);
	memcpy(reply, "100000:OK ", 10);
	strcpy(reply + NETSTRING_WHOLE - 1, ",");
	put(fd, "9:longest x,9:longest x,9:longest x,9:longest x,");
	shutdown(fd, SHUT_WR);
	for (i = 0; i < 3; i++) {
		put(other, "6:echo a,");
		expect(other, "4:OK a,");
	}
	for (i = 0; i < 4; i++)
		expect(fd, reply);
	expect_end(fd);
	close(other);
	free(reply);
}

static void
test_who_asks_and_goes_hurts_nobody(void **state)
{
	int i, fd;

	(void)state;
	for (i = 0; i < 200; i++) {
		fd = dial(&where);
		put(fd, "9:longest x,9:longest x,9:longest x,");
		close(fd);
	}
	fd = dial(&where);
	put(fd, "6:echo a,");
	expect(fd, "4:OK a,");
	close(fd);
}

/* --- the stop ---------------------------------------------------------- */

/* Asks one after the other until the service is gone. */
static void *
talk(void *arg)
{
	unsigned int *answers = arg;
	char buf[16];
	ssize_t n;
	int fd = dial(&where);

	while (send(fd, "6:echo a,", 9, MSG_NOSIGNAL) == 9 &&
	    (n = recv(fd, buf, sizeof(buf), 0)) > 0) {
		/* Never half an answer. */
		if (n != 7 || memcmp(buf, "4:OK a,", 7) != 0)
			abort();
		(*answers)++;
	}
	close(fd);
	return NULL;
}

static void
test_a_stop_while_clients_talk(void **state)
{
	pthread_t thread[8];
	unsigned int answers[8] = { 0 };
	struct timespec a, b;
	size_t i;

	for (i = 0; i < COUNT(thread); i++)
		assert_int_equal(pthread_create(&thread[i], NULL, talk,
		    &answers[i]), 0);
	while (asked < 1000)
		poll(NULL, 0, 1);
	clock_gettime(CLOCK_MONOTONIC, &a);
	after(state);
	clock_gettime(CLOCK_MONOTONIC, &b);
	assert_true(b.tv_sec - a.tv_sec <= 1);
	for (i = 0; i < COUNT(thread); i++) {
		pthread_join(thread[i], NULL);
		assert_true(answers[i] > 0);
	}
	assert_int_equal(access(where.path, F_OK), -1);
}

static void *
read_to_the_end(void *arg)
{
	static size_t got;
	static char buf[65536];
	ssize_t n;

	got = 0;
	while ((n = recv(*(int *)arg, buf, sizeof(buf), 0)) > 0)
		got += (size_t)n;
	return &got;
}

static void
test_a_stop_lets_answers_out(void **state)
{
	pthread_t reader;
	void *got;
	int fd = dial(&where);

	fill(fd, "9:longest x,");
	assert_int_equal(pthread_create(&reader, NULL, read_to_the_end, &fd),
	    0);
	after(state);
	pthread_join(reader, &got);
	assert_int_equal(*(size_t *)got, asked * (size_t)NETSTRING_WHOLE);
	close(fd);
}

/* --- the socket -------------------------------------------------------- */

static void
test_a_path_that_is_taken(void **state)
{
	int fd;

	(void)state;
	assert_null(socketmap_start(&where, NULL, answer, &where));
	assert_int_equal(errno, EADDRINUSE);
	logged_about("socketmap socket ");
	fd = dial(&where);
	put(fd, "6:echo a,");
	expect(fd, "4:OK a,");
	close(fd);
}

static void
test_a_group_that_does_not_exist(void **state)
{
	struct stat st;

	after(state);
	server = socketmap_start(&where, "no-such-group", answer, &where);
	assert_non_null(server);
	logged_about("there is no group no-such-group");
	assert_int_equal(stat(where.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0666);
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	unit_around(before, after);
	unit_claim("good requests, cut at every byte", test_good);
	unit_claim("a malformed request has one answer, one line in the log, "
	    "and ends its connection", test_bad);
	unit_claim("a NUL", test_a_nul);
	unit_claim("a long key", test_a_long_key);
	unit_claim("the longest answer", test_the_longest_answer);
	unit_claim("a length that is only claimed takes no memory",
	    test_claims_cost_nothing);
	unit_claim("thousands of requests in one go", test_pipelined);
	unit_claim("thousands of connections", test_many_connections);
	unit_claim("who does not read is not read from",
	    test_who_does_not_read_is_not_read_from);
	unit_claim("who asks and hangs up is answered",
	    test_who_asks_and_hangs_up_is_answered);
	unit_claim("who hangs up gets all answers",
	    test_who_hangs_up_gets_all_answers);
	unit_claim("who asks and goes hurts nobody",
	    test_who_asks_and_goes_hurts_nobody);
	unit_claim("a stop while clients talk",
	    test_a_stop_while_clients_talk);
	unit_claim("a stop lets answers out", test_a_stop_lets_answers_out);
	unit_claim("a path that is taken", test_a_path_that_is_taken);
	unit_claim("a group that does not exist",
	    test_a_group_that_does_not_exist);
	return unit_run("socketmap");
}
