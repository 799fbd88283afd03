/*
 * test_queue.c - what mailbraked does to Postfix from outside the mail path
 *
 * The order of things, with a postmap and a postqueue of our own that note
 * when they were called.  The plan itself is in test_release.c.
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
#include "front/queue.h"

#define DEADLINE_MS	10000

static const char postmap[] =
    "#!/bin/sh\n"
    "dir=${0%/*}\n"
    ". $dir/behave\n"
    "for table; do :; done\n"
    "path=${table#*:}\n"
    "case \" $* \" in\n"
    "*' -q '*)	found=1\n"
    "	while read -r key; do\n"
    "		grep \"^$key	\" $path.db && found=0\n"
    "	done; exit $found ;;\n"
    "esac\n"
    "echo \"postmap $(grep -v '^#' $path | tr '\\t\\n' '  ')\" "
    ">>$dir/calls\n"
    "cp $path $path.db\n";

static const char postqueue[] =
    "#!/bin/sh\n"
    "dir=${0%/*}\n"
    "echo \"postqueue $*\" >>$dir/calls\n"
    ". $dir/behave\n"
    "case $1 in -j) cat $dir/queue ;; esac\n";

static struct event_base *base;
static struct children *children;
static struct queue *queue;
static char *old_path, events[16384];
static const char *gate_path;
static int place;

static const char *
in_bin(const char *name, const char *text)
{
	char rel[64];

	snprintf(rel, sizeof(rel), "bin%d%s%s", place, name[0] != '\0' ? "/" :
	    "", name);
	return unit_file(rel, text);
}

static void
event_cb(void *ctx, const char *text)
{
	size_t n = strlen(events);

	(void)ctx;
	if (text == NULL)
		return;
	snprintf(events + n, sizeof(events) - n, "%s\n", text);
}

static bool known;			/* the senders' egresses are */

/* The sender's local part is its egress. */
static enum mailq_whose
whose_cb(void *ctx, const char *egress, const char *sender,
    const char *recipient)
{
	(void)ctx;
	(void)recipient;
	return !known ? MAILQ_UNKNOWN : strncmp(sender, egress,
	    strcspn(sender, "@")) == 0 ? MAILQ_MINE : MAILQ_OTHERS;
}

static void
open_queue(bool observe)
{
	struct queue_conf conf = { .whose = whose_cb,
	    .gate = { .table = gate_path, .given = true, .retry_ms = 20 },
	    .observe = observe };

	queue = queue_new(base, children, &conf, event_cb, NULL);
}

static int
open_place(void **state)
{
	char name[32], *new_path;
	const char *bin;

	(void)state;
	place++;
	known = false;
	events[0] = '\0';
	base = event_base_new();
	children = children_new(base, 4);
	bin = in_bin("", NULL);
	mkdir(bin, 0755);
	in_bin("behave", "");
	in_bin("queue", "");
	in_bin("calls", "");
	chmod(in_bin("postmap", postmap), 0755);
	chmod(in_bin("postqueue", postqueue), 0755);
	new_path = xasprintf("%s:%s", bin, old_path);
	setenv("PATH", new_path, 1);
	free(new_path);
	snprintf(name, sizeof(name), "gate%d", place);
	gate_path = unit_file(name, NULL);
	open_queue(false);
	return queue == NULL;
}

static int
close_place(void **state)
{
	(void)state;
	queue_free(queue);
	children_free(children);
	event_base_free(base);
	return 0;
}

static void
turn(void)
{
	struct timeval tick = { 0, 5000 };

	event_base_loopexit(base, &tick);
	event_base_loop(base, EVLOOP_ONCE);
}

static void
pass_ms(int64_t ms)
{
	int64_t end = clock_mono_ms() + ms;

	while (clock_mono_ms() < end)
		turn();
}

static int
count(const char *text, const char *words)
{
	int n = 0;

	for (; (text = strstr(text, words)) != NULL; text++)
		n++;
	return n;
}

static int
called(const char *words)
{
	char *text = unit_read(in_bin("calls", NULL));
	int n = count(text, words);

	free(text);
	return n;
}

static void
wait_called(const char *words, int n)
{
	int64_t end = clock_mono_ms() + DEADLINE_MS;

	while (called(words) < n) {
		if (clock_mono_ms() > end)
			fail_msg("no \"%s\": %s", words, events);
		turn();
	}
}

static void
wait_said(const char *words)
{
	int64_t end = clock_mono_ms() + DEADLINE_MS;

	while (strstr(events, words) == NULL) {
		if (clock_mono_ms() > end)
			fail_msg("\"%s\" is not in: %s", words, events);
		turn();
	}
}

/* n1 messages from mx1@test, then n2 from mx2@test, that wait at the gate. */
static void
fill_for(int n1, int n2)
{
	FILE *f = fopen(in_bin("queue", NULL), "w");
	int i;

	assert_non_null(f);
	for (i = 0; i < n1 + n2; i++)
		fprintf(f, "{\"queue_name\": \"deferred\", \"queue_id\": "
		    "\"M%04d\", \"arrival_time\": %d, \"sender\": "
		    "\"mx%d@test\", \"recipients\": [{\"address\": \"a@b\", "
		    "\"delay_reason\": \"client TLS configuration "
		    "problem\"}]}\n", i, i, i < n1 ? 1 : 2);
	assert_int_equal(fclose(f), 0);
}

static void
fill(int n)
{
	fill_for(n, 0);
}

static const struct queue_egress
    sending1 = { .name = "mx1", .state = STATE_SENDING },
    sending2 = { .name = "mx2", .state = STATE_SENDING },
    probation1 = { .name = "mx1", .state = STATE_PROBATION },
    stopped1 = { .name = "mx1", .state = STATE_STOPPED, .shut = true },
    stopped2 = { .name = "mx2", .state = STATE_STOPPED, .shut = true },
    away1 = { .name = "mx1", .state = STATE_STOPPED, .shut = true,
	.can_reroute = true },
    away2 = { .name = "mx2", .state = STATE_STOPPED, .shut = true,
	.can_reroute = true };

static void
update(const struct queue_egress *a, const struct queue_egress *b)
{
	struct queue_egress v[2];
	size_t n = 0;

	if (a != NULL)
		v[n++] = *a;
	if (b != NULL)
		v[n++] = *b;
	queue_update(queue, v, n);
}

/* --- order ------------------------------------------------------------------- */

static void
shuts_before_it_flushes(void **state)
{
	char *calls;

	(void)state;
	update(&away1, NULL);
	assert_false(queue_gate_in_force(queue, "mx1"));
	wait_called("postqueue -f", 1);
	assert_true(queue_gate_in_force(queue, "mx1"));
	calls = unit_read(in_bin("calls", NULL));
	assert_string_equal(calls, "postmap mx1 stopped-by-mailbrake \n"
	    "postqueue -f\n");
	free(calls);
	unit_says(events, "mx1: its gate is shut, after ");
	assert_true(strstr(events, "gate is shut") <
	    strstr(events, "flushing"));
}

static void
opens_before_it_releases(void **state)
{
	char *calls;

	(void)state;
	fill(400);
	update(&stopped1, NULL);
	wait_said("mx1: its gate is shut");
	update(&sending1, NULL);
	wait_called("postqueue -i", 100);
	calls = unit_read(in_bin("calls", NULL));
	assert_int_equal(strncmp(calls, "postmap mx1 stopped-by-mailbrake \n"
	    "postmap \npostqueue -j\npostqueue -i M00", 68), 0);
	/* The oldest, each once. */
	unit_says(calls, "postqueue -i M0099\n");
	unit_says_not(calls, "postqueue -i M0100\n");
	free(calls);
	assert_int_equal(queue_waiting(queue, "mx1"), 400);
	pass_ms(300);
	assert_int_equal(called("postqueue -i"), 100);
}

static void
waits_for_a_gate_that_cannot_be_shut(void **state)
{
	(void)state;
	in_bin("behave", "exit 1");
	update(&away1, NULL);
	pass_ms(2500);
	assert_int_equal(called("postqueue"), 0);
	unit_says(queue_gate_error(queue), "postmap: status 1");
	in_bin("behave", "");
	wait_called("postqueue -f", 1);
}

static void
one_flush_is_for_all(void **state)
{
	(void)state;
	update(&away1, &away2);
	wait_called("postqueue -f", 1);
	wait_said("mx2: its gate is shut and its mail");
	wait_said("mx1: its gate is shut and its mail");
	pass_ms(300);
	assert_int_equal(called("postqueue -f"), 1);
}

static void
works_for_one_after_the_other(void **state)
{
	(void)state;
	fill(50);
	in_bin("behave", "[ \"$1\" != -j ] || sleep 0.2");
	update(&sending1, &sending2);
	/* A flush would let go what the other has not counted yet. */
	wait_called("postqueue -i", 50);
	assert_int_equal(called("postqueue -f"), 0);
	wait_called("postqueue -f", 1);
	assert_int_equal(called("postqueue -j"), 2);
	unit_says(events, "mx1: letting the last 50 waiting messages go");
	unit_says(events, "mx2: the last 50 waiting messages: flushing");
}

/* mx2 finds another way while mx1 comes back in portions: a flush for the one
 * would let go all that the other has. */
static void
lets_go_what_is_its_own(void **state)
{
	char *calls;

	(void)state;
	known = true;
	fill_for(400, 30);
	update(&probation1, &stopped2);
	wait_called("postqueue -i", 10);
	in_bin("calls", "");
	update(&probation1, &away2);
	wait_said("mx2: its mail has another way out: letting 30 of 30");
	wait_called("postqueue -i", 30);
	pass_ms(200);
	calls = unit_read(in_bin("calls", NULL));
	unit_says(calls, "postqueue -i M0400\n");
	unit_says(calls, "postqueue -i M0429\n");
	unit_says_not(calls, "postqueue -i M0399\n");
	unit_says_not(calls, "postqueue -f");
	free(calls);
	assert_int_equal(called("postqueue -i"), 30);
	assert_int_equal(queue_waiting(queue, "mx1"), 390);
}

/* Where nobody knows whose it is, it waits for those who come back. */
static void
leaves_what_may_be_anothers(void **state)
{
	(void)state;
	fill_for(400, 30);
	update(&probation1, &stopped2);
	wait_called("postqueue -i", 10);
	in_bin("calls", "");
	update(&probation1, &away2);
	wait_called("postqueue -j", 1);
	pass_ms(300);
	assert_int_equal(called("postqueue -i"), 0);
	assert_int_equal(called("postqueue -f"), 0);
}

/* One that was never stopped has its own all the same, after a restart. */
static void
finds_its_own_beside_one_that_is_stopped(void **state)
{
	(void)state;
	known = true;
	fill_for(20, 30);
	update(&sending1, &stopped2);
	wait_called("postqueue -j", 1);
	pass_ms(200);
	assert_int_equal(queue_waiting(queue, "mx1"), 20);
}

/* --- changes in the middle ------------------------------------------------------ */

static void
stops_releasing_at_once(void **state)
{
	int n;

	(void)state;
	fill(400);
	in_bin("behave", "[ \"$1\" != -i ] || sleep 0.05");
	update(&sending1, NULL);
	wait_called("postqueue -i", 10);
	update(&stopped1, NULL);
	n = called("postqueue -i");
	wait_said("mx1: its gate is shut");
	pass_ms(300);
	/* Those that were being started. */
	assert_in_range(called("postqueue -i"), n, n + 2);
	/* Probation begins anew, with canaries. */
	in_bin("calls", "");
	in_bin("behave", "");
	update(&probation1, NULL);
	wait_called("postqueue -i", 10);
	pass_ms(100);
	assert_int_equal(called("postqueue -i"), 10);
	unit_says(events, "probation: letting 10 of 400 waiting messages go");
}

static void
forgets_who_is_gone(void **state)
{
	(void)state;
	in_bin("behave", "[ \"$1\" != -j ] || sleep 60");
	update(&stopped1, &sending2);
	wait_said("mx1: its gate is shut");
	wait_called("postqueue -j", 1);
	/* In the middle of its listing; and its gate does not stay shut. */
	update(NULL, NULL);
	wait_said("mx1: its gate is open");
	assert_int_equal(queue_waiting(queue, "mx2"), -1);
	update(&away1, NULL);
	wait_called("postqueue -f", 1);
}

static void
changes_of_others_do_not_disturb(void **state)
{
	(void)state;
	fill(400);
	in_bin("behave", "[ \"$1\" != -i ] || sleep 0.02");
	update(&sending1, &sending2);
	wait_called("postqueue -i", 5);
	update(&sending1, &stopped2);
	wait_said("mx2: its gate is shut");
	update(&sending1, &away2);
	wait_called("postqueue -i", 100);
	assert_int_equal(count(events, "mx1: letting 100 of 400"), 1);
}

static void
is_quiet_while_postfix_is_away(void **state)
{
	(void)state;
	in_bin("behave", "[ \"$1\" != -j ] || { echo 'postqueue: fatal: Queue "
	    "report unavailable - mail system is down' >&2; exit 69; }");
	update(&sending1, NULL);
	wait_called("postqueue -j", 1);
	pass_ms(100);
	assert_string_equal(events, "");
	assert_string_equal(queue_error(queue), "");
}

static void
says_what_it_cannot_do(void **state)
{
	(void)state;
	update(&sending1, NULL);
	wait_called("postqueue -j", 1);
	in_bin("behave", "[ \"${0##*/}\" = postmap ] || { echo 'Connect to "
	    "the Postfix showq service: Permission denied' >&2; exit 69; }");
	update(&probation1, NULL);
	wait_said("group postdrop");
	unit_says(queue_error(queue), "Permission denied");
	assert_int_equal(count(events, "cannot be worked on"), 1);
}

/* --- only watching ---------------------------------------------------------------- */

static void
observes(void **state)
{
	(void)state;
	queue_free(queue);
	open_queue(true);
	update(&away1, NULL);
	pass_ms(2500);
	assert_string_equal(events, "mx1: observe mode: its gate would be "
	    "shut now and the queue flushed\n");
	update(&away1, NULL);
	update(&sending1, NULL);
	pass_ms(100);
	assert_string_equal(strchr(events, '\n') + 1, "mx1: observe mode: its "
	    "gate would be opened now and what waits let go in portions\n");
	/* The table is there, and open. */
	assert_int_equal(called("postmap"), 1);
	assert_int_equal(called("stopped"), 0);
	assert_int_equal(called("postqueue"), 0);
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	old_path = xstrdup(getenv("PATH"));
	unit_around(open_place, close_place);
	unit_claim("a stop: the gate first, the flush when it is in force",
	    shuts_before_it_flushes);
	unit_claim("the way back: the gate first, then the oldest messages",
	    opens_before_it_releases);
	unit_claim("a gate that cannot be shut: no flush before it is",
	    waits_for_a_gate_that_cannot_be_shut);
	unit_claim("one flush is for all who want one",
	    one_flush_is_for_all);
	unit_claim("one queue command at a time, and everybody's turn comes",
	    works_for_one_after_the_other);
	unit_claim("a flush for one, portions for another: only its own go",
	    lets_go_what_is_its_own);
	unit_claim("... and nothing of which that is not known",
	    leaves_what_may_be_anothers);
	unit_claim("what is known to be its own is counted beside others'",
	    finds_its_own_beside_one_that_is_stopped);
	unit_claim("stopped again: a portion under way is broken off",
	    stops_releasing_at_once);
	unit_claim("an egress that is gone: its gate opens, its work ends",
	    forgets_who_is_gone);
	unit_claim("what others do does not disturb a portion",
	    changes_of_others_do_not_disturb);
	unit_claim("Postfix away for a while is no event",
	    is_quiet_while_postfix_is_away);
	unit_claim("what cannot be done is an event, once",
	    says_what_it_cannot_do);
	unit_claim("observe mode: said once for each change, nothing is done",
	    observes);
	return unit_run("queue");
}
