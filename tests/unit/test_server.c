/*
 * test_server.c - what the socket front ends share
 *
 * The protocol is ours: a line is answered with itself, "bad" is malformed,
 * and "wait" keeps the thread busy until the test lets it go on.
 */
#include <sys/socket.h>
#include <sys/stat.h>

#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "dialog.h"
#include "front/server.h"
#include "unit.h"

#define CLIENTS_MAX	4
#define MANY		20
#define IDLE_MS		300
#define AT_WORK_MS	100	/* as server.c has it */
#define FOREVER_MS	(3600 * 1000)

struct front_stats front_stats[FRONT_KINDS];

static struct endpoint where;
static struct server *server;
static sem_t waits, go_on;

static enum server_result
take(void *ctx, void *parser, struct server_turn *t)
{
	size_t *scanned = parser;
	char *end;

	assert_ptr_equal(ctx, &where);
	/* Zero where a request begins, and kept while it arrives. */
	assert_true(*scanned <= t->len);
	if ((end = memchr(t->buf + *scanned, '\n',
	    t->len - *scanned)) == NULL) {
		*scanned = t->len;
		return SERVER_MORE;
	}
	t->used = t->answer_len = (size_t)(end - t->buf) + 1;
	if (t->used == 4 && memcmp(t->buf, "bad", 3) == 0) {
		t->used = 0;
		t->why = "something bad";
		memcpy(t->answer, "no\n", 3);
		t->answer_len = 3;
		return SERVER_MALFORMED;
	}
	if (t->used == 5 && memcmp(t->buf, "wait", 4) == 0) {
		sem_post(&waits);
		sem_wait(&go_on);
	}
	memcpy(t->answer, t->buf, t->used);
	return SERVER_READY;
}

static struct server_protocol protocol = {
	.name = "echo",
	.kind = FRONT_POLICY,
	.request_max = 1024,
	.answer_max = 1024,
	.parser_size = sizeof(size_t),
	.take = take,
};

static void
start(int64_t idle_ms)
{
	logged();
	protocol.idle_ms = idle_ms;
	server = server_start(&protocol, &where, &where, NULL);
	assert_non_null(server);
	logged();	/* where there is no group postfix */
}

static int
before(void **state)
{
	(void)state;
	where.kind = ENDPOINT_UNIX;
	snprintf(where.path, sizeof(where.path), "%s/echo", unit_dir());
	protocol.clients_max = CLIENTS_MAX;
	sem_init(&waits, 0, 0);
	sem_init(&go_on, 0, 0);
	return 0;
}

static int
after(void **state)
{
	(void)state;
	server_stop(server);
	server = NULL;
	return 0;
}

static uint64_t
connections(void)
{
	return atomic_load(&front_stats[FRONT_POLICY].connections);
}

static void
ask(int fd)
{
	put(fd, "hello\n");
	expect(fd, "hello\n");
}

/* A test that waits for something in a loop ends all the same. */
static time_t
deadline(void)
{
	return time(NULL) + 10;
}

static void
let_pass(int ms)
{
	poll(NULL, 0, ms);
}

/* --- idle clients ------------------------------------------------------ */

static void
test_idle(void **state)
{
	time_t end = deadline();
	int busy, idle;

	(void)state;
	start(IDLE_MS);
	idle = dial(&where);
	ask(idle);
	busy = dial(&where);
	while (!has_ended(idle) && time(NULL) < end)
		ask(busy);
	assert_true(has_ended(idle));
	ask(busy);
	assert_int_equal(connections(), 1);
	close(idle);
	close(busy);
}

static void
test_half_a_request_is_idle_too(void **state)
{
	int fd;

	(void)state;
	start(IDLE_MS);
	fd = dial(&where);
	put(fd, "hel");
	expect_end(fd);
}

/* --- too many clients -------------------------------------------------- */

/* As many as there may be, the first one idle longest. */
static void
dial_all(int *fd)
{
	int i;

	for (i = 0; i < CLIENTS_MAX; i++) {
		fd[i] = dial(&where);
		ask(fd[i]);
	}
}

static void
close_all(int *fd)
{
	int i;

	for (i = 0; i < CLIENTS_MAX; i++)
		close(fd[i]);
}

static void
test_the_longest_idle_makes_room(void **state)
{
	int fd[CLIENTS_MAX], more;

	(void)state;
	start(FOREVER_MS);
	dial_all(fd);
	ask(fd[0]);
	let_pass(2 * AT_WORK_MS);
	more = dial(&where);
	ask(more);
	expect_end(fd[1]);
	fd[1] = more;
	ask(fd[0]);
	ask(fd[2]);
	ask(fd[3]);
	assert_int_equal(connections(), CLIENTS_MAX);
	logged_about("echo: 4 connections are open: for each new one the one "
	    "that is idle longest is closed");
	/* Said once, not for every one. */
	fd[1] = dial(&where);
	ask(fd[1]);
	expect_end(more);
	assert_string_equal(logged(), "");
	close_all(fd);
}

/* Where there are idle ones, new ones do not wait for one another. */
static void
test_many_new_ones(void **state)
{
	int64_t begin;
	int fd[2 * MANY], i;

	(void)state;
	protocol.clients_max = MANY;
	start(FOREVER_MS);
	for (i = 0; i < MANY; i++) {
		fd[i] = dial(&where);
		ask(fd[i]);
	}
	let_pass(2 * AT_WORK_MS);
	begin = clock_mono_ms();
	for (; i < 2 * MANY; i++) {
		fd[i] = dial(&where);
		ask(fd[i]);
	}
	assert_true(clock_mono_ms() - begin < MANY * AT_WORK_MS / 2);
	for (i = 0; i < MANY; i++)
		expect_end(fd[i]);
	for (; i < 2 * MANY; i++) {
		ask(fd[i]);
		close(fd[i]);
	}
}

/* All at work: a new one is served all the same, and so are those that come
 * after it. */
static void
test_nobody_starves(void **state)
{
	time_t end = deadline();
	int fd[CLIENTS_MAX], i, next;

	(void)state;
	start(FOREVER_MS);
	dial_all(fd);
	for (i = 0; i < 3 * CLIENTS_MAX; i++) {
		next = dial(&where);
		ask(next);
		expect_end(fd[i % CLIENTS_MAX]);
		fd[i % CLIENTS_MAX] = next;
	}
	while (connections() > CLIENTS_MAX && time(NULL) < end)
		ask(next);
	assert_int_equal(connections(), CLIENTS_MAX);
	for (i = 0; i < CLIENTS_MAX; i++)
		ask(fd[i]);
	close_all(fd);
}

static void
test_who_has_asked_is_not_closed(void **state)
{
	int fd[CLIENTS_MAX], more;

	(void)state;
	start(FOREVER_MS);
	dial_all(fd);
	let_pass(2 * AT_WORK_MS);
	put(fd[3], "wait\n");
	sem_wait(&waits);
	/* Both arrive while the service looks elsewhere, the new one first. */
	more = dial(&where);
	put(fd[0], "hello\n");
	sem_post(&go_on);
	expect(fd[3], "wait\n");
	expect(fd[0], "hello\n");
	ask(more);
	expect_end(fd[1]);
	fd[1] = more;
	close_all(fd);
}

static void
test_who_leaves_makes_room(void **state)
{
	time_t end = deadline();
	int fd[CLIENTS_MAX], more, i;

	(void)state;
	start(FOREVER_MS);
	dial_all(fd);
	for (i = 0; i < CLIENTS_MAX; i++) {
		close(fd[i]);
		while (connections() == CLIENTS_MAX && time(NULL) < end)
			let_pass(1);
		fd[i] = more = dial(&where);
		ask(more);
	}
	assert_string_equal(logged(), "");
	for (i = 0; i < CLIENTS_MAX; i++)
		ask(fd[i]);
	close_all(fd);
}

static void
test_a_stop_while_there_are_too_many(void **state)
{
	int fd[CLIENTS_MAX], more;

	start(FOREVER_MS);
	dial_all(fd);
	more = dial(&where);
	ask(more);
	after(state);
	assert_int_equal(connections(), 0);
	expect_end(more);
	close_all(fd);
}

/* --- the rest ---------------------------------------------------------- */

static void
test_malformed(void **state)
{
	uint64_t was = front_stats[FRONT_POLICY].malformed;
	int fd;

	(void)state;
	start(FOREVER_MS);
	fd = dial(&where);
	put(fd, "one\nbad\ntwo\n");
	expect(fd, "one\nno\n");
	expect_end(fd);
	logged_about("echo: closing a connection of a local program that sent "
	    "something bad: \"bad\"");
	fd = dial(&where);
	put(fd, "bad\n");
	expect(fd, "no\n");
	expect_end(fd);
	assert_string_equal(logged(), "");
	assert_int_equal(front_stats[FRONT_POLICY].malformed, was + 2);
}

static void
test_parts(void **state)
{
	static const char text[] = "hello\nworld\n";
	char part[2] = "";
	size_t i;
	int fd;

	(void)state;
	start(FOREVER_MS);
	fd = dial(&where);
	for (i = 0; i < sizeof(text) - 1; i++) {
		part[0] = text[i];
		put(fd, part);
	}
	expect(fd, text);
	close(fd);
}

static void
test_tcp(void **state)
{
	int fd;

	(void)state;
	where.kind = ENDPOINT_INET;
	assert_true(addr_parse("127.0.0.1", &where.addr));
	/* One that is free: that of a socket which is gone. */
	for (where.port = 20000 + (uint16_t)(getpid() % 20000);
	    (server = server_start(&protocol, &where, &where, NULL)) == NULL;
	    where.port++)
		assert_true(where.port < 60000);
	logged();
	fd = dial(&where);
	ask(fd);
	put(fd, "bad\n");
	expect(fd, "no\n");
	expect_end(fd);
	logged_about("closing a connection of 127.0.0.1 that sent");
}

static void
test_the_socket_is_gone_after_a_stop(void **state)
{
	struct stat st;

	start(FOREVER_MS);
	assert_int_equal(stat(where.path, &st), 0);
	after(state);
	assert_int_equal(stat(where.path, &st), -1);
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	unit_around(before, after);
	unit_claim("an idle client is closed, one that asks is not",
	    test_idle);
	unit_claim("half a request is idle too",
	    test_half_a_request_is_idle_too);
	unit_claim("the longest idle one makes room for a new one",
	    test_the_longest_idle_makes_room);
	unit_claim("many new ones do not wait where there are idle ones",
	    test_many_new_ones);
	unit_claim("a new one is served also where all are at work",
	    test_nobody_starves);
	unit_claim("who has asked is answered and not closed",
	    test_who_has_asked_is_not_closed);
	unit_claim("who leaves makes room by himself",
	    test_who_leaves_makes_room);
	unit_claim("a stop while there are too many",
	    test_a_stop_while_there_are_too_many);
	unit_claim("a malformed request has its answer and its line in the "
	    "log", test_malformed);
	unit_claim("a request may come in single bytes", test_parts);
	unit_claim("the same over TCP", test_tcp);
	unit_claim("the socket is gone after a stop",
	    test_the_socket_is_gone_after_a_stop);
	return unit_run("server");
}
