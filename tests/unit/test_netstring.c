/*
 * test_netstring.c - requests of the socketmap protocol
 *
 * Every row is read whole, cut in two at every byte, and byte by byte: it
 * must be understood alike, however it arrives.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "front/netstring.h"
#include "unit.h"

/* A string with its length, for NUL bytes. */
#define BYTES(s)	s, sizeof(s) - 1

struct row {
	const char	*claim;
	const char	*text;
	size_t		 len;
	enum netstring_result result;
	const char	*name, *key;	/* READY */
	size_t		 key_len;
	size_t		 used;
	const char	*why;		/* MALFORMED */
	size_t		 seen_at;	/* bytes that suffice to tell */
};

#define READY(claim, text, name, key, used) \
	{ claim, BYTES(text), NETSTRING_READY, name, BYTES(key), used, \
	    NULL, used }
#define WRONG(claim, text, why, seen_at) \
	{ claim, BYTES(text), NETSTRING_MALFORMED, NULL, NULL, 0, 0, why, \
	    seen_at }
#define MORE(claim, text) \
	{ claim, BYTES(text), NETSTRING_MORE, NULL, NULL, 0, 0, NULL, 0 }

#define NO_NUMBER	"a length that is not a number"
#define ZERO		"a length with a leading zero"
#define TOO_LONG	"a request of more than 100000 bytes"
#define NO_COMMA	"a request without \",\" where it should end"
#define EMPTY		"an empty request"
#define NUL		"a NUL byte"
#define CONTROL		"a control character"
#define NO_KEY		"the name of a map without a key"
#define NO_NAME		"a key without the name of a map"

static const struct row rows[] = {
	READY("a map and a key", "17:route a@s.example,", "route",
	    "a@s.example", 21),
	READY("one letter each", "3:r a,", "r", "a", 6),
	READY("a key may have spaces", "16:route \"a b\"@c.de,", "route",
	    "\"a b\"@c.de", 20),
	READY("a key may begin with a space", "4:r  a,", "r", " a", 7),
	READY("a key may be empty", "2:r ,", "r", "", 5),
	READY("a key may hold commas and colons", "8:r 1:a,b,,", "r",
	    "1:a,b,", 11),
	READY("a key may hold bytes outside ASCII",
	    "8:r j\xc3\xbcrg\x91,", "r", "j\xc3\xbcrg\x91", 11),
	READY("the key's case stays", "7:R BoB@X,", "R", "BoB@X", 10),
	READY("what follows the comma is the next request's",
	    "3:r a,3:r b,", "r", "a", 6),
	READY("even when that is nonsense", "3:r a,\0\0\n", "r", "a", 6),

	MORE("nothing", ""),
	MORE("half a length", "1"),
	MORE("the longest length", "100000"),
	MORE("a length and its colon", "5:"),
	MORE("a length and half the text", "5:ab"),
	MORE("all but the comma", "5:ab cd"),
	MORE("a zero may be a length", "0"),
	MORE("an empty text without its comma", "0:"),

	WRONG("no length", ":r a,", NO_NUMBER, 1),
	WRONG("letters for a length", "GET / HTTP/1.1\r\n", NO_NUMBER, 1),
	WRONG("a negative length", "-1:r a,", NO_NUMBER, 1),
	WRONG("a length with a sign", "+3:r a,", NO_NUMBER, 1),
	WRONG("a space before the length", " 3:r a,", NO_NUMBER, 1),
	WRONG("a space behind the length", "3 :r a,", NO_NUMBER, 2),
	WRONG("a line end before the length", "\n3:r a,", NO_NUMBER, 1),
	WRONG("a hexadecimal length", "0x3:r a,", NO_NUMBER, 2),
	WRONG("a NUL in the length", "1\0:r a,", NO_NUMBER, 2),
	WRONG("a byte outside ASCII for a length", "\xb2:r a,", NO_NUMBER, 1),
	WRONG("a leading zero", "03:r a,", ZERO, 2),
	WRONG("nothing but zeros", "00:,", ZERO, 2),
	WRONG("one byte too many", "100001", TOO_LONG, 6),
	WRONG("a digit too many", "1000000:", TOO_LONG, 7),
	WRONG("more than a number can hold",
	    "99999999999999999999999999:r a,", TOO_LONG, 6),
	WRONG("a text that is longer than its length", "3:r ab,", NO_COMMA,
	    6),
	WRONG("a text that is shorter than its length", "5:r a,4:", NO_COMMA,
	    8),
	WRONG("a line end for a comma", "3:r a\n", NO_COMMA, 6),
	WRONG("an empty text", "0:,", EMPTY, 3),
	WRONG("an empty text and no comma", "0:r", NO_COMMA, 3),
	WRONG("a NUL in the key", "5:r a\0b,", NUL, 8),
	WRONG("a NUL in the name", "5:r\0 ab,", NUL, 8),
	WRONG("a NUL for the space", "3:r\0a,", NUL, 6),
	WRONG("a line end in the key", "5:r a\nb,", CONTROL, 8),
	WRONG("a tab for the space", "3:r\ta,", CONTROL, 6),
	WRONG("an escape in the name", "5:\033r ab,", CONTROL, 8),
	WRONG("a delete in the key", "5:r a\x7f" "b,", CONTROL, 8),
	WRONG("no space", "5:route,", NO_KEY, 8),
	WRONG("no name", "2: a,", NO_NAME, 5),
	WRONG("nothing but a space", "1: ,", NO_NAME, 4),
};

/* What has arrived, in a buffer of exactly that size, so that a sanitizer
 * sees a step beyond it. */
static char *
arrived(const char *text, size_t len)
{
	char *buf = malloc(len > 0 ? len : 1);

	assert_non_null(buf);
	memcpy(buf, text, len);
	return buf;
}

/* All but the last part must not settle it before it can be told. */
static void
read_in_parts(const struct row *row, const size_t *ends, size_t count)
{
	struct netstring_parser parser = { 0 };
	struct netstring_request req;
	enum netstring_result rv, wanted;
	size_t used, i;
	const char *why;
	char *buf;

	for (i = 0; i < count; i++) {
		buf = arrived(row->text, ends[i]);
		rv = netstring_read(&parser, buf, ends[i], &req, &used, &why);
		wanted = row->result != NETSTRING_MORE &&
		    ends[i] < row->seen_at ? NETSTRING_MORE : row->result;
		assert_int_equal(rv, wanted);
		assert_int_equal(used, rv == NETSTRING_READY ? row->used : 0);
		if (rv == NETSTRING_MALFORMED) {
			assert_string_equal(why, row->why);
		} else {
			assert_null(why);
		}
		if (rv == NETSTRING_READY) {
			assert_string_equal(req.name, row->name);
			assert_int_equal(req.key_len, row->key_len);
			assert_int_equal(strlen(req.key), row->key_len);
			assert_memory_equal(req.key, row->key, row->key_len);
		}
		free(buf);
		if (rv != NETSTRING_MORE)
			return;
	}
}

static void
test_row(void **state)
{
	const struct row *row = *state;
	size_t ends[64], i;

	assert_true(row->len < COUNT(ends));
	for (i = 0; i <= row->len; i++) {
		ends[0] = i;
		ends[1] = row->len;
		read_in_parts(row, ends, 2);
	}
	for (i = 0; i <= row->len; i++)
		ends[i] = i;
	read_in_parts(row, ends, row->len + 1);
}

static void
test_the_longest_request(void **state)
{
	static char text[NETSTRING_WHOLE];
	struct netstring_parser parser = { 0 };
	struct netstring_request req;
	const char *why;
	size_t used;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "100000:r ", 9);
	text[sizeof(text) - 1] = ',';
	assert_int_equal(netstring_read(&parser, text, sizeof(text) - 1, &req,
	    &used, &why), NETSTRING_MORE);
	assert_int_equal(netstring_read(&parser, text, sizeof(text), &req,
	    &used, &why), NETSTRING_READY);
	assert_int_equal(used, sizeof(text));
	assert_int_equal(req.key_len, NETSTRING_MAX - 2);
	assert_int_equal(strlen(req.key), NETSTRING_MAX - 2);
}

static void
test_a_frame(void **state)
{
	static const struct {
		size_t		 len;
		const char	*head;
	} frames[] = {
		{ 0, "0:" }, { 1, "1:" }, { 9, "9:" }, { 10, "10:" },
		{ 4096, "4096:" }, { 99999, "99999:" },
		{ NETSTRING_MAX, "100000:" },
	};
	size_t i, total, head_len;
	char *room, *begin;

	(void)state;
	for (i = 0; i < COUNT(frames); i++) {
		room = malloc(NETSTRING_HEAD + frames[i].len + 1);
		assert_non_null(room);
		memset(room, '#', NETSTRING_HEAD + frames[i].len + 1);
		memset(room + NETSTRING_HEAD, 'x', frames[i].len);
		begin = netstring_frame(room, frames[i].len, &total);
		head_len = strlen(frames[i].head);
		assert_int_equal(total, head_len + frames[i].len + 1);
		assert_ptr_equal(begin, room + NETSTRING_HEAD - head_len);
		assert_memory_equal(begin, frames[i].head, head_len);
		assert_int_equal(begin[total - 1], ',');
		assert_true(frames[i].len == 0 || begin[total - 2] == 'x');
		free(room);
	}
}

static void
test_what_is_framed_is_read(void **state)
{
	struct netstring_parser parser = { 0 };
	struct netstring_request req;
	char room[64], *begin;
	const char *why;
	size_t total, used;

	(void)state;
	strcpy(room + NETSTRING_HEAD, "gate-mx1 [192.0.2.1]:25");
	begin = netstring_frame(room, strlen(room + NETSTRING_HEAD), &total);
	assert_int_equal(netstring_read(&parser, begin, total, &req, &used,
	    &why), NETSTRING_READY);
	assert_string_equal(req.name, "gate-mx1");
	assert_string_equal(req.key, "[192.0.2.1]:25");
	assert_int_equal(used, total);
}

int
main(void)
{
	unit_rows(rows, test_row);
	unit_claim("the longest request", test_the_longest_request);
	unit_claim("a text is framed in place", test_a_frame);
	unit_claim("what is framed can be read", test_what_is_framed_is_read);
	return unit_run("netstring");
}
