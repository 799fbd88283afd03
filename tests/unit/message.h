/*
 * message.h - DNS messages by hand, right and wrong
 */
#ifndef MAILBRAKE_TESTS_MESSAGE_H
#define MAILBRAKE_TESTS_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#define MESSAGE_MAX	66000

enum {
	TYPE_A = 1, TYPE_CNAME = 5, TYPE_PTR = 12, TYPE_TXT = 16,
	TYPE_AAAA = 28,
	CLASS_IN = 1, CLASS_CH = 3,
	FLAG_QR = 0x8000, FLAG_TC = 0x0200, FLAG_RD_RA = 0x0180,
	RCODE_FORMERR = 1, RCODE_SERVFAIL = 2, RCODE_NXDOMAIN = 3,
	RCODE_NOTIMP = 4, RCODE_REFUSED = 5,
};

struct message {
	unsigned char	 bytes[MESSAGE_MAX];
	size_t		 len;
};

/* A header without records; the rcode is part of the flags. */
void	message_begin(struct message *, unsigned int flags);

/* A question; counts it. */
void	message_ask(struct message *, const char *name, unsigned int type,
	    unsigned int class);

/*
 * An answer; counts it.  data: "127.0.0.2" for A, an IPv6 address for AAAA,
 * a name for CNAME and PTR, strings parted by '|' for TXT.
 */
void	message_answer(struct message *, const char *owner, unsigned int type,
	    unsigned int class, uint32_t ttl_s, const char *data);

/* The same with bytes for data, whatever the type. */
void	message_answer_raw(struct message *, const char *owner,
	    unsigned int type, uint32_t ttl_s, const void *data, size_t len);

void	message_put(struct message *, const void *, size_t len);
void	message_put16(struct message *, unsigned int);
void	message_name(struct message *, const char *name);

/* Adds to a count of the header: 0 questions, 1 answers. */
void	message_count(struct message *, int section, unsigned int more);

#endif
