/*
 * test_setup.c - the plan of `mailbrake setup`, and the file of old values
 */
#include "unit.h"

#include <sys/stat.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "conf/config.h"
#include "ctl/setup_plan.h"
#include "ctl/setup_undo.h"

#define SPOOL	"/var/spool/postfix"
#define GATE	"/var/lib/mailbrake/gate"
#define SERVICES \
	"smtp       inet  n       -       n       -       -       smtpd\n" \
	"cleanup    unix  n       -       n       -       0       cleanup\n" \
	"rewrite    unix  -       -       n       -       -       " \
	"trivial-rewrite\n" \
	"smtp       unix  -       -       n       -       -       smtp\n" \
	"relay      unix  -       -       n       -       -       smtp\n"
#define SETTINGS \
	"compatibility_level = 3.6\n" \
	"inet_interfaces = all\n" \
	"inet_protocols = all\n" \
	"queue_directory = " SPOOL "\n" \
	"smtp_bind_address_enforce = no\n" \
	"smtp_connection_cache_on_demand = yes\n" \
	"smtp_helo_name = mx1.example.org\n"
#define LISTEN	"gate_file = \"" GATE "\";\n" \
	"listen = { milter = \"unix:" SPOOL "/mailbrake/milter.sock\";\n" \
	"  socketmap = \"unix:" SPOOL "/mailbrake/map.sock\"; };\n"
#define ONE	"egress = ( { name = \"mx1\"; addresses = [\"203.0.113.7\"]; " \
	"} );\n" LISTEN
#define TWO	"egress = ( { name = \"mx1\"; addresses = [\"203.0.113.7\"]; " \
	"},\n  { name = \"mx2\"; addresses = [\"203.0.113.8\"]; } );\n" LISTEN

static const struct row {
	const char	*claim, *conf;
	const char	*overrides, *settings;
	struct plan_ask	 ask;
	const char	*has;		/* a command, NULL: none of it */
	const char	*lacks;
} rows[] = {
	{ "one egress is gated in main.cf, for all services at once", ONE,
	    .has = "-e smtp_tls_policy_maps=pipemap:{static:mx1, hash:" GATE
	    "}", .lacks = "-P" },
	{ "its address is left as it is", ONE, .has = "-e "
	    "smtp_connection_cache_on_demand=no", .lacks = "bind_address" },
	{ "a service's own policy hides main.cf", ONE, .overrides =
	    "relay/unix/smtp_tls_policy_maps = hash:/etc/tls\n",
	    .has = "-P relay/unix/smtp_tls_policy_maps=pipemap:{static:mx1,"
	    "hash:" GATE "},hash:/etc/tls" },
	{ "a gate that is there is not set again", ONE, .settings =
	    "smtp_tls_policy_maps = pipemap:{static:mx1,hash:" GATE "}\n",
	    .lacks = "smtp_tls_policy_maps" },
	{ "an old gate goes, the site's table stays", ONE, .settings =
	    "smtp_tls_policy_maps = hash:/a, pipemap:{static:mx9,hash:" GATE
	    "}, hash:/b\n", .has = "-e smtp_tls_policy_maps=pipemap:{"
	    "static:mx1, hash:" GATE "}, hash:/a, hash:/b" },
	{ "the gate may be the socketmap", ONE,
	    .ask = { .gate = WIRING_GATE_SOCKETMAP },
	    .has = "-e smtp_tls_policy_maps=socketmap:unix:mailbrake/"
	    "map.sock:gate-mx1" },
	{ "a site's blanks go to main.cf", TWO, .settings =
	    "smtp_tls_policy_maps = inline:{{a = b}}\n",
	    .has = "-P mx2/unix/smtp_tls_policy_maps="
	    "$mailbrake_mx2_smtp_tls_policy_maps" },
	{ "and are not touched there", TWO, .settings =
	    "smtp_tls_policy_maps = inline:{{a = b}}\n",
	    .has = "-e mailbrake_mx2_smtp_tls_policy_maps=pipemap:{"
	    "static:mx2,hash:" GATE "}, inline:{{a = b}}" },
	{ "a second egress gets a transport", TWO,
	    .has = "-M mx2/unix=mx2 unix - - n - - smtp" },
	{ "with its address", TWO,
	    .has = "-P mx2/unix/smtp_bind_address=203.0.113.8" },
	{ "without IPv6, which it has not", TWO,
	    .has = "-P mx2/unix/inet_protocols=ipv4" },
	{ "unless that would keep smtp(8) from starting", TWO,
	    .settings = "inet_interfaces = 127.0.0.1, [::1]\n",
	    .lacks = "inet_protocols" },
	{ "the route stands alone where there is no table", TWO,
	    .has = "-e sender_dependent_default_transport_maps="
	    "socketmap:unix:mailbrake/map.sock:route" },
	{ "each table of the site gets a filter behind it", TWO, .settings =
	    "sender_dependent_default_transport_maps = hash:/a, hash:/b\n",
	    .has = "maps=pipemap:{hash:/a, socketmap:unix:mailbrake/map.sock"
	    ":filter}, pipemap:{hash:/b, socketmap:unix:mailbrake/map.sock:"
	    "filter}" },
	{ "what the route needs is made", TWO,
	    .has = "-M retry/unix=retry unix - - - - - error" },
	{ "the milter stands before others", ONE,
	    .settings = "smtpd_milters = inet:127.0.0.1:8891\n",
	    .has = "-e smtpd_milters={ unix:mailbrake/milter.sock, "
	    "connect_timeout=3s, command_timeout=5s, content_timeout=10s, "
	    "default_action=accept }, inet:127.0.0.1:8891" },
	{ "fail-closed puts SMTP off", ONE, .ask = { .fail_closed = true },
	    .has = "-e smtpd_milters={ unix:mailbrake/milter.sock, "
	    "connect_timeout=3s, command_timeout=5s, content_timeout=10s, "
	    "default_action=tempfail }" },
	{ "but never mail of sendmail(1)", ONE,
	    .ask = { .fail_closed = true }, .has = "-e non_smtpd_milters={ "
	    "unix:mailbrake/milter.sock, connect_timeout=3s, "
	    "command_timeout=5s, content_timeout=10s, default_action=accept "
	    "}" },
	{ "a milter that is there stays as the operator has it", ONE,
	    .settings = "smtpd_milters = { unix:mailbrake/milter.sock, "
	    "default_action=tempfail }\n"
	    "non_smtpd_milters = unix:mailbrake/milter.sock\n",
	    .lacks = "smtpd_milters" },
	{ "unless asked for otherwise", ONE, .settings = "smtpd_milters = "
	    "inet:[::1]:1, { unix:mailbrake/milter.sock, "
	    "default_action=tempfail }\n", .ask = { .fail_open = true },
	    .has = "default_action=accept }, inet:[::1]:1\n" },
};

/* All commands, one a line. */
static char *
commands(const struct row *r)
{
	struct config *c = unit_config(r->conf);
	struct wiring_want want = { .policy = c->policy,
	    .gate_file = c->gate_file, .milter = c->milter,
	    .policy_service = c->policy_service, .socketmap = c->socketmap };
	char *settings = xasprintf("%s" SETTINGS, r->settings != NULL ?
	    r->settings : "");
	struct wiring *w = wiring_parse(SERVICES, r->overrides != NULL ?
	    r->overrides : "", settings);
	struct plan plan;
	char *all = xstrdup(""), *more, *argument;
	const char *option;
	size_t i;

	/* Without $names what goes by and what is written are the same. */
	plan_make(w, w, &want, &r->ask, &plan);
	for (i = 0; i < plan.count; i++) {
		assert_true(plan.v[i].why[0] != '\0');
		change_command(&plan.v[i], &option, &argument);
		more = xasprintf("%s%s %s\n", all, option, argument);
		free(all);
		free(argument);
		all = more;
	}
	assert_int_equal(plan.block_count, 0);
	plan_free(&plan);
	wiring_free(w);
	free(settings);
	config_free(c);
	return all;
}

static void
test_row(void **state)
{
	const struct row *r = *state;
	char *all = commands(r);

	if (r->has != NULL)
		unit_says(all, r->has);
	if (r->lacks != NULL)
		unit_says_not(all, r->lacks);
	free(all);
}

/* --- words of the shell ------------------------------------------------- */

static void
test_quote(void **state)
{
	static const char *const words[][2] = {
		{ "a=b/c:d,e", "a=b/c:d,e" },
		{ "", "''" },
		{ "{ a }", "'{ a }'" },
		{ "$HOME `x` \\ \"y\"", "'$HOME `x` \\ \"y\"'" },
		{ "it's", "'it'\\''s'" },
		{ "a\nb", "'a\nb'" },
		{ "!", "'!'" },
		{ "~", "'~'" },
	};
	char *quoted;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(words); i++) {
		quoted = shell_quote(words[i][0]);
		assert_string_equal(quoted, words[i][1]);
		free(quoted);
	}
}

/* --- old values --------------------------------------------------------- */

static struct undo
example(void)
{
	struct undo u = { .directory = xstrdup("/etc/postfix") };

	undo_add(&u, CHANGE_SERVICE, "mx2/unix", NULL, NULL, "mx2 unix - -");
	undo_add(&u, CHANGE_MAIN, NULL, "smtp_tls_policy_maps",
	    "inline:{ {a = b} }", "pipemap:{x}");
	undo_add(&u, CHANGE_MAIN, NULL, "smtpd_milters", "", "unix:m");
	undo_add(&u, CHANGE_OVERRIDE, "[::1]:25/inet", "smtpd_milters", NULL,
	    "unix:m");
	return u;
}

static void
same(const struct undo *a, const struct undo *b)
{
	char *ta = undo_text(a), *tb = undo_text(b);

	assert_string_equal(ta, tb);
	free(ta);
	free(tb);
}

static void
test_undo_text(void **state)
{
	struct undo u = example(), read = { 0 };
	char *text = undo_text(&u);

	(void)state;
	unit_says(text, "\nmain smtpd_milters\n\twas \n\tnow unix:m\n");
	unit_says(text, "\nservice mx2/unix\n\tnot set before\n");
	assert_null(undo_parse(text, &read));
	assert_int_equal(read.count, 4);
	assert_null(read.v[0].was);
	assert_string_equal(read.v[2].was, "");
	assert_string_equal(read.v[3].service, "[::1]:25/inet");
	same(&u, &read);
	free(text);
	undo_free(&u);
	undo_free(&read);
}

static void
test_undo_keeps_the_first(void **state)
{
	struct undo u = example();

	(void)state;
	undo_add(&u, CHANGE_MAIN, NULL, "smtp_tls_policy_maps", "pipemap:{x}",
	    "pipemap:{y}");
	assert_int_equal(u.count, 4);
	assert_string_equal(u.v[1].was, "inline:{ {a = b} }");
	assert_string_equal(u.v[1].now, "pipemap:{y}");
	undo_free(&u);
}

static void
test_undo_odd(void **state)
{
	static const char *const texts[] = {
		"", "main x\n\twas 1\n", "directory /e\nmain\n",
		"directory /e\noverride mx2/unix\n",
		"directory /e\nmain a b\n", "directory /e\nalias x\n",
		"directory /e\n\twas 1\n",
		"directory /e\nmain x\n\twas 1\n\twas 2\n",
		"directory /e\nmain x\n\tperhaps 1\n",
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(texts); i++) {
		struct undo u = { 0 };

		assert_non_null(undo_parse(texts[i], &u));
		undo_free(&u);
	}
}

static void
test_undo_file(void **state)
{
	char *path = xasprintf("%s/undo", unit_dir()), *why;
	struct undo u = example(), read = { 0 };
	struct stat st;

	(void)state;
	assert_int_equal(undo_read(path, &read, &why), 0);
	assert_null(undo_write(path, &u));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(undo_read(path, &read, &why), 1);
	same(&u, &read);
	undo_free(&read);

	assert_int_equal(chmod(path, 0620), 0);
	assert_int_equal(undo_read(path, &read, &why), -1);
	unit_says(why, "somebody else could have written it");
	free(why);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(undo_read(path, &read, &why), -1);
	free(why);
	free(path);
	undo_free(&u);
}

static void
test_undo_path(void **state)
{
	char *path = undo_path("/var/lib/mailbrake/state", "/etc/postfix");

	(void)state;
	assert_string_equal(path, "/var/lib/mailbrake/undo-etc-postfix");
	free(path);
	path = undo_path("", "/etc/postfix-out");
	unit_says(path, "/undo-etc-postfix-out");
	free(path);
}

int
main(void)
{
	unit_rows(rows, test_row);
	unit_claim("what is shown can be pasted", test_quote);
	unit_claim("old values survive the file", test_undo_text);
	unit_claim("the first old value stays", test_undo_keeps_the_first);
	unit_claim("what is not understood is not undone", test_undo_odd);
	unit_claim("only our own file is believed", test_undo_file);
	unit_claim("each configuration has a file", test_undo_path);
	return unit_run("setup");
}
