/*
 * test_policy_request.c - requests of the Postfix policy protocol
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "front/policy_request.h"

#define ASK	"request=smtpd_access_policy\n"

/* What Postfix 3.7 sends for a recipient. */
#define POSTFIX \
	ASK \
	"protocol_state=RCPT\n" \
	"protocol_name=ESMTP\n" \
	"client_address=192.0.2.10\n" \
	"client_name=client.example\n" \
	"client_port=41234\n" \
	"reverse_client_name=client.example\n" \
	"server_address=192.0.2.1\n" \
	"server_port=587\n" \
	"helo_name=client.example\n" \
	"sender=ann@example.org\n" \
	"recipient=bob@example.net\n" \
	"recipient_count=0\n" \
	"queue_id=\n" \
	"instance=1a2b.5f000000.12345.0\n" \
	"size=1234\n" \
	"etrn_domain=\n" \
	"stress=\n" \
	"sasl_method=PLAIN\n" \
	"sasl_username=ann\n" \
	"sasl_sender=\n" \
	"ccert_subject=\n" \
	"policy_context=submission\n" \
	"\n"

#define MISSING	NULL

static const struct {
	const char	*claim;
	const char	*text;
	const char	*sender, *recipient, *account, *state;
} good[] = {
	{ "what Postfix sends is understood", POSTFIX,
	    "ann@example.org", "bob@example.net", "ann", "RCPT" },
	{ "an empty value is empty and not missing",
	    ASK "sender=\nrecipient=\n\n", "", "", MISSING, MISSING },
	{ "what is not sent is missing", ASK "\n",
	    MISSING, MISSING, MISSING, MISSING },
	{ "the order does not matter",
	    "recipient=b@b\nsasl_username=u\nsender=a@a\n" ASK "\n",
	    "a@a", "b@b", "u", MISSING },
	{ "of an attribute given twice the last counts",
	    ASK "sender=first\nsender=second\n\n",
	    "second", MISSING, MISSING, MISSING },
	{ "unknown attributes are ignored",
	    ASK "colour=blue\nsenders=x\nsende=x\nSENDER=x\nsender=a\n\n",
	    "a", MISSING, MISSING, MISSING },
	{ "a value may contain an equals sign",
	    ASK "sender=bounce=ann@a\n\n",
	    "bounce=ann@a", MISSING, MISSING, MISSING },
	{ "a value may contain bytes outside ASCII",
	    ASK "sender=j\xc3\xbcrg@a\n\n",
	    "j\xc3\xbcrg@a", MISSING, MISSING, MISSING },
	{ "spaces belong to the value",
	    ASK "sender= a \n\n", " a ", MISSING, MISSING, MISSING },
	{ "lines may end in CR LF",
	    "request=smtpd_access_policy\r\nsender=a@a\r\n\r\n",
	    "a@a", MISSING, MISSING, MISSING },
	{ "a CR inside a line belongs to the value",
	    ASK "sender=a\rb\n\n", "a\rb", MISSING, MISSING, MISSING },
	{ "what follows the empty line is the next request's",
	    ASK "sender=a\n\nsender=b\n", "a", MISSING, MISSING, MISSING },
};

static const struct {
	const char	*claim;
	const char	*text;
	size_t		 len;		/* 0: that of the string */
	const char	*why;
	size_t		 line;		/* where the complaint points */
} bad[] = {
	{ "a line without an equals sign", ASK "sender\n\n", 0,
	    "a line without \"=\"", sizeof(ASK) - 1 },
	{ "another protocol", "GET / HTTP/1.1\r\n\r\n", 0,
	    "a line without \"=\"", 0 },
	{ "an attribute without a name", ASK "=x\n\n", 0,
	    "an attribute without a name", sizeof(ASK) - 1 },
	{ "a NUL in a value", ASK "sender=a\0b\n\n", sizeof(ASK) + 11,
	    "a NUL byte", sizeof(ASK) - 1 },
	{ "a NUL in a name", ASK "sen\0der=a\n\n", sizeof(ASK) + 11,
	    "a NUL byte", sizeof(ASK) - 1 },
	{ "no request attribute", "sender=a\nrecipient=b\n\n", 0,
	    "no \"request\" attribute", 0 },
	{ "nothing at all before the empty line", "\n", 0,
	    "no \"request\" attribute", 0 },
	{ "a request for something else",
	    "request=junk_mail_policy\nsender=a\n\n", 0,
	    "a request that is not smtpd_access_policy", 0 },
	{ "a request for nothing", "request=\n\n", 0,
	    "a request that is not smtpd_access_policy", 0 },
	{ "a second request attribute for something else",
	    ASK "request=other\n\n", 0,
	    "a request that is not smtpd_access_policy", 0 },
};

static void
same(const char *claim, const char *got, const char *wanted)
{
	if (wanted == NULL ? got != NULL : got == NULL ||
	    strcmp(got, wanted) != 0)
		fail_msg("%s: \"%s\" instead of \"%s\"", claim,
		    got != NULL ? got : "(missing)",
		    wanted != NULL ? wanted : "(missing)");
}

/* Everything that was sent, in a buffer of exactly that size, so that a
 * sanitizer sees a step beyond it. */
static char *
arrived(const char *text, size_t len)
{
	char *buf = malloc(len > 0 ? len : 1);

	assert_non_null(buf);
	memcpy(buf, text, len);
	return buf;
}

static void
check_good(size_t i, const char *buf_text, size_t len, size_t first)
{
	struct policy_parser parser = { 0 };
	struct policy_request req;
	size_t used, end = len;
	const char *why, *blank;
	enum policy_result rv;
	char *buf = arrived(buf_text, len);

	/* Where the request ends, found by other means. */
	if ((blank = strstr(good[i].text, "\n\n")) != NULL)
		end = (size_t)(blank - good[i].text) + 2;

	rv = policy_request_read(&parser, buf, first, &req, &used, &why);
	if (first < end) {
		if (rv != POLICY_MORE)
			fail_msg("%s: not MORE after %zu bytes",
			    good[i].claim, first);
		rv = policy_request_read(&parser, buf, len, &req, &used,
		    &why);
	}
	if (rv != POLICY_READY)
		fail_msg("%s: split at %zu: %s", good[i].claim, first,
		    rv == POLICY_MORE ? "MORE" : why);
	assert_int_equal(used, end);
	same(good[i].claim, req.value[POLICY_SENDER], good[i].sender);
	same(good[i].claim, req.value[POLICY_RECIPIENT], good[i].recipient);
	same(good[i].claim, req.value[POLICY_SASL_USERNAME],
	    good[i].account);
	same(good[i].claim, req.value[POLICY_STATE], good[i].state);
	free(buf);
}

static void
test_good_requests_in_two_parts(void **state)
{
	size_t i, at, len;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		len = strlen(good[i].text);
		for (at = 0; at <= len; at++)
			check_good(i, good[i].text, len, at);
	}
}

static void
test_good_request_byte_by_byte(void **state)
{
	struct policy_parser parser = { 0 };
	struct policy_request req;
	enum policy_result rv = POLICY_MORE;
	size_t used, n, len = strlen(POSTFIX);
	const char *why;
	char *buf = NULL, *moved;

	(void)state;
	/* The buffer moves each time, as a growing one may. */
	for (n = 1; n <= len; n++) {
		moved = malloc(n);
		assert_non_null(moved);
		if (buf != NULL)
			memcpy(moved, buf, n - 1);
		moved[n - 1] = POSTFIX[n - 1];
		free(buf);
		buf = moved;
		rv = policy_request_read(&parser, buf, n, &req, &used, &why);
		assert_int_equal(rv, n < len ? POLICY_MORE : POLICY_READY);
	}
	assert_int_equal(used, len);
	same("byte by byte", req.value[POLICY_SENDER], "ann@example.org");
	free(buf);
}

static void
test_bad_requests_in_two_parts(void **state)
{
	struct policy_request req;
	enum policy_result rv;
	const char *why;
	size_t i, at, len, used;
	char *buf;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		len = bad[i].len != 0 ? bad[i].len : strlen(bad[i].text);
		for (at = 0; at <= len; at++) {
			struct policy_parser parser = { 0 };

			buf = arrived(bad[i].text, len);
			rv = policy_request_read(&parser, buf, at, &req,
			    &used, &why);
			if (rv == POLICY_MORE)
				rv = policy_request_read(&parser, buf, len,
				    &req, &used, &why);
			if (rv != POLICY_MALFORMED)
				fail_msg("%s: taken", bad[i].claim);
			assert_string_equal(why, bad[i].why);
			assert_int_equal(used, bad[i].line);
			free(buf);
		}
	}
}

/* A request of exactly len bytes, made up to that by one long value. */
static char *
long_request(size_t len)
{
	char *buf = malloc(len);
	size_t head = strlen(ASK "sender=");

	assert_non_null(buf);
	memset(buf, 'x', len);
	memcpy(buf, ASK "sender=", head);
	buf[len - 1] = buf[len - 2] = '\n';
	return buf;
}

static void
test_the_longest_request(void **state)
{
	struct policy_parser parser = { 0 };
	struct policy_request req;
	size_t used, len = POLICY_REQUEST_MAX;
	const char *why;
	char *buf = long_request(len);

	(void)state;
	assert_int_equal(policy_request_read(&parser, buf, len, &req, &used,
	    &why), POLICY_READY);
	assert_int_equal(used, len);
	assert_int_equal(strlen(req.value[POLICY_SENDER]),
	    len - strlen(ASK "sender=") - 2);
	free(buf);
}

static void
test_a_request_that_is_too_long(void **state)
{
	struct policy_request req;
	size_t used, first, len = POLICY_REQUEST_MAX + 1;
	const char *why;
	char *buf;

	(void)state;
	/* However it arrives, and whether or not its end has. */
	for (first = len - 2; first <= len; first++) {
		struct policy_parser parser = { 0 };
		enum policy_result rv;

		buf = long_request(len);
		rv = policy_request_read(&parser, buf, first, &req, &used,
		    &why);
		if (first == len - 2) {
			assert_int_equal(rv, POLICY_MORE);
			rv = policy_request_read(&parser, buf, len, &req,
			    &used, &why);
		}
		assert_int_equal(rv, POLICY_MALFORMED);
		assert_string_equal(why, "a request of more than 64 kB");
		free(buf);
	}
}

static enum policy_result
read_attributes(size_t count, const char **why)
{
	struct policy_parser parser = { 0 };
	struct policy_request req;
	enum policy_result rv;
	size_t i, used, len = 0;
	char *buf = malloc(POLICY_REQUEST_MAX);

	assert_non_null(buf);
	len += (size_t)sprintf(buf, ASK);
	for (i = 1; i < count; i++)
		len += (size_t)sprintf(buf + len, "a%zu=b\n", i);
	buf[len++] = '\n';
	rv = policy_request_read(&parser, buf, len, &req, &used, why);
	free(buf);
	return rv;
}

static void
test_the_number_of_attributes(void **state)
{
	const char *why;

	(void)state;
	assert_int_equal(read_attributes(POLICY_ATTRIBUTES_MAX, &why),
	    POLICY_READY);
	assert_int_equal(read_attributes(POLICY_ATTRIBUTES_MAX + 1, &why),
	    POLICY_MALFORMED);
	assert_string_equal(why, "too many attributes");
}

static void
test_pipelined_requests(void **state)
{
	static const char *const senders[] = { "a", "b", "c" };
	char text[] = ASK "sender=a\n\n" "sender=b\n" ASK "\n"
	    ASK "sender=c\n\n";
	struct policy_request req;
	size_t i, used, at = 0, len = strlen(text);
	const char *why;

	(void)state;
	for (i = 0; i < 3; i++) {
		struct policy_parser parser = { 0 };

		assert_int_equal(policy_request_read(&parser, text + at,
		    len - at, &req, &used, &why), POLICY_READY);
		assert_string_equal(req.value[POLICY_SENDER], senders[i]);
		at += used;
	}
	assert_int_equal(at, len);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_requests_in_two_parts),
		cmocka_unit_test(test_good_request_byte_by_byte),
		cmocka_unit_test(test_bad_requests_in_two_parts),
		cmocka_unit_test(test_the_longest_request),
		cmocka_unit_test(test_a_request_that_is_too_long),
		cmocka_unit_test(test_the_number_of_attributes),
		cmocka_unit_test(test_pipelined_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
