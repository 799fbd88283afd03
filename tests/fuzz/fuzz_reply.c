/*
 * fuzz_reply.c - bytes that claim to be an answer of a DNS server
 *
 * The first byte chooses the type that was asked for, the rest is the
 * message.
 */
#include "fuzz.h"

#include <string.h>

#include "watch/classify.h"
#include "watch/health.h"
#include "watch/reply.h"

#define ZONE	"bl.example"
#define ASKED	"2.0.0.127.bl.example"

#define NAME(s)	((char *)(uintptr_t)(s))

static struct list_answer code_answers[] = {
	{ 0x7f000002, 0x7f000009, 0, ANS_LISTED, -1, NAME("listed") },
	{ 0x7f00000a, 0x7f00000b, 0, ANS_POLICY, -1, NAME("policy") },
	{ 0x7f000001, 0x7f000001, 0, ANS_REFUSED, -1, NAME("blocked") },
	{ 0x7fffff00, 0x7fffffff, 0, ANS_REFUSED, -1, NAME("refused") },
};
static struct list_answer bit_answers[] = {
	{ 0, 0, 8, ANS_LISTED, -1, NAME("a bit") },
	{ 0, 0, 64, ANS_GREY, -1, NAME("another") },
};
static struct list lists[] = {
	{ .zone = NAME(ZONE), .operator = NAME("x"), .weight = 100,
	    .answers = code_answers, .answer_count = 4 },
	{ .zone = NAME(ZONE), .operator = NAME("x"), .weight = 100,
	    .answers = bit_answers, .answer_count = 2 },
};

static void
check_printable(const char *s, size_t room)
{
	CLAIM(memchr(s, '\0', room) != NULL);
	for (; *s != '\0'; s++)
		CLAIM(*s >= ' ' && *s <= '~');
}

static void
check_list(const struct list *l, const struct reply *r)
{
	struct answer_seen a = classify(l, r);
	struct probe_result probes[PROBE_KINDS];
	char reason[BOARD_REASON_MAX];
	size_t i;

	CLAIM(a.kind < ANS_KINDS);
	/* What stops, and what releases, has a whole answer behind it. */
	if (a.kind == ANS_LISTED)
		CLAIM(r->status == REPLY_OK && r->addr_count > 0 &&
		    !r->left_zone && !r->more_addrs);
	if (a.kind == ANS_CLEAN)
		CLAIM(r->status == REPLY_NXDOMAIN && !r->left_zone);
	if (a.kind == ANS_LISTED) {
		for (i = 0; i < r->addr_count; i++)
			CLAIM(r->addrs[i] >> 24 == 127 &&
			    r->addrs[i] < 0x7fffff00);
	} else {
		CLAIM(a.weight == 0);
	}
	/* No reply is right for what must be there and for what must not. */
	for (i = 0; i < PROBE_KINDS; i++)
		probes[i] = (struct probe_result){ true, *r };
	CLAIM(health_judge(l, probes, "192.0.2.53", reason) !=
	    HEALTH_USABLE);
	check_printable(reason, sizeof(reason));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const int types[] = {
		REPLY_TYPE_A, REPLY_TYPE_TXT, REPLY_TYPE_PTR, REPLY_TYPE_AAAA
	};
	static struct reply r;
	size_t i;

	if (len == 0)
		return 0;
	memset(&r, 0x5a, sizeof(r));
	reply_read(data + 1, len - 1, ASKED, ZONE, types[data[0] % 4], &r);
	CLAIM(r.status < REPLY_STATUS_KINDS);
	CLAIM(r.addr_count <= REPLY_ADDRS_MAX);
	CLAIM(r.addr6_count <= REPLY_NAMES_MAX);
	CLAIM(r.name_count <= REPLY_NAMES_MAX);
	CLAIM(r.ttl_s <= 86400);
	check_printable(r.text, sizeof(r.text));
	for (i = 0; i < r.name_count; i++)
		check_printable(r.names[i], sizeof(r.names[i]));
	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		check_list(&lists[i], &r);
	return 0;
}
