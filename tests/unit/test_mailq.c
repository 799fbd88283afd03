/*
 * test_mailq.c - Postfix' queue, by its own command
 *
 * With a postqueue of our own: it prints a file, and notes what it was asked
 * for.  The system tests have the real one.
 */
#include "unit.h"

#include <sys/stat.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/mem.h"
#include "front/mailq.h"

#define DEADLINE_MS	20000

static const char script[] =
    "#!/bin/sh\n"
    "dir=${0%/*}\n"
    "echo \"$*\" >>$dir/calls\n"
    ". $dir/behave\n"
    "case \" $* \" in *' -j '*) cat $dir/queue ;; esac\n";

static struct event_base *base;
static struct children *children;
static struct mailq *mailq;
static char *old_path;
static int place, calls;
static size_t total, active, waiting, count, handed;
static bool list_failed;
static char error[1000];
static struct mailq_message got[64];

static const char *
in_bin(const char *name, const char *text)
{
	char rel[64];

	snprintf(rel, sizeof(rel), "bin%d%s%s", place, name[0] != '\0' ? "/" :
	    "", name);
	return unit_file(rel, text);
}

static void
open_mailq(const char *config_directory)
{
	struct mailq_conf conf = { .config_directory = config_directory,
	    .timeout_ms = 3000 };

	mailq = mailq_new(children, &conf);
}

static int
open_place(void **state)
{
	const char *bin;
	char *new_path;

	(void)state;
	place++;
	calls = 0;
	error[0] = '\0';
	count = handed = 0;
	base = event_base_new();
	children = children_new(base, 4);
	bin = in_bin("", NULL);
	mkdir(bin, 0755);
	in_bin("behave", "");
	chmod(in_bin("postqueue", script), 0755);
	new_path = xasprintf("%s:%s", bin, old_path);
	setenv("PATH", new_path, 1);
	free(new_path);
	open_mailq(NULL);
	return mailq == NULL;
}

static int
close_place(void **state)
{
	(void)state;
	mailq_free(mailq);
	children_free(children);
	event_base_free(base);
	return 0;
}

static void
list_cb(void *ctx, const struct mailq_list *l)
{
	size_t i;

	(void)ctx;
	calls++;
	list_failed = l->error != NULL;
	snprintf(error, sizeof(error), "%s", l->error != NULL ? l->error : "");
	total = l->total;
	active = l->active;
	waiting = l->waiting;
	count = l->count;
	for (i = 0; i < count && i < COUNT(got); i++)
		got[i] = l->messages[i];
}

static void
done_cb(void *ctx, size_t n, const char *why)
{
	(void)ctx;
	calls++;
	handed = n;
	snprintf(error, sizeof(error), "%s", why != NULL ? why : "");
}

static void
wait_calls(int n)
{
	int64_t end = clock_mono_ms() + DEADLINE_MS;
	struct timeval tick = { 0, 5000 };

	while (calls < n) {
		assert_true(clock_mono_ms() < end);
		event_base_loopexit(base, &tick);
		event_base_loop(base, EVLOOP_ONCE);
	}
	assert_int_equal(calls, n);
}

static void
list(const char *egress, size_t max)
{
	mailq_list(mailq, egress, max, false, list_cb, NULL);
	assert_true(mailq_busy(mailq));
	wait_calls(calls + 1);
	assert_false(mailq_busy(mailq));
}

static void
must_have_called(const char *expected)
{
	char *said = unit_read(in_bin("calls", NULL));

	assert_non_null(said);
	assert_string_equal(said, expected);
	free(said);
}

/* --- a line ------------------------------------------------------------------ */

#define LINE(queue, rest) "{\"queue_name\": \"" queue "\", \"queue_id\": " \
	"\"4XyZ1\", \"arrival_time\": 1700000000, \"message_size\": 1, " \
	"\"sender\": \"a@b\", \"recipients\": [" rest "]}"
#define RCPT(reason)	"{\"address\": \"c@d\", \"delay_reason\": \"" \
	reason "\"}"
#define GATE		"client TLS configuration problem"

static const struct {
	const char	*claim;
	const char	*line;
	bool		 message, active, waits;
} lines[] = {
	{ "stopped by the gate in smtp(8)", LINE("deferred", RCPT(GATE)),
	    true, false, true },
	{ "stopped by the queue manager after that", LINE("deferred",
	    RCPT("delivery temporarily suspended: " GATE)), true, false,
	    true },
	{ "our word, by a delivery status filter", LINE("deferred",
	    RCPT("held: stopped-by-mailbrake")), true, false, true },
	{ "put off by our route", LINE("deferred",
	    RCPT("Outbound mail paused [mailbrake mx1]")), true, false,
	    true },
	{ "put off by our route, for another egress", LINE("deferred",
	    RCPT("Outbound mail paused [mailbrake mx10]")), true, false,
	    false },
	{ "one recipient of several is enough", LINE("deferred",
	    "{\"address\": \"x@y\"}, " RCPT("greylisted") ", " RCPT(GATE)),
	    true, false, true },
	{ "put off by somebody else", LINE("deferred",
	    RCPT("host mx.d said: 450 4.2.0 greylisted")), true, false,
	    false },
	{ "on its way right now", LINE("active", RCPT(GATE)), true, true,
	    false },
	{ "held by a person", LINE("hold", RCPT(GATE)), true, false, false },
	{ "without a reason", LINE("deferred", "{\"address\": \"x@y\"}"),
	    true, false, false },
	{ "without recipients", LINE("deferred", ""), true, false, false },
	{ "not JSON", "postqueue: warning: something", false, false, false },
	{ "not an object", "[1, 2]", false, false, false },
	{ "half a line", "{\"queue_name\": \"deferred\", \"queue_id", false,
	    false, false },
	{ "an id that would be an option", "{\"queue_name\": \"deferred\", "
	    "\"queue_id\": \"-f\", \"recipients\": []}", false, false,
	    false },
	{ "an empty id", "{\"queue_name\": \"deferred\", \"queue_id\": \"\"}",
	    false, false, false },
	{ "an id of the wrong type", "{\"queue_name\": \"deferred\", "
	    "\"queue_id\": 7}", false, false, false },
	{ "an id that is too long", "{\"queue_name\": \"deferred\", "
	    "\"queue_id\": \"0123456789012345678901234567890123456789\"}",
	    false, false, false },
	{ "recipients that are none", "{\"queue_name\": \"deferred\", "
	    "\"queue_id\": \"A\", \"recipients\": [1, null, {\"delay_reason"
	    "\": 3}]}", true, false, false },
};

static void
reads_a_line(void **state)
{
	const typeof(lines[0]) *row = *state;
	struct mailq_message m = { .id = "" };
	enum mailq_waits waits = MAILQ_WAITS;
	bool is_active = true;

	assert_int_equal(mailq_parse(row->line, strlen(row->line), "mx1",
	    NULL, NULL, &m, &is_active, &waits), row->message);
	if (!row->message)
		return;
	assert_int_equal(is_active, row->active);
	assert_int_equal(waits != MAILQ_WAITS_NOT, row->waits);
	if (strstr(row->line, "4XyZ1") != NULL) {
		assert_string_equal(m.id, "4XyZ1");
		assert_int_equal(m.arrival_s, 1700000000);
	}
}

/* Recipients at mx1.test are that egress', those at dark.test nobody knows;
 * the null sender's are mx1's. */
static enum mailq_whose
whose_cb(void *ctx, const char *egress, const char *sender,
    const char *recipient)
{
	const char *at = strchr(recipient, '@');

	assert_ptr_equal(ctx, got);
	if (strcmp(sender, "MAILER-DAEMON") == 0)
		return MAILQ_MINE;
	assert_string_equal(sender, "a@b");
	if (strcmp(at, "@dark.test") == 0)
		return MAILQ_UNKNOWN;
	return strncmp(at + 1, egress, strlen(egress)) == 0 ? MAILQ_MINE :
	    MAILQ_OTHERS;
}

#define TO(address, reason) "{\"address\": \"" address "\", " \
	"\"delay_reason\": \"" reason "\"}"

static const struct {
	const char		*claim;
	const char		*line;
	enum mailq_waits	 waits;
} owned[] = {
	{ "at the gate, ours", LINE("deferred", TO("c@mx1.test", GATE)),
	    MAILQ_WAITS },
	{ "at the gate, another's", LINE("deferred", TO("c@mx2.test", GATE)),
	    MAILQ_WAITS_NOT },
	{ "at the gate, nobody knows", LINE("deferred", TO("c@dark.test",
	    GATE)), MAILQ_MAY_WAIT },
	{ "ours counts more than what is not known", LINE("deferred",
	    TO("c@dark.test", GATE) ", " TO("c@mx1.test", GATE)),
	    MAILQ_WAITS },
	{ "another's does not make it known", LINE("deferred",
	    TO("c@dark.test", GATE) ", " TO("c@mx2.test", GATE)),
	    MAILQ_MAY_WAIT },
	{ "our name is proof enough", LINE("deferred", TO("c@mx2.test",
	    "Outbound mail paused [mailbrake mx1]")), MAILQ_WAITS },
	{ "without an address it is not known", LINE("deferred",
	    "{\"delay_reason\": \"" GATE "\"}"), MAILQ_MAY_WAIT },
	{ "a bounce", "{\"queue_name\": \"deferred\", \"queue_id\": "
	    "\"A\", \"sender\": \"MAILER-DAEMON\", \"recipients\": ["
	    TO("c@mx2.test", GATE) "]}", MAILQ_WAITS },
};

static void
tells_whose_it_is(void **state)
{
	const typeof(owned[0]) *row = *state;
	struct mailq_message m;
	enum mailq_waits waits;
	bool is_active;

	assert_true(mailq_parse(row->line, strlen(row->line), "mx1", whose_cb,
	    got, &m, &is_active, &waits));
	assert_int_equal(waits, row->waits);
}

/* --- a listing ---------------------------------------------------------------- */

static void
line_of(FILE *f, const char *queue, const char *id, int arrival,
    const char *reason)
{
	fprintf(f, "{\"queue_name\": \"%s\", \"queue_id\": \"%s\", "
	    "\"arrival_time\": %d, \"message_size\": 331, \"forced_expire\": "
	    "false, \"sender\": \"a@brake.test\", \"recipients\": "
	    "[{\"address\": \"b@c.example\", \"delay_reason\": \"%s\"}]}\n",
	    queue, id, arrival, reason);
}

/* 20,000 messages: every fourth waits for mx1, the oldest are last. */
static void
make_big_queue(void)
{
	FILE *f = fopen(in_bin("queue", ""), "w");
	char id[20];
	int i;

	assert_non_null(f);
	for (i = 0; i < 20000; i++) {
		snprintf(id, sizeof(id), "Q%05d", i);
		line_of(f, i % 10 == 9 ? "active" : "deferred", id,
		    1000000 - i, i % 4 == 0 ? GATE : "greylisted");
	}
	assert_int_equal(fclose(f), 0);
}

static void
lists_a_big_queue(void **state)
{
	(void)state;
	make_big_queue();
	list("mx1", 10);
	assert_false(list_failed);
	assert_int_equal(total, 20000);
	assert_int_equal(active, 2000);
	assert_int_equal(waiting, 5000);
	assert_int_equal(count, 10);
	assert_string_equal(got[0].id, "Q19996");
	assert_string_equal(got[9].id, "Q19960");
	must_have_called("-j\n");
	list("mx1", 0);
	assert_int_equal(waiting, 5000);
	assert_int_equal(count, 0);
}

static void
lists_an_empty_queue(void **state)
{
	(void)state;
	in_bin("queue", "");
	list("mx1", 10);
	assert_false(list_failed);
	assert_int_equal(total + waiting + count, 0);
}

static void
asks_another_postfix(void **state)
{
	const char *ids[] = { "AB1" };

	(void)state;
	mailq_free(mailq);
	open_mailq("/etc/postfix-out");
	in_bin("queue", "");
	list("mx1", 1);
	mailq_flush(mailq, done_cb, NULL);
	wait_calls(2);
	mailq_release(mailq, ids, 1, done_cb, NULL);
	wait_calls(3);
	must_have_called("-c /etc/postfix-out -j\n"
	    "-c /etc/postfix-out -f\n-c /etc/postfix-out -i AB1\n");
	assert_string_equal(error, "");
}

/* --- failures ------------------------------------------------------------------ */

static const struct {
	const char	*claim;
	const char	*behave;
	const char	*says, *advice;
} failures[] = {
	{ "no right to: which group", "echo 'postqueue: fatal: Connect to "
	    "the Postfix showq service: Permission denied' >&2; exit 69",
	    "postqueue: status 69", "group postdrop" },
	{ "not allowed to: which setting", "echo 'postqueue: fatal: User "
	    "mailbrake(64990) is not allowed to view the mail queue' >&2; "
	    "exit 69", "not allowed", "authorized_mailq_users" },
	{ "no mail system", "echo 'postqueue: fatal: mail system is down' "
	    ">&2; exit 69", "mail system is down", "postqueue" },
	{ "killed", "kill -9 $$", "ended by signal 9", "postqueue" },
	{ "hanging", "exec sleep 60", "not done in time", "postqueue" },
};

static void
says_what_to_do(void **state)
{
	const typeof(failures[0]) *row = *state;
	const char *ids[] = { "A1", "A2", "A3", "A4", "A5", "A6" };
	char *asked;

	in_bin("behave", row->behave);
	list("mx1", 10);
	assert_true(list_failed);
	assert_int_equal(waiting, 0);
	unit_says(error, row->says);
	unit_says(error, row->advice);
	if (strcmp(row->claim, "hanging") == 0)
		return;
	mailq_flush(mailq, done_cb, NULL);
	wait_calls(2);
	unit_says(error, row->says);
	/* It does not try all of them. */
	error[0] = '\0';
	in_bin("calls", "");
	mailq_release(mailq, ids, 6, done_cb, NULL);
	wait_calls(3);
	unit_says(error, row->says);
	assert_int_equal(handed, 0);
	asked = unit_read(in_bin("calls", NULL));
	assert_true(strlen(asked) < 6 * strlen("-i A1\n"));
	free(asked);
}

static void
knows_an_old_postfix(void **state)
{
	(void)state;
	in_bin("queue", "Mail queue is empty\n");
	list("mx1", 10);
	assert_true(list_failed);
	unit_says(error, "Postfix 3.1");
}

/* --- release ------------------------------------------------------------------- */

static void
releases_each_once(void **state)
{
	const char *ids[50];
	char text[50][8], *said, *c;
	int i, n = 0;

	(void)state;
	for (i = 0; i < 50; i++) {
		snprintf(text[i], sizeof(text[i]), "ID%02d", i);
		ids[i] = text[i];
	}
	mailq_release(mailq, ids, 50, done_cb, NULL);
	assert_true(mailq_busy(mailq));
	assert_int_equal(calls, 0);
	wait_calls(1);
	assert_false(mailq_busy(mailq));
	assert_int_equal(handed, 50);
	assert_string_equal(error, "");
	said = unit_read(in_bin("calls", NULL));
	for (i = 0; i < 50; i++) {
		char line[20];

		snprintf(line, sizeof(line), "-i %s\n", text[i]);
		unit_says(said, line);
	}
	for (c = said; *c != '\0'; c++)
		n += *c == '\n';
	assert_int_equal(n, 50);
	free(said);
}

static void
tolerates_one_that_fails(void **state)
{
	const char *ids[] = { "A1", "A2", "A3", "A4" };

	(void)state;
	in_bin("behave", "[ \"$2\" != A2 ] || exit 69");
	mailq_release(mailq, ids, 4, done_cb, NULL);
	wait_calls(1);
	assert_int_equal(handed, 3);
	assert_string_equal(error, "");
}

static void
puts_who_comes_back_last(void **state)
{
	const char *ids[] = { "OLD1", "OLD2" };
	FILE *f;

	(void)state;
	mailq_release(mailq, ids, 2, done_cb, NULL);
	wait_calls(1);
	f = fopen(in_bin("queue", ""), "w");
	assert_non_null(f);
	line_of(f, "deferred", "OLD1", 10, GATE);
	line_of(f, "deferred", "NEW1", 30, GATE);
	line_of(f, "deferred", "NEW2", 20, GATE);
	assert_int_equal(fclose(f), 0);
	list("mx1", 10);
	assert_int_equal(count, 3);
	assert_string_equal(got[0].id, "NEW2");
	assert_string_equal(got[1].id, "NEW1");
	assert_string_equal(got[2].id, "OLD1");
	assert_true(got[2].tried);
	assert_false(got[0].tried);
	/* OLD2 was gone; one of that name is another message. */
	f = fopen(in_bin("queue", ""), "w");
	assert_non_null(f);
	line_of(f, "deferred", "OLD2", 5, GATE);
	line_of(f, "deferred", "OLD1", 10, GATE);
	assert_int_equal(fclose(f), 0);
	list("mx1", 10);
	assert_string_equal(got[0].id, "OLD2");
	assert_false(got[0].tried);
	assert_true(got[1].tried);
}

static void
breaks_off(void **state)
{
	const char *ids[] = { "A1", "A2", "A3", "A4" };

	(void)state;
	in_bin("behave", "[ \"$1\" != -i ] || exec sleep 60\n");
	in_bin("queue", "");
	mailq_release(mailq, ids, 4, done_cb, NULL);
	mailq_cancel(mailq);
	assert_false(mailq_busy(mailq));
	mailq_list(mailq, "mx1", 10, false, list_cb, NULL);
	mailq_cancel(mailq);
	mailq_flush(mailq, done_cb, NULL);
	mailq_cancel(mailq);
	assert_false(mailq_busy(mailq));
	list("mx1", 10);
	assert_int_equal(calls, 1);
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	old_path = xstrdup(getenv("PATH"));
	unit_around(open_place, close_place);
	unit_rows(lines, reads_a_line);
	unit_rows(owned, tells_whose_it_is);
	unit_claim("20,000 messages: counted, the oldest that wait picked",
	    lists_a_big_queue);
	unit_claim("an empty queue is no failure", lists_an_empty_queue);
	unit_claim("another Postfix' configuration", asks_another_postfix);
	unit_rows(failures, says_what_to_do);
	unit_claim("what is no JSON: the version", knows_an_old_postfix);
	unit_claim("each message is released once", releases_each_once);
	unit_claim("one that is gone already is no failure",
	    tolerates_one_that_fails);
	unit_claim("who was released and came back stands last",
	    puts_who_comes_back_last);
	unit_claim("broken off: no callback, and ready for more", breaks_off);
	return unit_run("mailq");
}
