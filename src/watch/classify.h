/*
 * classify.h - what a list's answer means
 *
 * By the zone's own table and nothing else.  This departs knowingly from
 * RFC 5782 section 6, by which every A record is a listing: refusals come
 * as A records too, and so does everything when a zone is parked.  Pure.
 */
#ifndef MAILBRAKE_WATCH_CLASSIFY_H
#define MAILBRAKE_WATCH_CLASSIFY_H

#include "core/board.h"
#include "core/list.h"
#include "watch/reply.h"

/*
 * The one meaning of a reply.  Of several records the heaviest listing
 * wins; a refusal or an address outside 127/8 among them spoils them all.
 */
struct answer_seen	classify(const struct list *, const struct reply *);

/* The same for one code alone. */
struct answer_seen	classify_code(const struct list *, uint32_t code);

#endif
