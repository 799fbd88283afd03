/*
 * test_milter.c - the milter, over its real protocol
 *
 * We play the mail server.  The decision is ours too: the recipient's first
 * letter says what it is to be, unless the brake is on for all.  There is
 * one milter a process, so the tests share it and the last one stops it.
 */
#include <sys/socket.h>
#include <sys/time.h>

#include <arpa/inet.h>

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <libmilter/mfdef.h>

#include "base/endpoint.h"
#include "front/front.h"
#include "front/milter.h"

#define DEADLINE_S	10
#define ALL_ACTIONS	0x1ff		/* as Postfix offers them */
#define ALL_STEPS	0x1fffff
#define QUARANTINE	0x20		/* SMFIF_QUARANTINE, _SETSYMLIST */
#define SETSYMLIST	0x100
#define NO_BUT_MAIL_RCPT (SMFIP_NOCONNECT | SMFIP_NOHELO | SMFIP_NOBODY | \
	    SMFIP_NOHDRS | SMFIP_NOEOH | SMFIP_NOUNKNOWN | SMFIP_NODATA)

/* --- the decision ------------------------------------------------------ */

struct front_stats front_stats[FRONT_KINDS];

static struct board *const a_board = (struct board *)&front_stats;
static _Atomic enum action brake;	/* for all recipients */
static _Atomic unsigned int asked, looked;
static char seen[2048];			/* the last envelope */

static const char *
or_none(const char *s)
{
	return s != NULL ? s : "(none)";
}

static enum action
act(struct board *board, const struct envelope *env, char *text)
{
	assert_ptr_equal(board, a_board);
	snprintf(seen, sizeof(seen), "%s %s %s %s%s", or_none(env->sender),
	    or_none(env->recipient), or_none(env->account),
	    or_none(env->transport), env->must_take ? " must-take" : "");
	strcpy(text, "listed, 100% sure");
	switch (env->recipient != NULL ? env->recipient[0] : ' ') {
	case 't':
		return ACT_TEMPFAIL;
	case 'h':
		return ACT_HOLD;
	case 'r':
		return ACT_REROUTE;
	default:
		return brake;
	}
}

enum action
front_ask(enum front_kind kind, struct board *board,
    const struct envelope *env, char *text)
{
	assert_int_equal(kind, FRONT_MILTER);
	asked++;
	return act(board, env, text);
}

enum action
front_look(struct board *board, const struct envelope *env, char *text)
{
	looked++;
	return act(board, env, text);
}

/* --- a mail server ----------------------------------------------------- */

static char dir[] = "/tmp/test_milter.XXXXXX";
static struct endpoint where;

struct packet {
	char		command;
	char		data[4096];
	uint32_t	len;
};

static void
put(int fd, char command, const void *data, size_t len)
{
	uint32_t size = htonl((uint32_t)len + 1);
	char buf[8192];

	memcpy(buf, &size, 4);
	buf[4] = command;
	if (len > 0)
		memcpy(buf + 5, data, len);
	assert_int_equal(send(fd, buf, len + 5, MSG_NOSIGNAL),
	    (ssize_t)len + 5);
}

static void
get(int fd, struct packet *p)
{
	uint32_t size;

	assert_int_equal(recv(fd, &size, 4, MSG_WAITALL), 4);
	size = ntohl(size) - 1;
	assert_true(size < sizeof(p->data));
	assert_int_equal(recv(fd, &p->command, 1, MSG_WAITALL), 1);
	p->len = size;
	if (size > 0)
		assert_int_equal(recv(fd, p->data, size, MSG_WAITALL),
		    (ssize_t)size);
	p->data[size] = '\0';
}

static void
expect(int fd, char command, const char *data)
{
	struct packet p;

	get(fd, &p);
	if (p.command != command)
		fail_msg("'%c' %s instead of '%c'", p.command, p.data,
		    command);
	assert_string_equal(p.data, data);
}

static uint32_t
number(const struct packet *p, size_t i)
{
	uint32_t n;

	memcpy(&n, p->data + 4 * i, 4);
	return ntohl(n);
}

static int
dial(void)
{
	struct sockaddr_storage ss;
	struct timeval limit = { DEADLINE_S, 0 };
	socklen_t len = endpoint_sockaddr(&where, &ss);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_int_not_equal(fd, -1);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	assert_int_equal(connect(fd, (struct sockaddr *)&ss, len), 0);
	return fd;
}

static struct packet
negotiate(int fd, uint32_t version, uint32_t actions, uint32_t steps)
{
	uint32_t offer[3] = { htonl(version), htonl(actions), htonl(steps) };
	struct packet p;

	put(fd, SMFIC_OPTNEG, offer, sizeof(offer));
	get(fd, &p);
	assert_int_equal(p.command, SMFIC_OPTNEG);
	return p;
}

static int
begin(void)
{
	int fd = dial();

	negotiate(fd, 6, ALL_ACTIONS, ALL_STEPS);
	return fd;
}

/* macros: "name=value" strings up to NULL. */
static void
macros(int fd, int command, ...)
{
	char buf[2048];
	const char *s;
	size_t len = 0;
	va_list ap;

	buf[len++] = (char)command;
	va_start(ap, command);
	while ((s = va_arg(ap, const char *)) != NULL) {
		size_t size = strlen(s) + 1;

		memcpy(buf + len, s, size);
		*strchr(buf + len, '=') = '\0';
		len += size;
	}
	va_end(ap);
	put(fd, SMFIC_MACRO, buf, len);
}

/* MAIL is not answered: that is negotiated. */
static void
mail(int fd, const char *sender)
{
	macros(fd, SMFIC_MAIL, "{client_port}=41234", NULL);
	put(fd, SMFIC_MAIL, sender, strlen(sender) + 1);
}

static void
rcpt(int fd, const char *to)
{
	macros(fd, SMFIC_RCPT, "{rcpt_mailer}=mx1", NULL);
	put(fd, SMFIC_RCPT, to, strlen(to) + 1);
}

static void
end(int fd)
{
	put(fd, SMFIC_BODYEOB, NULL, 0);
}

static void
quit(int fd)
{
	put(fd, SMFIC_QUIT, NULL, 0);
	close(fd);
}

static int
set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	where.kind = ENDPOINT_UNIX;
	snprintf(where.path, sizeof(where.path), "%s/milter", dir);
	return milter_start(a_board, &where, NULL) ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	return rmdir(dir);
}

static int
reset(void **state)
{
	(void)state;
	brake = ACT_PASS;
	asked = looked = 0;
	return 0;
}

/* --- negotiation ------------------------------------------------------- */

static void
test_only_what_is_needed_is_asked_for(void **state)
{
	int fd = dial();
	struct packet p = negotiate(fd, 6, ALL_ACTIONS, ALL_STEPS);
	size_t at;

	(void)state;
	assert_int_equal(number(&p, 0), 6);
	assert_int_equal(number(&p, 1), QUARANTINE | SETSYMLIST);
	assert_int_equal(number(&p, 2), NO_BUT_MAIL_RCPT | SMFIP_NR_MAIL);
	/* Then macro lists: a stage and a string each; 3 is RCPT. */
	for (at = 12; at < p.len; at += 4 + strlen(p.data + at + 4) + 1) {
		if (p.data[at + 3] == 3)
			break;
	}
	assert_true(at < p.len);
	assert_string_equal(p.data + at + 4, "{rcpt_mailer}");
	quit(fd);
}

static void
test_an_old_server_gets_what_it_knows(void **state)
{
	int fd = dial();
	struct packet p = negotiate(fd, 2, 0x3f, 0x7f);

	(void)state;
	assert_int_equal(number(&p, 0), 2);
	assert_int_equal(number(&p, 1), QUARANTINE);
	assert_int_equal(number(&p, 2), NO_BUT_MAIL_RCPT & 0x7f);
	assert_int_equal(p.len, 12);
	/* It waits for an answer to MAIL. */
	mail(fd, "<ann@a.test>");
	expect(fd, SMFIR_CONTINUE, "");
	rcpt(fd, "<top@b.test>");
	expect(fd, SMFIR_REPLYCODE, "451 4.7.1 listed, 100%% sure");
	quit(fd);
}

/* --- messages ---------------------------------------------------------- */

static void
test_mail_that_passes(void **state)
{
	int fd = begin();

	(void)state;
	mail(fd, "<ann@a.test>");
	rcpt(fd, "<bob@b.test>");
	expect(fd, SMFIR_CONTINUE, "");
	rcpt(fd, "<rob@b.test>");
	expect(fd, SMFIR_CONTINUE, "");
	end(fd);
	expect(fd, SMFIR_CONTINUE, "");
	quit(fd);
}

static void
test_a_recipient_that_must_wait(void **state)
{
	int fd = begin();

	(void)state;
	mail(fd, "<ann@a.test>");
	rcpt(fd, "<tom@b.test>");
	/* A single % would not reach the sender. */
	expect(fd, SMFIR_REPLYCODE, "451 4.7.1 listed, 100%% sure");
	/* The others are not concerned, nor is the end of the message. */
	rcpt(fd, "<bob@b.test>");
	expect(fd, SMFIR_CONTINUE, "");
	end(fd);
	expect(fd, SMFIR_CONTINUE, "");
	quit(fd);
}

static void
test_a_message_that_is_held(void **state)
{
	int fd = begin();

	(void)state;
	mail(fd, "<ann@a.test>");
	rcpt(fd, "<bob@b.test>");
	expect(fd, SMFIR_CONTINUE, "");
	rcpt(fd, "<hal@b.test>");
	expect(fd, SMFIR_CONTINUE, "");
	end(fd);
	expect(fd, SMFIR_QUARANTINE, "listed, 100% sure");
	expect(fd, SMFIR_CONTINUE, "");
	/* The next message of the session is another matter. */
	mail(fd, "<ann@a.test>");
	rcpt(fd, "<bob@b.test>");
	expect(fd, SMFIR_CONTINUE, "");
	end(fd);
	expect(fd, SMFIR_CONTINUE, "");
	quit(fd);
}

static void
test_an_aborted_message_is_forgotten(void **state)
{
	int fd = begin();

	(void)state;
	mail(fd, "<ann@a.test>");
	rcpt(fd, "<hal@b.test>");
	expect(fd, SMFIR_CONTINUE, "");
	put(fd, SMFIC_ABORT, NULL, 0);
	mail(fd, "<ann@a.test>");
	rcpt(fd, "<bob@b.test>");
	expect(fd, SMFIR_CONTINUE, "");
	end(fd);
	expect(fd, SMFIR_CONTINUE, "");
	quit(fd);
}

static void
test_a_hold_where_no_quarantine_was_offered(void **state)
{
	int fd = dial();

	(void)state;
	negotiate(fd, 6, ALL_ACTIONS & ~QUARANTINE, ALL_STEPS);
	mail(fd, "<ann@a.test>");
	rcpt(fd, "<hal@b.test>");
	expect(fd, SMFIR_CONTINUE, "");
	end(fd);
	expect(fd, SMFIR_REPLYCODE, "451 4.7.1 listed, 100%% sure");
	quit(fd);
}

static void
test_what_the_decision_is_told(void **state)
{
	static const char args[] = "<ann@a.test>\0SIZE=100\0BODY=8BITMIME";
	int fd = begin();

	(void)state;
	macros(fd, SMFIC_MAIL, "{auth_authen}=ann", "{client_port}=41234",
	    NULL);
	put(fd, SMFIC_MAIL, args, sizeof(args));
	rcpt(fd, "<bob@b.test>");
	expect(fd, SMFIR_CONTINUE, "");
	assert_string_equal(seen, "ann@a.test bob@b.test ann mx1");
	end(fd);
	expect(fd, SMFIR_CONTINUE, "");
	/* A bounce, a server that names no transport, no login. */
	macros(fd, SMFIC_MAIL, "{client_port}=41234", NULL);
	put(fd, SMFIC_MAIL, "<>", 3);
	macros(fd, SMFIC_RCPT, "{rcpt_mailer}=", NULL);
	put(fd, SMFIC_RCPT, "<\"b o b\"@b.test>", 17);
	expect(fd, SMFIR_CONTINUE, "");
	assert_string_equal(seen, " \"b o b\"@b.test (none) (none)");
	quit(fd);
}

static void
test_mail_of_sendmail_is_held_and_never_put_off(void **state)
{
	static const struct {
		const char	*macro;
		const char	*sender;
		bool		 must_take;
	} cases[] = {
		{ "{client_port}=0", "ann@a.test", true },
		{ "{daemon_port}=0", "ann@a.test", true },
		{ "j=mx1.a.test", "ann@a.test", true },	/* an old server */
		{ "j=mx1.a.test", "", true },		/* its bounce */
		{ "j=mx1.a.test", "<ann@a.test>", false },
		{ "{daemon_port}=25", "ann@a.test", false },
		{ "{client_port}=50", "<ann@a.test>", false },
	};
	size_t i;
	int fd;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fd = begin();
		macros(fd, SMFIC_MAIL, cases[i].macro, NULL);
		put(fd, SMFIC_MAIL, cases[i].sender,
		    strlen(cases[i].sender) + 1);
		rcpt(fd, "tom@b.test");
		if (cases[i].must_take) {
			expect(fd, SMFIR_CONTINUE, "");
			end(fd);
			expect(fd, SMFIR_QUARANTINE, "listed, 100% sure");
			expect(fd, SMFIR_CONTINUE, "");
		} else {
			expect(fd, SMFIR_REPLYCODE,
			    "451 4.7.1 listed, 100%% sure");
		}
		quit(fd);
	}
}

/* --- the second look --------------------------------------------------- */

static void
test_the_brake_comes_on_during_a_message(void **state)
{
	int fd = begin();

	(void)state;
	mail(fd, "<ann@a.test>");
	rcpt(fd, "<bob@b.test>");
	expect(fd, SMFIR_CONTINUE, "");
	brake = ACT_TEMPFAIL;
	end(fd);
	expect(fd, SMFIR_REPLYCODE, "451 4.7.1 listed, 100%% sure");
	/* A new answer is counted as one. */
	assert_int_equal(asked, 2);
	brake = ACT_PASS;
	mail(fd, "<ann@a.test>");
	rcpt(fd, "<bob@b.test>");
	expect(fd, SMFIR_CONTINUE, "");
	brake = ACT_HOLD;
	end(fd);
	expect(fd, SMFIR_QUARANTINE, "listed, 100% sure");
	expect(fd, SMFIR_CONTINUE, "");
	quit(fd);
}

static void
test_the_brake_comes_on_during_mail_of_sendmail(void **state)
{
	int fd = begin();

	(void)state;
	macros(fd, SMFIC_MAIL, "{client_port}=0", NULL);
	put(fd, SMFIC_MAIL, "ann@a.test", 11);
	rcpt(fd, "bob@b.test");
	expect(fd, SMFIR_CONTINUE, "");
	brake = ACT_TEMPFAIL;
	end(fd);
	expect(fd, SMFIR_QUARANTINE, "listed, 100% sure");
	expect(fd, SMFIR_CONTINUE, "");
	quit(fd);
}

static void
test_the_second_look_is_at_each_domain_and_transport(void **state)
{
	int i, fd = begin();
	char to[64];

	(void)state;
	mail(fd, "<ann@a.test>");
	for (i = 0; i < 30; i++) {
		snprintf(to, sizeof(to), "<bob%d@%c.test>", i, 'a' + i % 3);
		rcpt(fd, to);
		expect(fd, SMFIR_CONTINUE, "");
	}
	macros(fd, SMFIC_RCPT, "{rcpt_mailer}=mx2", NULL);
	put(fd, SMFIC_RCPT, "<bob@A.test>", 13);
	expect(fd, SMFIR_CONTINUE, "");
	end(fd);
	expect(fd, SMFIR_CONTINUE, "");
	assert_int_equal(asked, 31);
	assert_int_equal(looked, 4);
	quit(fd);
}

static void
test_too_many_recipients_to_remember(void **state)
{
	int i, fd = begin();
	char to[64];

	(void)state;
	mail(fd, "<ann@a.test>");
	for (i = 0; i < 200; i++) {
		snprintf(to, sizeof(to), "<bob@d%d.test>", i);
		rcpt(fd, to);
		expect(fd, SMFIR_CONTINUE, "");
	}
	end(fd);
	expect(fd, SMFIR_CONTINUE, "");
	/* The rest is decided by what is known of the sender. */
	assert_int_equal(looked, 65);
	assert_string_equal(seen, "ann@a.test (none) (none) (none)");
	quit(fd);
}

/* --- sessions ---------------------------------------------------------- */

static void
test_a_connection_that_is_used_again(void **state)
{
	int fd = begin();

	(void)state;
	mail(fd, "<ann@a.test>");
	rcpt(fd, "<hal@b.test>");
	expect(fd, SMFIR_CONTINUE, "");
	/* "Quit, a new session follows": it does not negotiate again. */
	put(fd, SMFIC_QUIT_NC, NULL, 0);
	mail(fd, "<ann@a.test>");
	rcpt(fd, "<bob@b.test>");
	expect(fd, SMFIR_CONTINUE, "");
	end(fd);
	expect(fd, SMFIR_CONTINUE, "");
	quit(fd);
}

static void
pause_ms(long ms)
{
	struct timespec ts = { 0, ms * 1000000 };

	nanosleep(&ts, NULL);
}

static void
test_connections_are_counted(void **state)
{
	int i, first = begin(), second = begin();

	(void)state;
	/* Those of other tests end in libmilter's own time. */
	for (i = 0; i < 1000 &&
	    front_stats[FRONT_MILTER].connections != 2; i++)
		pause_ms(10);
	assert_int_equal(atomic_load(
	    &front_stats[FRONT_MILTER].connections), 2);
	quit(first);
	close(second);		/* in the middle of nothing */
	for (i = 0; i < 1000 &&
	    front_stats[FRONT_MILTER].connections != 0; i++)
		pause_ms(10);
	assert_int_equal(atomic_load(
	    &front_stats[FRONT_MILTER].connections), 0);
}

static volatile sig_atomic_t hangups;

static void
count_hangup(int sig)
{
	(void)sig;
	hangups++;
}

/* libmilter would end at the first SIGHUP that its thread gets. */
static void
test_signals_are_not_the_milters(void **state)
{
	struct sigaction sa = { .sa_handler = count_hangup };
	int i, fd;

	(void)state;
	sigfillset(&sa.sa_mask);
	sigaction(SIGHUP, &sa, NULL);
	for (i = 0; i < 20000; i++)
		kill(getpid(), SIGHUP);
	/* While the handler runs and after it; each is ours. */
	assert_true(hangups > 0);
	fd = begin();
	mail(fd, "<ann@a.test>");
	rcpt(fd, "<bob@b.test>");
	expect(fd, SMFIR_CONTINUE, "");
	quit(fd);
}

static void
test_a_stop_is_at_once(void **state)
{
	struct timespec before, after;
	int fd = begin();

	(void)state;
	mail(fd, "<ann@a.test>");
	rcpt(fd, "<bob@b.test>");
	expect(fd, SMFIR_CONTINUE, "");
	clock_gettime(CLOCK_MONOTONIC, &before);
	milter_stop();
	clock_gettime(CLOCK_MONOTONIC, &after);
	assert_true(after.tv_sec - before.tv_sec <= 1);
	assert_int_equal(access(where.path, F_OK), -1);
	/* What is still open is put off, and asks nobody. */
	asked = looked = 0;
	rcpt(fd, "<bob@b.test>");
	expect(fd, SMFIR_TEMPFAIL, "");
	end(fd);
	expect(fd, SMFIR_TEMPFAIL, "");
	assert_int_equal(asked + looked, 0);
	quit(fd);
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup(f, reset)
	const struct CMUnitTest tests[] = {
		T(test_only_what_is_needed_is_asked_for),
		T(test_an_old_server_gets_what_it_knows),
		T(test_mail_that_passes),
		T(test_a_recipient_that_must_wait),
		T(test_a_message_that_is_held),
		T(test_an_aborted_message_is_forgotten),
		T(test_a_hold_where_no_quarantine_was_offered),
		T(test_what_the_decision_is_told),
		T(test_mail_of_sendmail_is_held_and_never_put_off),
		T(test_the_brake_comes_on_during_a_message),
		T(test_the_brake_comes_on_during_mail_of_sendmail),
		T(test_the_second_look_is_at_each_domain_and_transport),
		T(test_too_many_recipients_to_remember),
		T(test_a_connection_that_is_used_again),
		T(test_connections_are_counted),
		T(test_signals_are_not_the_milters),
		T(test_a_stop_is_at_once),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
