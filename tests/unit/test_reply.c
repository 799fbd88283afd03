/*
 * test_reply.c - what a DNS message says
 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "watch/reply.h"

#define ZONE	"bl.example"
#define ASKED	"7.113.0.203.bl.example"
#define DAY_S	86400

/* From a copy of its own size, so that no byte beyond is read unseen. */
static void
read_bytes(const unsigned char *bytes, size_t len, int type,
    struct reply *out)
{
	unsigned char *copy = malloc(len != 0 ? len : 1);

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	memset(out, 0x5a, sizeof(*out));
	reply_read(copy, len, ASKED, ZONE, type, out);
	free(copy);
	assert_in_range(out->status, REPLY_OK, REPLY_STATUS_KINDS - 1);
	assert_in_range(out->addr_count, 0, REPLY_ADDRS_MAX);
	assert_non_null(memchr(out->text, '\0', sizeof(out->text)));
}

/* --- whole messages ----------------------------------------------------- */

struct record {
	const char	*owner;		/* NULL: the name that was asked */
	unsigned int	 type;
	uint32_t	 ttl_s;
	const char	*data;
	unsigned int	 class;		/* 0: IN */
};

static const struct row {
	const char	*claim;
	unsigned int	 flags;		/* besides QR */
	struct record	 records[12];
	enum reply_status status;
	uint32_t	 addrs[4];
	bool		 aliased, left_zone;
	uint32_t	 ttl_s;		/* 0: not looked at */
} rows[] = {
	{ .claim = "an address is an answer",
	    .records = { { .type = TYPE_A, .ttl_s = 300,
	    .data = "127.0.0.2" } },
	    .status = REPLY_OK, .addrs = { 0x7f000002 }, .ttl_s = 300 },
	{ .claim = "several addresses are all there",
	    .records = { { .type = TYPE_A, .data = "127.0.0.2" },
	    { .type = TYPE_A, .data = "127.0.0.4" },
	    { .type = TYPE_A, .data = "127.255.255.254" } },
	    .status = REPLY_OK,
	    .addrs = { 0x7f000002, 0x7f000004, 0x7ffffffe } },
	{ .claim = "the letters of the owner do not matter",
	    .records = { { .owner = "7.113.0.203.BL.eXaMPle", .type = TYPE_A,
	    .data = "127.0.0.2" } },
	    .status = REPLY_OK, .addrs = { 0x7f000002 } },
	{ .claim = "the top address", .records = { { .type = TYPE_A,
	    .data = "255.255.255.255" } },
	    .status = REPLY_OK, .addrs = { 0xffffffff } },

	/* Rcodes */
	{ .claim = "NXDOMAIN", .flags = RCODE_NXDOMAIN,
	    .status = REPLY_NXDOMAIN },
	{ .claim = "no record is no data", .status = REPLY_NODATA },
	{ .claim = "SERVFAIL", .flags = RCODE_SERVFAIL,
	    .status = REPLY_SERVFAIL },
	{ .claim = "REFUSED", .flags = RCODE_REFUSED,
	    .status = REPLY_REFUSED },
	{ .claim = "NOTIMP", .flags = RCODE_NOTIMP, .status = REPLY_NOTIMP },
	{ .claim = "FORMERR", .flags = RCODE_FORMERR,
	    .status = REPLY_FORMERR },
	{ .claim = "any other code is no answer", .flags = 9,
	    .status = REPLY_BAD },
	{ .claim = "an address beside SERVFAIL is none",
	    .flags = RCODE_SERVFAIL,
	    .records = { { .type = TYPE_A, .data = "127.0.0.2" } },
	    .status = REPLY_SERVFAIL },
	{ .claim = "an address beside REFUSED is none",
	    .flags = RCODE_REFUSED,
	    .records = { { .type = TYPE_A, .data = "127.0.0.2" } },
	    .status = REPLY_REFUSED },
	{ .claim = "NXDOMAIN with the address it denies is no answer",
	    .flags = RCODE_NXDOMAIN,
	    .records = { { .type = TYPE_A, .data = "127.0.0.2" } },
	    .status = REPLY_BAD },
	{ .claim = "NXDOMAIN with an address of somebody else stands",
	    .flags = RCODE_NXDOMAIN,
	    .records = { { .owner = "x.example", .type = TYPE_A,
	    .data = "127.0.0.2" } },
	    .status = REPLY_NXDOMAIN },
	{ .claim = "a cut answer is no answer", .flags = FLAG_TC,
	    .records = { { .type = TYPE_A, .data = "127.0.0.2" } },
	    .status = REPLY_BAD },
	{ .claim = "a cut NXDOMAIN is no answer",
	    .flags = FLAG_TC | RCODE_NXDOMAIN, .status = REPLY_BAD },

	/* Records that are not what was asked for */
	{ .claim = "an address of another owner is not ours",
	    .records = { { .owner = "8.113.0.203.bl.example",
	    .type = TYPE_A, .data = "127.0.0.2" } },
	    .status = REPLY_NODATA },
	{ .claim = "an address of the zone itself is its web site",
	    .records = { { .owner = "bl.example", .type = TYPE_A,
	    .data = "127.0.0.2" } },
	    .status = REPLY_NODATA },
	{ .claim = "an address of the root is not ours",
	    .records = { { .owner = "", .type = TYPE_A,
	    .data = "127.0.0.2" } },
	    .status = REPLY_NODATA },
	{ .claim = "an owner that only ends alike is not ours",
	    .records = { { .owner = "1.7.113.0.203.bl.example",
	    .type = TYPE_A, .data = "127.0.0.2" } },
	    .status = REPLY_NODATA },
	{ .claim = "an IPv6 address is no listing",
	    .records = { { .type = TYPE_AAAA, .data = "::1" } },
	    .status = REPLY_NODATA },
	{ .claim = "text alone is no listing",
	    .records = { { .type = TYPE_TXT, .data = "listed" } },
	    .status = REPLY_NODATA },
	{ .claim = "an address of another class is no listing",
	    .records = { { .type = TYPE_A, .data = "127.0.0.2",
	    .class = CLASS_CH } },
	    .status = REPLY_NODATA },
	{ .claim = "ours among others is found",
	    .records = { { .owner = "x.example", .type = TYPE_A,
	    .data = "127.0.0.9" },
	    { .type = TYPE_A, .data = "127.0.0.2" },
	    { .type = TYPE_TXT, .data = "x" } },
	    .status = REPLY_OK, .addrs = { 0x7f000002 } },

	/* Aliases */
	{ .claim = "an alias within the zone is followed",
	    .records = { { .type = TYPE_CNAME, .data = "a.bl.example" },
	    { .owner = "a.bl.example", .type = TYPE_A,
	    .data = "127.0.0.2" } },
	    .status = REPLY_OK, .addrs = { 0x7f000002 }, .aliased = true },
	{ .claim = "an alias to the zone itself stays in it",
	    .records = { { .type = TYPE_CNAME, .data = "BL.example" },
	    { .owner = "bl.example", .type = TYPE_A,
	    .data = "127.0.0.2" } },
	    .status = REPLY_OK, .addrs = { 0x7f000002 }, .aliased = true },
	{ .claim = "an alias that leaves the zone is seen",
	    .records = { { .type = TYPE_CNAME, .data = "park.example" },
	    { .owner = "park.example", .type = TYPE_A,
	    .data = "127.0.0.2" } },
	    .status = REPLY_OK, .addrs = { 0x7f000002 }, .aliased = true,
	    .left_zone = true },
	{ .claim = "a zone that only ends in the same letters is another",
	    .records = { { .type = TYPE_CNAME, .data = "a.notbl.example" },
	    { .owner = "a.notbl.example", .type = TYPE_A,
	    .data = "127.0.0.2" } },
	    .status = REPLY_OK, .addrs = { 0x7f000002 }, .aliased = true,
	    .left_zone = true },
	{ .claim = "a chain that leaves the zone and comes back is inside",
	    .records = { { .type = TYPE_CNAME, .data = "x.example" },
	    { .owner = "x.example", .type = TYPE_CNAME,
	    .data = "a.bl.example" },
	    { .owner = "a.bl.example", .type = TYPE_A,
	    .data = "127.0.0.2" } },
	    .status = REPLY_OK, .addrs = { 0x7f000002 }, .aliased = true },
	{ .claim = "a chain in any order is followed",
	    .records = { { .owner = "b.bl.example", .type = TYPE_A,
	    .data = "127.0.0.2" },
	    { .owner = "a.bl.example", .type = TYPE_CNAME,
	    .data = "b.bl.example" },
	    { .type = TYPE_CNAME, .data = "a.bl.example" } },
	    .status = REPLY_OK, .addrs = { 0x7f000002 }, .aliased = true },
	{ .claim = "an address beside the alias is not the answer",
	    .records = { { .type = TYPE_A, .data = "127.0.0.9" },
	    { .type = TYPE_CNAME, .data = "a.bl.example" },
	    { .owner = "a.bl.example", .type = TYPE_A,
	    .data = "127.0.0.2" } },
	    .status = REPLY_OK, .addrs = { 0x7f000002 }, .aliased = true },
	{ .claim = "an alias to nothing is no data",
	    .records = { { .type = TYPE_CNAME, .data = "a.bl.example" } },
	    .status = REPLY_NODATA, .aliased = true },
	{ .claim = "an alias of another owner is not followed",
	    .records = { { .owner = "x.example", .type = TYPE_CNAME,
	    .data = "a.bl.example" },
	    { .owner = "a.bl.example", .type = TYPE_A,
	    .data = "127.0.0.2" } },
	    .status = REPLY_NODATA },
	{ .claim = "an alias out of the zone is seen with NXDOMAIN too",
	    .flags = RCODE_NXDOMAIN,
	    .records = { { .type = TYPE_CNAME, .data = "park.example" } },
	    .status = REPLY_NXDOMAIN, .aliased = true, .left_zone = true },
	{ .claim = "an alias to itself is no answer",
	    .records = { { .type = TYPE_CNAME, .data = ASKED },
	    { .type = TYPE_A, .data = "127.0.0.2" } },
	    .status = REPLY_BAD },
	{ .claim = "a circle of aliases is no answer",
	    .records = { { .type = TYPE_CNAME, .data = "a.bl.example" },
	    { .owner = "a.bl.example", .type = TYPE_CNAME,
	    .data = "b.bl.example" },
	    { .owner = "b.bl.example", .type = TYPE_CNAME,
	    .data = "a.bl.example" },
	    { .owner = "b.bl.example", .type = TYPE_A,
	    .data = "127.0.0.2" } },
	    .status = REPLY_BAD },
	{ .claim = "a circle of aliases is not clean with NXDOMAIN",
	    .flags = RCODE_NXDOMAIN,
	    .records = { { .type = TYPE_CNAME, .data = ASKED } },
	    .status = REPLY_BAD },
	{ .claim = "eight aliases are followed",
	    .records = { { .type = TYPE_CNAME, .data = "1.bl.example" },
	    { "1.bl.example", TYPE_CNAME, 9, "2.bl.example", 0 },
	    { "2.bl.example", TYPE_CNAME, 9, "3.bl.example", 0 },
	    { "3.bl.example", TYPE_CNAME, 9, "4.bl.example", 0 },
	    { "4.bl.example", TYPE_CNAME, 9, "5.bl.example", 0 },
	    { "5.bl.example", TYPE_CNAME, 9, "6.bl.example", 0 },
	    { "6.bl.example", TYPE_CNAME, 9, "7.bl.example", 0 },
	    { "7.bl.example", TYPE_CNAME, 9, "8.bl.example", 0 },
	    { "8.bl.example", TYPE_A, 9, "127.0.0.2", 0 } },
	    .status = REPLY_OK, .addrs = { 0x7f000002 }, .aliased = true },
	{ .claim = "nine are too many",
	    .records = { { .type = TYPE_CNAME, .data = "1.bl.example" },
	    { "1.bl.example", TYPE_CNAME, 9, "2.bl.example", 0 },
	    { "2.bl.example", TYPE_CNAME, 9, "3.bl.example", 0 },
	    { "3.bl.example", TYPE_CNAME, 9, "4.bl.example", 0 },
	    { "4.bl.example", TYPE_CNAME, 9, "5.bl.example", 0 },
	    { "5.bl.example", TYPE_CNAME, 9, "6.bl.example", 0 },
	    { "6.bl.example", TYPE_CNAME, 9, "7.bl.example", 0 },
	    { "7.bl.example", TYPE_CNAME, 9, "8.bl.example", 0 },
	    { "8.bl.example", TYPE_CNAME, 9, "9.bl.example", 0 },
	    { "9.bl.example", TYPE_A, 9, "127.0.0.2", 0 } },
	    .status = REPLY_BAD },

	/* Times to live */
	{ .claim = "of several the shortest life counts",
	    .records = { { .type = TYPE_A, .ttl_s = 600,
	    .data = "127.0.0.2" },
	    { .type = TYPE_A, .ttl_s = 60, .data = "127.0.0.3" } },
	    .status = REPLY_OK, .addrs = { 0x7f000002, 0x7f000003 },
	    .ttl_s = 60 },
	{ .claim = "that of an alias counts too",
	    .records = { { .type = TYPE_CNAME, .ttl_s = 5,
	    .data = "a.bl.example" },
	    { .owner = "a.bl.example", .type = TYPE_A, .ttl_s = 600,
	    .data = "127.0.0.2" } },
	    .status = REPLY_OK, .addrs = { 0x7f000002 }, .aliased = true,
	    .ttl_s = 5 },
	{ .claim = "that of others does not",
	    .records = { { .owner = "x.example", .type = TYPE_A, .ttl_s = 1,
	    .data = "127.0.0.2" },
	    { .type = TYPE_A, .ttl_s = 600, .data = "127.0.0.2" } },
	    .status = REPLY_OK, .addrs = { 0x7f000002 }, .ttl_s = 600 },
	{ .claim = "more than a day is a day",
	    .records = { { .type = TYPE_A, .ttl_s = 0x7fffffff,
	    .data = "127.0.0.2" } },
	    .status = REPLY_OK, .addrs = { 0x7f000002 }, .ttl_s = DAY_S },
};

static void
test_row(void **state)
{
	static struct message m;
	const struct row *r = *state;
	struct reply reply;
	size_t i;

	message_begin(&m, FLAG_QR | FLAG_RD_RA | r->flags);
	message_ask(&m, ASKED, TYPE_A, CLASS_IN);
	for (i = 0; i < COUNT(r->records) && r->records[i].type != 0; i++) {
		const struct record *rec = &r->records[i];

		message_answer(&m, rec->owner != NULL ? rec->owner : ASKED,
		    rec->type, rec->class != 0 ? rec->class : CLASS_IN,
		    rec->ttl_s, rec->data);
	}
	read_bytes(m.bytes, m.len, REPLY_TYPE_A, &reply);
	assert_string_equal(reply_status_name(reply.status),
	    reply_status_name(r->status));
	for (i = 0; i < COUNT(r->addrs) && r->addrs[i] != 0; i++)
		assert_int_equal(reply.addrs[i], r->addrs[i]);
	if (r->status != REPLY_BAD) {
		assert_int_equal(reply.addr_count, i);
		assert_int_equal(reply.aliased, r->aliased);
		assert_int_equal(reply.left_zone, r->left_zone);
	}
	assert_false(reply.more_addrs);
	if (r->ttl_s != 0)
		assert_int_equal(reply.ttl_s, r->ttl_s);
}

static void
test_ttl_top_bit(void **state)
{
	static struct message m;
	struct reply reply;

	(void)state;
	message_begin(&m, FLAG_QR);
	message_ask(&m, ASKED, TYPE_A, CLASS_IN);
	message_answer(&m, ASKED, TYPE_A, CLASS_IN, 0x80000000u, "127.0.0.2");
	read_bytes(m.bytes, m.len, REPLY_TYPE_A, &reply);
	assert_int_equal(reply.status, REPLY_OK);
	assert_int_equal(reply.ttl_s, 0);	/* RFC 2181 section 8 */
}

static void
read_many(size_t count, struct reply *reply)
{
	static struct message m;
	size_t i;

	message_begin(&m, FLAG_QR);
	message_ask(&m, ASKED, TYPE_A, CLASS_IN);
	for (i = 0; i < count; i++)
		message_answer(&m, ASKED, TYPE_A, CLASS_IN, 60, "127.0.0.2");
	read_bytes(m.bytes, m.len, REPLY_TYPE_A, reply);
	assert_int_equal(reply->status, REPLY_OK);
}

static void
test_many(void **state)
{
	struct reply reply;

	(void)state;
	read_many(REPLY_ADDRS_MAX, &reply);
	assert_int_equal(reply.addr_count, REPLY_ADDRS_MAX);
	assert_false(reply.more_addrs);
	read_many(REPLY_ADDRS_MAX + 1, &reply);
	assert_int_equal(reply.addr_count, REPLY_ADDRS_MAX);
	assert_true(reply.more_addrs);
	read_many(1000, &reply);
	assert_true(reply.more_addrs);
}

static void
test_address_of_a_wrong_size(void **state)
{
	static struct message m;
	struct reply reply;
	size_t len;

	(void)state;
	for (len = 0; len <= 16; len++) {
		message_begin(&m, FLAG_QR);
		message_ask(&m, ASKED, TYPE_A, CLASS_IN);
		message_answer_raw(&m, ASKED, TYPE_A, 60,
		    "\177\0\0\2\177\0\0\2\177\0\0\2\177\0\0\2", len);
		read_bytes(m.bytes, m.len, REPLY_TYPE_A, &reply);
		assert_int_equal(reply.addr_count, len == 4);
	}
}

/* --- headers and questions ---------------------------------------------- */

static const struct head_row {
	const char	*claim;
	unsigned int	 flags;
	const char	*name[2];	/* asked, by the message */
	unsigned int	 type, class;
} head_rows[] = {
	{ "a question is no answer", 0, { ASKED }, TYPE_A, CLASS_IN },
	{ "an answer without its question is not ours", FLAG_QR, { NULL },
	    TYPE_A, CLASS_IN },
	{ "an answer to another question is not ours", FLAG_QR,
	    { "8.113.0.203.bl.example" }, TYPE_A, CLASS_IN },
	{ "an answer for another type is not ours", FLAG_QR, { ASKED },
	    TYPE_TXT, CLASS_IN },
	{ "an answer for another class is not ours", FLAG_QR, { ASKED },
	    TYPE_A, CLASS_CH },
	{ "an answer to two questions is not ours", FLAG_QR,
	    { ASKED, ASKED }, TYPE_A, CLASS_IN },
	{ "an NXDOMAIN for another question is not ours",
	    FLAG_QR | RCODE_NXDOMAIN, { "8.113.0.203.bl.example" }, TYPE_A,
	    CLASS_IN },
	{ "an NXDOMAIN without its question is not ours",
	    FLAG_QR | RCODE_NXDOMAIN, { NULL }, TYPE_A, CLASS_IN },
};

static void
test_head(void **state)
{
	static struct message m;
	const struct head_row *r = *state;
	struct reply reply;
	size_t i;

	message_begin(&m, r->flags);
	for (i = 0; i < COUNT(r->name) && r->name[i] != NULL; i++)
		message_ask(&m, r->name[i], r->type, r->class);
	if ((r->flags & RCODE_NXDOMAIN) == 0)
		message_answer(&m, ASKED, TYPE_A, CLASS_IN, 60, "127.0.0.2");
	read_bytes(m.bytes, m.len, REPLY_TYPE_A, &reply);
	assert_int_equal(reply.status, REPLY_BAD);
}

/* --- broken bytes ------------------------------------------------------- */

static void
good_message(struct message *m)
{
	message_begin(m, FLAG_QR | FLAG_RD_RA);
	message_ask(m, ASKED, TYPE_A, CLASS_IN);
	message_answer(m, ASKED, TYPE_CNAME, CLASS_IN, 60, "a.bl.example");
	message_answer(m, "a.bl.example", TYPE_A, CLASS_IN, 60, "127.0.0.2");
	message_answer(m, "a.bl.example", TYPE_TXT, CLASS_IN, 60, "x|y");
}

static void
test_cut_anywhere(void **state)
{
	static struct message m;
	struct reply reply;
	size_t len;

	(void)state;
	good_message(&m);
	for (len = 0; len < m.len; len++) {
		read_bytes(m.bytes, len, REPLY_TYPE_A, &reply);
		assert_int_equal(reply.status, REPLY_BAD);
	}
	read_bytes(m.bytes, m.len, REPLY_TYPE_A, &reply);
	assert_int_equal(reply.status, REPLY_OK);
}

static void
test_any_bit(void **state)
{
	static struct message m;
	struct reply reply;
	size_t i;
	int bit;

	(void)state;
	good_message(&m);
	for (i = 0; i < m.len; i++) {
		for (bit = 0; bit < 8; bit++) {
			m.bytes[i] ^= (unsigned char)(1 << bit);
			read_bytes(m.bytes, m.len, REPLY_TYPE_A, &reply);
			read_bytes(m.bytes, m.len, REPLY_TYPE_TXT, &reply);
			m.bytes[i] ^= (unsigned char)(1 << bit);
		}
	}
}

static void
test_counts_that_lie(void **state)
{
	static struct message m;
	struct reply reply;

	(void)state;
	good_message(&m);
	message_count(&m, 1, 1);
	read_bytes(m.bytes, m.len, REPLY_TYPE_A, &reply);
	assert_int_equal(reply.status, REPLY_BAD);
	good_message(&m);
	message_count(&m, 1, 60000);
	read_bytes(m.bytes, m.len, REPLY_TYPE_A, &reply);
	assert_int_equal(reply.status, REPLY_BAD);
}

static void
test_too_large(void **state)
{
	static struct message m;
	struct reply reply;

	(void)state;
	good_message(&m);
	memset(m.bytes + m.len, 0, 65536 - m.len);
	read_bytes(m.bytes, 65536, REPLY_TYPE_A, &reply);
	assert_int_equal(reply.status, REPLY_BAD);
}

/* An answer whose owner is these bytes. */
static enum reply_status
with_owner(const void *owner, size_t len)
{
	static struct message m;
	struct reply reply;

	message_begin(&m, FLAG_QR);
	message_ask(&m, ASKED, TYPE_A, CLASS_IN);
	message_put(&m, owner, len);
	message_put16(&m, TYPE_A);
	message_put16(&m, CLASS_IN);
	message_put(&m, "\0\0\0\74\0\4\177\0\0\2", 10);
	message_count(&m, 1, 1);
	read_bytes(m.bytes, m.len, REPLY_TYPE_A, &reply);
	return reply.status;
}

/* The name that was asked stands at offset 12, the owner behind it. */
#define OWNER_AT	(12 + (int)sizeof(ASKED) + 1 + 4)

static void
test_pointers(void **state)
{
	unsigned char self[2] = { 0xc0, OWNER_AT };
	unsigned char pair[6] = { 1, 'a', 0xc0, OWNER_AT + 2, 0, 0 };
	unsigned char ahead[2] = { 0xc0, OWNER_AT + 2 };
	unsigned char circle[4] = { 0xc0, OWNER_AT + 2, 0xc0, OWNER_AT };

	(void)state;
	assert_int_equal(with_owner("\300\14", 2), REPLY_OK);
	assert_int_equal(with_owner(self, 2), REPLY_BAD);
	assert_int_equal(with_owner(pair, 4), REPLY_BAD);
	assert_int_not_equal(with_owner(ahead, 2), REPLY_OK);
	assert_int_not_equal(with_owner(circle, 4), REPLY_OK);
	assert_int_equal(with_owner("\377\377", 2), REPLY_BAD);
}

static void
test_labels(void **state)
{
	unsigned char longest[80];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[0] = 64;		/* a reserved kind of label */
	assert_int_not_equal(with_owner(longest, 66), REPLY_OK);
	longest[0] = 0x80;
	assert_int_not_equal(with_owner(longest, 66), REPLY_OK);
	longest[0] = 63;
	longest[64] = 0;
	assert_int_equal(with_owner(longest, 65), REPLY_NODATA);
}

/* A name that goes on by a pointer to one before it, that goes on ...: each
 * record adds a label, so that the last would be far longer than a name can
 * be. */
static void
test_bomb(void **state)
{
	static struct message m;
	struct reply reply;
	size_t before = 12, at;
	int i;

	(void)state;
	message_begin(&m, FLAG_QR);
	message_ask(&m, ASKED, TYPE_A, CLASS_IN);
	for (i = 0; i < 1000; i++) {
		at = m.len;
		message_put(&m, "\5aaaaa", 6);
		message_put16(&m, 0xc000 | (unsigned int)before);
		message_put16(&m, TYPE_A);
		message_put16(&m, CLASS_IN);
		message_put(&m, "\0\0\0\74\0\4\177\0\0\2", 10);
		message_count(&m, 1, 1);
		if (at < 0x3fff)
			before = at;
	}
	read_bytes(m.bytes, m.len, REPLY_TYPE_A, &reply);
	assert_int_equal(reply.status, REPLY_BAD);
}

/* As many aliases as a message can hold, none of which leads to the end. */
static void
test_many_aliases(void **state)
{
	static struct message m;
	struct reply reply;

	(void)state;
	message_begin(&m, FLAG_QR);
	message_ask(&m, ASKED, TYPE_A, CLASS_IN);
	while (m.len < 65000) {
		message_put(&m, "\1x\300\14", 4);
		message_put16(&m, TYPE_CNAME);
		message_put16(&m, CLASS_IN);
		message_put(&m, "\0\0\0\74\0\2\300\14", 8);
		message_count(&m, 1, 1);
	}
	read_bytes(m.bytes, m.len, REPLY_TYPE_A, &reply);
	assert_int_equal(reply.status, REPLY_NODATA);
}

static void
test_alias_to_no_name(void **state)
{
	static struct message m;
	struct reply reply;

	(void)state;
	message_begin(&m, FLAG_QR);
	message_ask(&m, ASKED, TYPE_A, CLASS_IN);
	message_answer_raw(&m, ASKED, TYPE_CNAME, 60, "\377\377\377", 3);
	read_bytes(m.bytes, m.len, REPLY_TYPE_A, &reply);
	assert_int_equal(reply.status, REPLY_BAD);
}

/* --- text --------------------------------------------------------------- */

static const struct text_row {
	const char	*claim;
	const char	*data[3];	/* records; '|' parts their strings */
	const char	*text;
} text_rows[] = {
	{ "one string", { "listed, see https://a.example/" },
	    "listed, see https://a.example/" },
	{ "the strings of a record are one text", { "listed, s|ee he|re" },
	    "listed, see here" },
	{ "several records are parted", { "one", "two", "three" },
	    "one | two | three" },
	{ "an empty string", { "" }, "" },
	{ "an empty string among others", { "a||b" }, "ab" },
	{ "control characters do no harm", { "a\r\nb\033[2Jc" },
	    "a b?[2Jc" },
	{ "bytes outside ASCII are marked", { "J\xc3\xbcrg" }, "J??rg" },
};

static void
test_text(void **state)
{
	static struct message m;
	const struct text_row *r = *state;
	struct reply reply;
	size_t i;

	message_begin(&m, FLAG_QR);
	message_ask(&m, ASKED, TYPE_TXT, CLASS_IN);
	for (i = 0; i < COUNT(r->data) && r->data[i] != NULL; i++)
		message_answer(&m, ASKED, TYPE_TXT, CLASS_IN, 60, r->data[i]);
	read_bytes(m.bytes, m.len, REPLY_TYPE_TXT, &reply);
	assert_int_equal(reply.status, REPLY_OK);
	assert_string_equal(reply.text, r->text);
}

static void
test_long_text(void **state)
{
	static struct message m;
	char piece[256];
	struct reply reply;
	size_t len, i;

	(void)state;
	for (len = 1; len < sizeof(piece); len++) {
		memset(piece, 'a', len);
		piece[len] = '\0';
		message_begin(&m, FLAG_QR);
		message_ask(&m, ASKED, TYPE_TXT, CLASS_IN);
		for (i = 0; i < 40; i++)
			message_answer(&m, ASKED, TYPE_TXT, CLASS_IN, 60,
			    piece);
		read_bytes(m.bytes, m.len, REPLY_TYPE_TXT, &reply);
		assert_int_equal(reply.status, REPLY_OK);
		assert_in_range(strlen(reply.text), 1, REPLY_TEXT_MAX - 1);
	}
}

/* A string that claims to be longer than its record. */
static void
test_text_that_lies(void **state)
{
	static struct message m;
	struct reply reply;

	(void)state;
	message_begin(&m, FLAG_QR);
	message_ask(&m, ASKED, TYPE_TXT, CLASS_IN);
	message_answer_raw(&m, ASKED, TYPE_TXT, 60, "\377abc", 4);
	read_bytes(m.bytes, m.len, REPLY_TYPE_TXT, &reply);
	assert_int_equal(reply.status, REPLY_OK);
	assert_string_equal(reply.text, "abc");
}

static void
test_text_question_with_address(void **state)
{
	static struct message m;
	struct reply reply;

	(void)state;
	message_begin(&m, FLAG_QR);
	message_ask(&m, ASKED, TYPE_TXT, CLASS_IN);
	message_answer(&m, ASKED, TYPE_A, CLASS_IN, 60, "127.0.0.2");
	read_bytes(m.bytes, m.len, REPLY_TYPE_TXT, &reply);
	assert_int_equal(reply.status, REPLY_NODATA);
	assert_string_equal(reply.text, "");
}

/* --- names and IPv6 addresses, as for the identity of an egress --------- */

static void
test_names(void **state)
{
	static struct message m;
	struct reply reply;
	int i;

	(void)state;
	message_begin(&m, FLAG_QR);
	message_ask(&m, ASKED, TYPE_PTR, CLASS_IN);
	message_answer(&m, ASKED, TYPE_PTR, CLASS_IN, 60, "mx1.example.org");
	message_answer(&m, ASKED, TYPE_PTR, CLASS_IN, 60, "a\033b.example");
	read_bytes(m.bytes, m.len, REPLY_TYPE_PTR, &reply);
	assert_int_equal(reply.status, REPLY_OK);
	assert_int_equal(reply.name_count, 2);
	assert_string_equal(reply.names[0], "mx1.example.org");
	for (i = 0; reply.names[1][i] != '\0'; i++)
		assert_in_range(reply.names[1][i], ' ', '~');
	for (i = 0; i < 100; i++)
		message_answer(&m, ASKED, TYPE_PTR, CLASS_IN, 60, "x.example");
	read_bytes(m.bytes, m.len, REPLY_TYPE_PTR, &reply);
	assert_int_equal(reply.name_count, REPLY_NAMES_MAX);
}

static void
test_ipv6(void **state)
{
	static struct message m;
	struct reply reply;
	int i;

	(void)state;
	message_begin(&m, FLAG_QR);
	message_ask(&m, ASKED, TYPE_AAAA, CLASS_IN);
	message_answer(&m, ASKED, TYPE_AAAA, CLASS_IN, 60, "2001:db8::7");
	message_answer_raw(&m, ASKED, TYPE_AAAA, 60, "\177\0\0\2", 4);
	read_bytes(m.bytes, m.len, REPLY_TYPE_AAAA, &reply);
	assert_int_equal(reply.status, REPLY_OK);
	assert_int_equal(reply.addr6_count, 1);
	assert_int_equal(reply.addrs6[0][15], 7);
	for (i = 0; i < 100; i++)
		message_answer(&m, ASKED, TYPE_AAAA, CLASS_IN, 60, "::1");
	read_bytes(m.bytes, m.len, REPLY_TYPE_AAAA, &reply);
	assert_int_equal(reply.addr6_count, REPLY_NAMES_MAX);
}

static void
test_status_names(void **state)
{
	int i, j;

	(void)state;
	for (i = 0; i < REPLY_STATUS_KINDS; i++) {
		for (j = 0; j < i; j++)
			assert_string_not_equal(
			    reply_status_name((enum reply_status)i),
			    reply_status_name((enum reply_status)j));
	}
}

int
main(void)
{
	unit_rows(rows, test_row);
	unit_claim("a time to live with the top bit is none",
	    test_ttl_top_bit);
	unit_claim("more addresses than can be kept are said",
	    test_many);
	unit_claim("an address of a wrong size is none",
	    test_address_of_a_wrong_size);
	unit_rows(head_rows, test_head);
	unit_claim("a message cut anywhere is no answer", test_cut_anywhere);
	unit_claim("no flipped bit does harm", test_any_bit);
	unit_claim("counts that lie are found out", test_counts_that_lie);
	unit_claim("a message too large is no answer", test_too_large);
	unit_claim("pointers in circles end", test_pointers);
	unit_claim("labels of a wrong kind are no name", test_labels);
	unit_claim("a name that unfolds without end is no answer",
	    test_bomb);
	unit_claim("thousands of aliases of others do no harm",
	    test_many_aliases);
	unit_claim("an alias to what is no name is no answer",
	    test_alias_to_no_name);
	unit_rows(text_rows, test_text);
	unit_claim("text of any length is bounded", test_long_text);
	unit_claim("a string that is longer than its record is cut",
	    test_text_that_lies);
	unit_claim("an address does not answer the question for text",
	    test_text_question_with_address);
	unit_claim("names are clean and bounded", test_names);
	unit_claim("IPv6 addresses are whole and bounded", test_ipv6);
	unit_claim("every status has a name of its own", test_status_names);
	return unit_run("reply");
}
