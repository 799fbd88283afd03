/*
 * reply.c - what a DNS message says
 *
 * The message is taken apart by the system's own resolver library
 * (ns_initparse and friends), which checks every bound; what the records
 * mean for a question about a list is decided here.
 */
#include "watch/reply.h"

#include <sys/types.h>
#include <netinet/in.h>
#include <arpa/nameser.h>

#include <assert.h>
#include <resolv.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

#define TTL_MAX_S	86400u
#define CHAIN_MAX	8		/* aliases followed */

static const char *const status_names[] = {
	"ok", "NXDOMAIN", "no data", "SERVFAIL", "REFUSED", "NOTIMP",
	"FORMERR", "time-out", "no server reached", "bad answer",
	"name too long", "cancelled",
};

static_assert(sizeof(status_names) / sizeof(status_names[0]) ==
    REPLY_STATUS_KINDS, "a name for every status");

const char *
reply_status_name(enum reply_status s)
{
	return status_names[s];
}

static bool
same_name(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);

	if (la > 0 && a[la - 1] == '.')
		la--;
	if (lb > 0 && b[lb - 1] == '.')
		lb--;
	return la == lb && strncasecmp(a, b, la) == 0;
}

static bool
ends_in(const char *name, const char *zone)
{
	size_t ln = strlen(name), lz = strlen(zone);

	if (ln > 0 && name[ln - 1] == '.')
		ln--;
	return ln >= lz && strncasecmp(name + ln - lz, zone, lz) == 0 &&
	    (ln == lz || name[ln - lz - 1] == '.');
}

static void
take_ttl(struct reply *out, uint32_t ttl)
{
	/* RFC 2181 section 8: the top bit set means 0. */
	if (ttl > 0x7fffffffu)
		ttl = 0;
	if (ttl > TTL_MAX_S)
		ttl = TTL_MAX_S;
	if (ttl < out->ttl_s)
		out->ttl_s = ttl;
}

/* Follows aliases from name; owner ends as the name that records must
 * have.  False if the chain is too long or turns in a circle. */
static bool
follow_aliases(ns_msg *msg, char owner[NS_MAXDNAME], struct reply *out)
{
	char target[NS_MAXDNAME];
	int i, count = ns_msg_count(*msg, ns_s_an), hops = 0;
	bool moved = true;
	ns_rr rr;

	while (moved) {
		moved = false;
		for (i = 0; i < count; i++) {
			if (ns_parserr(msg, ns_s_an, i, &rr) != 0)
				return false;
			if (ns_rr_type(rr) != ns_t_cname ||
			    ns_rr_class(rr) != ns_c_in ||
			    !same_name(ns_rr_name(rr), owner))
				continue;
			if (++hops > CHAIN_MAX || ns_name_uncompress(
			    ns_msg_base(*msg), ns_msg_end(*msg),
			    ns_rr_rdata(rr), target, sizeof(target)) == -1)
				return false;
			take_ttl(out, ns_rr_ttl(rr));
			text_copy(owner, NS_MAXDNAME, target);
			out->aliased = true;
			moved = true;
			break;
		}
	}
	return true;
}

static void
take_addr(struct reply *out, const ns_rr *rr)
{
	const unsigned char *d = ns_rr_rdata(*rr);

	if (ns_rr_rdlen(*rr) != 4)
		return;
	if (out->addr_count == REPLY_ADDRS_MAX) {
		out->more_addrs = true;
		return;
	}
	out->addrs[out->addr_count++] = (uint32_t)d[0] << 24 |
	    (uint32_t)d[1] << 16 | (uint32_t)d[2] << 8 | d[3];
}

static void
take_addr6(struct reply *out, const ns_rr *rr)
{
	if (ns_rr_rdlen(*rr) == 16 && out->addr6_count < REPLY_NAMES_MAX)
		memcpy(out->addrs6[out->addr6_count++], ns_rr_rdata(*rr), 16);
}

static void
take_name(ns_msg *msg, struct reply *out, const ns_rr *rr)
{
	char raw[NS_MAXDNAME];

	if (out->name_count == REPLY_NAMES_MAX ||
	    ns_name_uncompress(ns_msg_base(*msg), ns_msg_end(*msg),
	    ns_rr_rdata(*rr), raw, sizeof(raw)) == -1)
		return;
	text_clean(out->names[out->name_count++], REPLY_NAME_MAX, raw,
	    strlen(raw));
}

/* The strings of one record belong together, records are parted by " | ". */
static void
take_text(struct reply *out, const ns_rr *rr)
{
	const unsigned char *d = ns_rr_rdata(*rr), *end;
	char raw[REPLY_TEXT_MAX];
	size_t n = 0, have = strlen(out->text), piece;

	if (have > 0 && have + 4 < sizeof(out->text)) {
		memcpy(out->text + have, " | ", 4);
		have += 3;
	}
	for (end = d + ns_rr_rdlen(*rr); d < end; d += piece) {
		piece = *d++;
		if (piece > (size_t)(end - d))
			piece = (size_t)(end - d);
		if (piece > sizeof(raw) - n)
			break;
		memcpy(raw + n, d, piece);
		n += piece;
	}
	text_clean(out->text + have, sizeof(out->text) - have, raw, n);
}

static enum reply_status
status_of(int rcode)
{
	switch (rcode) {
	case ns_r_noerror:
		return REPLY_OK;
	case ns_r_nxdomain:
		return REPLY_NXDOMAIN;
	case ns_r_servfail:
		return REPLY_SERVFAIL;
	case ns_r_refused:
		return REPLY_REFUSED;
	case ns_r_notimpl:
		return REPLY_NOTIMP;
	case ns_r_formerr:
		return REPLY_FORMERR;
	default:
		return REPLY_BAD;
	}
}

void
reply_read(const unsigned char *msg, size_t len, const char *name,
    const char *zone, int type, struct reply *out)
{
	char owner[NS_MAXDNAME];
	size_t records = 0;
	ns_msg handle;
	ns_rr rr;
	int i;

	*out = (struct reply){ .status = REPLY_BAD, .ttl_s = TTL_MAX_S };
	if (len > 65535 || ns_initparse(msg, (int)len, &handle) != 0 ||
	    ns_msg_getflag(handle, ns_f_qr) == 0 ||
	    ns_msg_count(handle, ns_s_qd) != 1 ||
	    ns_parserr(&handle, ns_s_qd, 0, &rr) != 0 ||
	    !same_name(ns_rr_name(rr), name) ||
	    (int)ns_rr_type(rr) != type || ns_rr_class(rr) != ns_c_in)
		return;
	/* Cut, and not mended over TCP: records may be missing. */
	if (ns_msg_getflag(handle, ns_f_tc) != 0) {
		out->cut = true;
		return;
	}
	text_copy(owner, sizeof(owner), name);
	out->status = status_of(ns_msg_getflag(handle, ns_f_rcode));
	/* NXDOMAIN is about the end of the chain (RFC 2308 section 2.1). */
	if (out->status != REPLY_OK && out->status != REPLY_NXDOMAIN)
		return;
	if (!follow_aliases(&handle, owner, out)) {
		out->status = REPLY_BAD;
		return;
	}
	out->left_zone = !ends_in(owner, zone);
	for (i = 0; i < ns_msg_count(handle, ns_s_an); i++) {
		if (ns_parserr(&handle, ns_s_an, i, &rr) != 0) {
			*out = (struct reply){ .status = REPLY_BAD };
			return;
		}
		if ((int)ns_rr_type(rr) != type || ns_rr_class(rr) != ns_c_in ||
		    !same_name(ns_rr_name(rr), owner))
			continue;
		records++;
		take_ttl(out, ns_rr_ttl(rr));
		if (type == REPLY_TYPE_A)
			take_addr(out, &rr);
		else if (type == REPLY_TYPE_TXT)
			take_text(out, &rr);
		else if (type == REPLY_TYPE_AAAA)
			take_addr6(out, &rr);
		else if (type == REPLY_TYPE_PTR)
			take_name(&handle, out, &rr);
	}
	if (out->status == REPLY_NXDOMAIN) {
		/* It is there and it is not: believe neither. */
		if (records > 0)
			*out = (struct reply){ .status = REPLY_BAD };
	} else if (records == 0) {
		out->status = REPLY_NODATA;
	}
}
