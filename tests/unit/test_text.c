/*
 * test_text.c - strings from people and from the network
 */
#include "unit.h"

#include <string.h>

#include "base/text.h"

/* --- text_clean --------------------------------------------------------- */

#define IN(s)	s, sizeof(s) - 1

static const struct clean_row {
	const char	*claim;
	const char	*in;
	size_t		 len;
	size_t		 room;		/* of dst, with the NUL */
	const char	*out;
} clean_rows[] = {
	{ "plain text stays", IN("see https://a.example/?ip=1"), 64,
	    "see https://a.example/?ip=1" },
	{ "empty stays", IN(""), 64, "" },
	{ "a line end is a space: no second line", IN("one\r\ntwo"), 64,
	    "one two" },
	{ "runs of white space are one space", IN("a \t\v\f  b"), 64, "a b" },
	{ "space at the ends goes", IN("  a  "), 64, "a" },
	{ "nothing but space is empty", IN(" \n\t "), 64, "" },
	{ "escape sequences are harmless", IN("\033[31mred\033[0m"), 64,
	    "?[31mred?[0m" },
	{ "a NUL does not end it", IN("a\0b"), 64, "a?b" },
	{ "DEL is no text", IN("a\177b"), 64, "a?b" },
	{ "bytes outside ASCII are marked, each", IN("J\xc3\xbcrg"), 64,
	    "J??rg" },
	{ "an 8-bit CSI is harmless", IN("\x9b" "31m"), 64, "?31m" },
	{ "percent signs stay as they are", IN("%s%n"), 64, "%s%n" },
	{ "what just fits is whole", IN("12345"), 6, "12345" },
	{ "what does not ends in dots", IN("123456"), 6, "12..." },
	{ "space after what just fits is no loss", IN("12345 \n"), 6,
	    "12345" },
	{ "a word after what just fits is a loss", IN("12345 6"), 6,
	    "12..." },
	{ "no room for dots: cut", IN("123"), 3, "12" },
	{ "room for the end only", IN("123"), 1, "" },
};

static void
test_clean(void **state)
{
	const struct clean_row *r = *state;
	char buf[128];

	memset(buf, '#', sizeof(buf));
	assert_ptr_equal(text_clean(buf, r->room, r->in, r->len), buf);
	assert_string_equal(buf, r->out);
	assert_int_equal(buf[r->room], '#');	/* not a byte beyond */
}

static void
test_clean_every_byte(void **state)
{
	char in[256], out[300];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(in); i++)
		in[i] = (char)i;
	text_clean(out, sizeof(out), in, sizeof(in));
	for (i = 0; out[i] != '\0'; i++)
		assert_in_range(out[i], ' ', '~');
}

static void
test_clean_any_room(void **state)
{
	char out[64];
	size_t room;

	(void)state;
	for (room = 1; room < sizeof(out); room++) {
		memset(out, '#', sizeof(out));
		text_clean(out, room, IN("a  bb  ccc  dddd  eeeee  ffffff "));
		assert_true(strlen(out) < room);
		assert_int_equal(out[room], '#');
	}
}

static void
test_copy(void **state)
{
	char buf[6];

	(void)state;
	assert_string_equal(text_copy(buf, sizeof(buf), "12345"), "12345");
	assert_string_equal(text_copy(buf, sizeof(buf), "123456"), "12345");
	assert_string_equal(text_copy(buf, 1, "x"), "");
}

/* --- text_nearest ------------------------------------------------------- */

static const char *const names[] = {
	"egress", "pools", "routes", "domains", "resolvers", "timeout",
	"tries", "stop", "resume", "state_file",
};

static const struct near_row {
	const char	*claim;
	const char	*word;
	const char	*near;
} near_rows[] = {
	{ "the word itself", "pools", "pools" },
	{ "a letter too few", "pols", "pools" },
	{ "a letter too many", "egresss", "egress" },
	{ "a wrong letter", "rezume", "resume" },
	{ "two neighbours swapped", "timeuot", "timeout" },
	{ "the singular", "resolver", "resolvers" },
	{ "the nearest of several", "stops", "stop" },
	{ "a dash for an underscore", "state-file", "state_file" },
	{ "nothing alike is none", "colour", NULL },
	{ "a short word is not stretched", "x", NULL },
	{ "empty is none", "", NULL },
	{ "longer than any setting is none",
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	    NULL },
};

static void
test_near(void **state)
{
	const struct near_row *r = *state;
	const char *near = text_nearest(r->word, names, COUNT(names));

	if (r->near == NULL)
		assert_null(near);
	else
		assert_string_equal(near != NULL ? near : "(none)", r->near);
}

static void
test_near_nothing(void **state)
{
	(void)state;
	assert_null(text_nearest("pools", names, 0));
}

/* --- mailboxes ---------------------------------------------------------- */

static const struct domain_row {
	const char	*claim;
	const char	*mailbox;
	const char	*domain;
} domain_rows[] = {
	{ "a mailbox has one", "ann@example.org", "example.org" },
	{ "what follows the last @ counts", "\"a@b\"@example.org",
	    "example.org" },
	{ "a bare name has none", "root", NULL },
	{ "the null sender has none", "", NULL },
	{ "the null sender in brackets has none", "<>", NULL },
	{ "nothing after the @ is none", "ann@", NULL },
	{ "not known has none", NULL, NULL },
};

static void
test_domain(void **state)
{
	const struct domain_row *r = *state;
	const char *domain = text_domain(r->mailbox);

	if (r->domain == NULL)
		assert_null(domain);
	else
		assert_string_equal(domain, r->domain);
}

static void
test_same(void **state)
{
	(void)state;
	assert_true(text_same("MX1", "mx1"));
	assert_false(text_same("mx1", "mx11"));
	assert_true(text_same(NULL, NULL));
	assert_false(text_same(NULL, ""));
	assert_false(text_same("", NULL));
}

int
main(void)
{
	unit_rows(clean_rows, test_clean);
	unit_claim("no byte of 256 gets through unprintable",
	    test_clean_every_byte);
	unit_claim("no room is too small or overrun", test_clean_any_room);
	unit_claim("copies are cut and terminated", test_copy);
	unit_rows(near_rows, test_near);
	unit_claim("nothing is near to nothing", test_near_nothing);
	unit_rows(domain_rows, test_domain);
	unit_claim("equal without regard to case, NULL only to itself",
	    test_same);
	return unit_run("text");
}
