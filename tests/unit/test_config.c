/*
 * test_config.c - mailbrake.conf as a struct, and what is said when it is bad
 */
#include "unit.h"

#include <sys/stat.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "conf/config.h"
#include "conf/config_schema.h"

#define S	1000LL
#define M	(60 * S)
#define H	(60 * M)
#define D	(24 * H)

#define NO_CATALOGUE	"\ncatalogue = \"\";\n"

static struct config	*conf;
static struct errors	 errs;
static const char	*conf_path;

static int
forget(void **state)
{
	(void)state;
	config_free(conf);
	conf = NULL;
	errors_free(&errs);
	return 0;
}

/* Reads text, without a catalogue unless it names one, into conf and errs. */
static void
load(const char *text)
{
	char *all = xasprintf("%s%s", text, strstr(text, "catalogue") == NULL ?
	    NO_CATALOGUE : "");

	forget(NULL);
	conf_path = unit_file("mailbrake.conf", all);
	free(all);
	conf = config_load(conf_path, &errs);
}

static void
load_good(const char *text)
{
	load(text);
	if (conf == NULL)
		fail_msg("%s", errs.lines[0]);
}

/* --- what is bad, and how that is said ---------------------------------- */

/* One error at that line; its text must have every one of says, which are
 * the setting, what was found, what is allowed or proposed. */
static const struct bad_row {
	const char	*claim;
	const char	*text;
	unsigned int	 line;		/* 0: that of no setting */
	const char	*says[5];
} bad_rows[] = {
	/* Names */
	{ "an unknown setting is refused, with the nearest one",
	    "\n\nchek = { };", 3,
	    { "unknown setting \"chek\"", "did you mean \"check\"?" } },
	{ "an unknown setting in a group is named with its group",
	    "check = {\n intervall = \"5m\";\n};", 2,
	    { "unknown setting \"check.intervall\"",
	    "did you mean \"interval\"?" } },
	{ "an unknown setting in a list is named with its place",
	    "egress = ( { name = \"a\"; addresses = \"203.0.113.7\"; },\n"
	    "{ name = \"b\"; addresses = \"203.0.113.8\";\n"
	    " transports = \"smtp\"; } );", 3,
	    { "unknown setting \"egress[1].transports\"",
	    "did you mean \"transport\"?" } },
	{ "names are case-sensitive, and it is seen what was meant",
	    "Mode = \"observe\";", 1,
	    { "unknown setting \"Mode\"", "did you mean \"mode\"?" } },

	/* Words */
	{ "a word that is none of those allowed", "mode = \"dry-run\";", 1,
	    { "mode", "\"dry-run\"", "\"enforce\", \"observe\"" } },
	{ "a word that nearly is one", "mode = \"Observe\";", 1,
	    { "mode", "\"Observe\"", "\"enforce\", \"observe\"" } },
	{ "a word that is a number", "mode = 1;", 1,
	    { "mode = 1", "\"enforce\", \"observe\"" } },
	{ "a word that is a truth value", "mode = true;", 1,
	    { "mode = true", "\"enforce\", \"observe\"" } },
	{ "a pool that chooses by no known way",
	    "egress = ( { name = \"a\"; addresses = \"203.0.113.7\"; } );\n"
	    "pools = ( { name = \"p\"; egress = \"a\";\n"
	    " choose = \"random\"; } );", 3,
	    { "pools[0].choose", "\"random\"", "\"failover\", \"spread\"" } },
	{ "an action that is none",
	    "egress = ( { name = \"a\"; addresses = \"203.0.113.7\"; } );\n"
	    "pools = ( { name = \"p\"; egress = \"a\";\n"
	    " actions = [\"hold\", \"bounce\"]; } );", 3,
	    { "pools[0].actions", "\"bounce\"",
	    "\"reroute\", \"tempfail\", \"hold\"" } },
	{ "an action that would refuse mail for good",
	    "egress = ( { name = \"a\"; addresses = \"203.0.113.7\"; } );\n"
	    "pools = ( { name = \"p\"; egress = \"a\";\n"
	    " submission = \"reject\"; } );", 3,
	    { "pools[0].submission", "\"reject\"",
	    "\"tempfail\", \"accept\", \"hold\"" } },

	/* Numbers of pools */
	{ "a weight below nothing",
	    "egress = ( { name = \"a\"; addresses = \"203.0.113.7\";\n"
	    " weight = -1; } );", 2, { "egress[0].weight", "-1", "0",
	    "1000" } },
	{ "a weight above all",
	    "egress = ( { name = \"a\"; addresses = \"203.0.113.7\";\n"
	    " weight = 1001; } );", 2, { "egress[0].weight", "1001" } },
	{ "warmth that is a word",
	    "egress = ( { name = \"a\"; addresses = \"203.0.113.7\";\n"
	    " warm = \"yes\"; } );", 2, { "egress[0].warm", "\"yes\"",
	    "true" } },
	{ "a next hop with a blank",
	    "egress = ( { name = \"a\"; addresses = \"203.0.113.7\";\n"
	    " nexthop = \"[mx2.example] 26\"; } );", 1, {
	    "nexthop: \"[mx2.example] 26\"", "[HOST]:PORT" } },
	{ "an empty next hop",
	    "egress = ( { name = \"a\"; addresses = \"203.0.113.7\";\n"
	    " nexthop = \"\"; } );", 1, { "nexthop: \"\"" } },
	{ "a limit of rerouting below nothing",
	    "egress = ( { name = \"a\"; addresses = \"203.0.113.7\"; } );\n"
	    "pools = ( { name = \"p\"; egress = \"a\";\n"
	    " reroute_limit = -1; } );", 3, { "pools[0].reroute_limit",
	    "-1" } },
	{ "a limit of burning that is none",
	    "egress = ( { name = \"a\"; addresses = \"203.0.113.7\"; } );\n"
	    "pools = ( { name = \"p\"; egress = \"a\";\n"
	    " burn_limit = 0; } );", 3, { "pools[0].burn_limit", "0" } },
	{ "no canaries", "resume = {\n canaries = 0;\n};", 2,
	    { "resume.canaries", "0", "1" } },
	{ "a directory of Postfix that is none",
	    "postfix = {\n config_directory = \"etc\";\n};", 2,
	    { "postfix.config_directory", "\"etc\"",
	    "must be an absolute path" } },
	{ "a flush that is a number", "postfix = { flush = 1; };", 1,
	    { "postfix.flush", "1", "true" } },

	/* Durations */
	{ "a duration without a unit", "check = {\n interval = \"300\";\n};",
	    2, { "check.interval", "\"300\"", "has no unit" } },
	{ "a duration that is a number", "check = { interval = 300; };", 1,
	    { "check.interval = 300", "a duration in quotes like \"15m\"" } },
	{ "a duration with an unknown unit",
	    "resume = { after = \"15min\"; };", 1,
	    { "resume.after", "\"15min\"", "unknown unit", "ms s m h d w" } },
	{ "a duration that is too short", "check = { interval = \"50ms\"; };",
	    1, { "check.interval", "\"50ms\"", "from 100ms to 1d" } },
	{ "a duration that is too long", "check = { timeout = \"2m\"; };", 1,
	    { "check.timeout", "\"2m\"", "from 50ms to 1m" } },
	{ "a negative duration", "check = { confirm_delay = \"-10s\"; };", 1,
	    { "check.confirm_delay", "\"-10s\"", "is not a duration" } },
	{ "an empty duration", "resume = { ramp = \"\"; };", 1,
	    { "resume.ramp", "\"\"", "is empty" } },
	{ "a window that is no window",
	    "egress = ( { name = \"a\"; addresses = \"203.0.113.7\"; } );\n"
	    "pools = ( { name = \"p\"; egress = \"a\";\n"
	    " burn_window = \"1s\"; } );", 3,
	    { "pools[0].burn_window", "\"1s\"", "from 1m to 30d" } },

	/* Whole numbers */
	{ "a number that is too small", "check = { tries = 0; };", 1,
	    { "check.tries = 0", "from 1 to 10" } },
	{ "a number that is too large", "check = { tries = 11; };", 1,
	    { "check.tries = 11", "from 1 to 10" } },
	{ "a negative number", "stop = { score = -100; };", 1,
	    { "stop.score = -100", "from 1 to 100000" } },
	{ "a number in quotes", "check = { tries = \"2\"; };", 1,
	    { "check.tries = \"2\"", "a whole number" } },
	{ "a number with a point", "stop = { score = 99.5; };", 1,
	    { "stop.score = 99.5", "a whole number" } },
	{ "a number that is whole but for its form",
	    "stop = { score = 1e2; };", 1,
	    { "stop.score = 100.", "a whole number" } },
	{ "a number that would wrap to an allowed one",
	    "check = {\n tries = 4294967298;\n};", 2,
	    { "tries", "4294967298", "too large" } },
	{ "a hexadecimal number that would wrap",
	    "check = { tries = 0x100000002; };", 1,
	    { "tries", "0x100000002", "too large" } },
	{ "a number with 64 bits out of range",
	    "check = { tries = 4294967298L; };", 1,
	    { "check.tries = 4294967298", "from 1 to 10" } },
	{ "a number that may be octal", "check = { tries = 010; };", 1,
	    { "tries", "010", "begins with a zero", "octal" } },
	{ "a number with 64 bits that may be octal",
	    "check = { tries = 010L; };", 1,
	    { "tries", "010L", "begins with a zero" } },
	{ "a number that would wrap in a list",
	    "lists = ( { zone = \"bl.example.net\";\n"
	    " weight = 4294967297; } );", 2,
	    { "weight", "4294967297", "too large" } },
	{ "nobody confirms less than once", "check = { confirm = 0; };", 1,
	    { "check.confirm = 0", "from 1 to 10" } },
	{ "nothing is clean without an answer", "resume = { clean = 0; };",
	    1, { "resume.clean = 0", "from 1 to 1000" } },
	{ "a relapse that shortens the wait",
	    "resume = { relapse_factor = 0; };", 1,
	    { "resume.relapse_factor = 0", "from 1 to 100" } },

	/* Types */
	{ "a group that is a number", "stop = 100;", 1,
	    { "stop = 100", "a group { ... }" } },
	{ "a group that is a list", "check = ( );", 1,
	    { "check = a list (...)", "a group { ... }" } },
	{ "a list of groups that is one group",
	    "egress = { name = \"a\"; };", 1,
	    { "egress = a group {...}", "a list of groups like ( {" } },
	{ "a list of groups that holds a string",
	    "egress = ( { name = \"a\"; addresses = \"203.0.113.7\"; },\n"
	    " \"mx2\" );", 2,
	    { "egress = \"mx2\"", "a group { ... } in each place" } },
	{ "strings that are a number", "check = { resolvers = 53; };", 1,
	    { "check.resolvers = 53", "an array of strings" } },
	{ "strings of which one is a number",
	    "local_domains = ( \"example.org\", 5 );", 1,
	    { "local_domains = 5", "a string in quotes" } },
	{ "a string that is an array", "user = [\"mail\"];", 1,
	    { "user = an array [...]", "a string in quotes" } },
	{ "a truth value in quotes",
	    "lists = ( { zone = \"bl.example.net\"; enabled = \"no\"; } );",
	    1, { "lists[0].enabled = \"no\"", "true or false" } },

	/* Egresses */
	{ "an egress without a name",
	    "egress = (\n { addresses = \"203.0.113.7\"; } );", 2,
	    { "an egress needs a name" } },
	{ "an egress name with a space",
	    "egress = ( { name = \"mx 1\"; addresses = \"203.0.113.7\"; } );",
	    1, { "egress name \"mx 1\"", "letters, digits" } },
	{ "an egress name that is an address",
	    "egress = ( { name = \"203.0.113.7\";\n"
	    " addresses = \"203.0.113.7\"; } );", 1,
	    { "egress name \"203.0.113.7\"", "not an address" } },
	{ "an egress name that means every egress",
	    "egress = ( { name = \"All\"; addresses = \"203.0.113.7\"; } );",
	    1, { "egress name \"All\"", "not \"all\"" } },
	{ "two egresses of one name, but for case",
	    "egress = ( { name = \"mx1\"; addresses = \"203.0.113.7\"; },\n"
	    "{ name = \"MX1\"; addresses = \"203.0.113.8\"; } );", 2,
	    { "egress name \"MX1\"", "twice" } },
	{ "an egress without addresses, which nothing would stop",
	    "egress = ( { name = \"mx1\"; } );", 1,
	    { "egress \"mx1\"", "needs addresses" } },
	{ "an egress with no address in its array",
	    "egress = ( { name = \"mx1\";\n addresses = []; } );", 2,
	    { "egress \"mx1\"", "needs addresses" } },
	{ "addresses of a wrong type are one mistake, not two",
	    "egress = ( { name = \"mx1\"; addresses = 5; } );", 1,
	    { "egress[0].addresses = 5", "an array of strings" } },
	{ "an address that is a name",
	    "egress = ( { name = \"mx1\";\n"
	    " addresses = [\"mx1.example.org\"]; } );", 2,
	    { "addresses: \"mx1.example.org\"", "no IPv4 or IPv6 address" } },
	{ "an address with a prefix length",
	    "egress = ( { name = \"mx1\"; addresses = \"203.0.113.0/24\"; } );",
	    1, { "\"203.0.113.0/24\"", "no IPv4 or IPv6 address" } },
	{ "one address for two egresses",
	    "egress = ( { name = \"mx1\"; addresses = \"203.0.113.7\"; },\n"
	    "{ name = \"mx2\"; addresses = \"203.0.113.7\"; } );", 2,
	    { "\"203.0.113.7\"", "belongs to egress \"mx1\" already" } },
	{ "one address twice, which would count double",
	    "egress = ( { name = \"mx1\";\n"
	    " addresses = [\"203.0.113.7\", \"203.0.113.7\"]; } );", 2,
	    { "\"203.0.113.7\"", "belongs to egress \"mx1\" already" } },
	{ "one address in two forms is the same address",
	    "egress = ( { name = \"mx1\"; addresses = \"203.0.113.7\"; },\n"
	    "{ name = \"mx2\"; addresses = \"::ffff:203.0.113.7\"; } );", 2,
	    { "\"::ffff:203.0.113.7\"", "belongs to egress \"mx1\"" } },
	{ "one transport for two egresses",
	    "egress = ( { name = \"mx1\"; addresses = \"203.0.113.7\"; },\n"
	    "{ name = \"mx2\"; addresses = \"203.0.113.8\";\n"
	    " transport = \"smtp\"; } );", 2,
	    { "transport \"smtp\" of egress \"mx2\"",
	    "that of egress \"mx1\"" } },
	{ "a hostname that is no name",
	    "egress = ( { name = \"mx1\"; addresses = \"203.0.113.7\";\n"
	    " hostname = \"mail server\"; } );", 1,
	    { "hostname: \"mail server\"", "character" } },

	/* Pools and routes */
	{ "a pool without a name",
	    "egress = ( { name = \"a\"; addresses = \"203.0.113.7\"; } );\n"
	    "pools = ( { egress = \"a\"; } );", 2,
	    { "a pool needs a name" } },
	{ "a transport that is no name",
	    "\negress = ( { name = \"a\"; addresses = \"203.0.113.7\";\n"
	    " transport = \"smtp:[relay]\"; } );", 3,
	    { "transport \"smtp:[relay]\"", "must be the name of a service" } },
	{ "a transport without a name",
	    "\negress = ( { name = \"a\"; addresses = \"203.0.113.7\";\n"
	    " transport = \"\"; } );", 3,
	    { "transport \"\"", "must be the name of a service" } },
	{ "two pools of one name",
	    "egress = ( { name = \"a\"; addresses = \"203.0.113.7\"; },\n"
	    "{ name = \"b\"; addresses = \"203.0.113.8\"; } );\n"
	    "pools = ( { name = \"p\"; egress = \"a\"; },\n"
	    "{ name = \"p\"; egress = \"b\"; } );", 4,
	    { "pool \"p\"", "twice" } },
	{ "a pool without an egress",
	    "egress = ( { name = \"a\"; addresses = \"203.0.113.7\"; } );\n"
	    "pools = ( { name = \"p\"; } );", 2,
	    { "pool \"p\" needs egress" } },
	{ "a pool of an egress that is not there, with the nearest",
	    "egress = ( { name = \"mx1\"; addresses = \"203.0.113.7\"; } );\n"
	    "pools = ( { name = \"p\";\n egress = [\"mx1\", \"xm1\"]; } );",
	    3, { "pool \"p\"", "no egress \"xm1\"",
	    "did you mean \"mx1\"?" } },
	{ "an egress in two pools",
	    "egress = ( { name = \"a\"; addresses = \"203.0.113.7\"; } );\n"
	    "pools = ( { name = \"p\"; egress = \"a\"; },\n"
	    "{ name = \"q\"; egress = \"a\"; } );", 3,
	    { "egress \"a\"", "in two pools" } },
	{ "a limit of nothing",
	    "egress = ( { name = \"a\"; addresses = \"203.0.113.7\"; } );\n"
	    "pools = ( { name = \"p\"; egress = \"a\";\n"
	    " burn_limit = 0; } );", 3,
	    { "pools[0].burn_limit = 0", "from 1 to 1000" } },
	{ "pools need egresses that are named",
	    "\npools = ( { name = \"p\"; egress = \"default\"; } );", 2,
	    { "pools and routes need egress" } },
	{ "a route to a pool that is not there",
	    "egress = ( { name = \"a\"; addresses = \"203.0.113.7\"; } );\n"
	    "routes = ( { sender = \"@news.example.org\";\n"
	    " pool = \"bulk\"; } );", 2,
	    { "a route needs", "pool", "\"bulk\"" } },
	{ "a route to nowhere",
	    "egress = ( { name = \"a\"; addresses = \"203.0.113.7\"; } );\n"
	    "routes = ( { sender = \"@news.example.org\"; } );", 2,
	    { "a route needs", "pool" } },
	{ "a route by a domain without its @ would never match",
	    "egress = ( { name = \"a\"; addresses = \"203.0.113.7\"; } );\n"
	    "routes = ( { sender = \"news.example.org\";\n"
	    " pool = \"default\"; } );", 2,
	    { "routes: sender = \"news.example.org\"",
	    "\"@example.org\"" } },
	{ "a route by an @ without its domain",
	    "egress = ( { name = \"a\"; addresses = \"203.0.113.7\"; } );\n"
	    "routes = ( { recipient = \"@\"; pool = \"default\"; } );", 2,
	    { "routes: recipient = \"@\"", "\"@example.org\"" } },

	/* Domains, resolvers, sockets, files */
	{ "a domain that is none", "domains = [\"exam ple.org\"];", 1,
	    { "domains: \"exam ple.org\"", "character" } },
	{ "a domain of one label", "domains = [\"org\"];", 1,
	    { "domains: \"org\"", "\"example.org\"" } },
	{ "a resolver by name", "check = {\n resolvers = [\"localhost\"];\n};",
	    2, { "check.resolvers", "\"localhost\"", "not an address" } },
	{ "a resolver with a bad port",
	    "check = { resolvers = [\"127.0.0.1:0\"]; };", 1,
	    { "check.resolvers", "\"127.0.0.1:0\"", "1 to 65535" } },
	{ "a resolver that is a path",
	    "check = { resolvers = [\"/run/dns.sock\"]; };", 1,
	    { "check.resolvers", "\"/run/dns.sock\"",
	    "no address of a DNS server" } },
	{ "a socket of an unknown kind",
	    "listen = {\n milter = \"local:/run/m.sock\";\n"
	    " control = \"unix:/run/c.sock\";\n};", 2,
	    { "listen.milter", "\"local:/run/m.sock\"",
	    "\"unix:PATH\" or \"inet:ADDRESS:PORT\"" } },
	{ "a socket of a host by name",
	    "listen = { policy = \"inet:localhost:10045\";\n"
	    " control = \"unix:/run/c.sock\"; };", 1,
	    { "listen.policy", "\"inet:localhost:10045\"",
	    "not an address" } },
	{ "a socketmap on no port",
	    "listen = { socketmap = \"inet:127.0.0.1\";\n"
	    " control = \"unix:/run/c.sock\"; };", 1,
	    { "listen.socketmap", "\"inet:127.0.0.1\"",
	    "has no port" } },
	{ "a socket of no absolute path",
	    "listen = { control = \"unix:control.sock\"; };", 1,
	    { "listen.control", "\"unix:control.sock\"", "absolute path" } },
	{ "a Redis by name", "redis = { server = \"redis.example.org\"; };",
	    1, { "redis.server", "\"redis.example.org\"",
	    "not an address" } },
	{ "an empty prefix would own all of Redis",
	    "redis = { prefix = \"\"; };", 1,
	    { "redis.prefix", "\"\"", "must not be empty" } },
	{ "a prefix that is a pattern", "redis = { prefix = \"mail*:\"; };",
	    1, { "redis.prefix", "\"mail*:\"", "*?[]" } },
	{ "a Redis user without a password",
	    "redis = { username = \"mailbrake\"; };", 1,
	    { "redis.username \"mailbrake\"", "needs redis.password" } },
	{ "a password file that is no absolute path",
	    "redis = { password_file = \"secret\"; };", 1,
	    { "redis.password_file", "\"secret\"", "an absolute path" } },
	{ "an authority's file that is no absolute path",
	    "redis = { tls = { ca = \"ca.pem\"; }; };", 1,
	    { "redis.tls.ca", "\"ca.pem\"", "an absolute path" } },
	{ "a certificate without its key",
	    "redis = { tls = { cert = \"/etc/hostname\"; }; };", 1,
	    { "redis.tls.cert and redis.tls.key need each other" } },
	{ "Sentinels without a master's name",
	    "redis = { sentinels = [\"192.0.2.1\"]; };", 1,
	    { "redis.sentinels and redis.master_name need each other" } },
	{ "a master's name without Sentinels",
	    "redis = { master_name = \"m\"; };", 1,
	    { "redis.sentinels and redis.master_name need each other" } },
	{ "a master's name of two words",
	    "redis = { sentinels = [\"192.0.2.1\"]; "
	    "master_name = \"my master\"; };", 1,
	    { "redis.master_name: \"my master\"", "must be one word" } },
	{ "a Sentinel by name",
	    "redis = { sentinels = [\"s1.example\"]; master_name = \"m\"; "
	    "};", 1, { "redis.sentinels: \"s1.example\"",
	    "is not an address" } },
	{ "a Sentinel user without a password",
	    "redis = { sentinels = [\"192.0.2.1\"]; master_name = \"m\"; "
	    "sentinel_username = \"u\"; };", 1,
	    { "redis.sentinel_username \"u\"",
	    "needs redis.sentinel_password" } },
	{ "a database that Redis cannot have",
	    "redis = { database = 65536; };", 1,
	    { "redis.database = 65536", "from 0 to 65535" } },
	{ "a state file where nobody knows", "state_file = \"state\";", 0,
	    { "state_file: \"state\"", "absolute path" } },
	{ "a catalogue where nobody knows", "catalogue = \"lists.conf\";", 0,
	    { "catalogue: \"lists.conf\"", "absolute path" } },
	{ "a catalogue that is not there", "catalogue = \"/none/lists\";", 1,
	    { "catalogue", "\"/none/lists\" cannot be read",
	    "No such file" } },
	{ "a catalogue that is a directory", "catalogue = \"/tmp\";", 0,
	    { "cannot read /tmp", "not a file" } },

	/* Lists; more of them in test_catalog.c */
	{ "a list without a zone", "lists = (\n { weight = 40; } );", 2,
	    { "a list needs a zone" } },
	{ "a weight beyond what a score is made of",
	    "lists = ( { zone = \"bl.example.net\";\n weight = 1001; } );", 2,
	    { "lists[0].weight = 1001", "from 0 to 1000" } },
	{ "an answer of a wrong meaning, with its place",
	    "lists = ( { zone = \"bl.example.net\"; answers = (\n"
	    " { code = \"127.0.0.2\"; means = \"listed\"; },\n"
	    " { code = \"127.0.0.3\"; means = \"spam\"; } ); } );", 3,
	    { "lists[0].answers[1].means", "\"spam\"", "\"listed\"",
	    "\"refused\"" } },

	/* Syntax: the line is shown, and what it most often is */
	{ "a duration without quotes", "check = {\n interval = 5m;\n};", 2,
	    { "syntax error", "interval = 5m;", "stand in quotes" } },
	{ "an address without quotes",
	    "egress = ( {\n addresses = 203.0.113.7;\n} );", 2,
	    { "syntax error", "addresses = 203.0.113.7;",
	    "stand in quotes" } },
	{ "one thing twice", "mode = \"enforce\";\nmode = \"observe\";", 2,
	    { "duplicate setting name", "mode = \"observe\";" } },
	{ "an array of many kinds", "local_domains = [\"a\", 5];", 1,
	    { "mismatched element type" } },
	{ "a byte order mark", "\xef\xbb\xbfmode = \"enforce\";", 1,
	    { "syntax error", "???mode" } },
};

static void
test_bad(void **state)
{
	const struct bad_row *r = *state;
	char *where;
	size_t i, j;

	load(r->text);
	assert_null(conf);
	where = r->line != 0 ? xasprintf("%s:%u: ", conf_path, r->line) :
	    xstrdup("");
	for (i = 0; i < errs.count; i++) {
		if (!errs.warning[i] && strstr(errs.lines[i], r->says[0]) !=
		    NULL && strncmp(errs.lines[i], where, strlen(where)) == 0)
			break;
	}
	free(where);
	if (i == errs.count)
		fail_msg("\"%s\" instead of \"%s\" in line %u",
		    errs.lines[0], r->says[0], r->line);
	for (j = 0; j < COUNT(r->says) && r->says[j] != NULL; j++)
		unit_says(errs.lines[i], r->says[j]);
	assert_int_equal(errs.error_count, 1);
}

/* What it wraps to is not allowed either, and said as well. */
static void
test_wrapped(void **state)
{
	(void)state;
	/* One word for each, whatever the parser makes of it. */
	load("stop = { score = 2147483648; };");
	assert_null(conf);
	assert_int_equal(errs.error_count, 1);
	unit_says(errs.lines[0], ":1: score: 2147483648 is too large");
	load("\nstop = { score = 99999999999999999999; };");
	assert_null(conf);
	assert_int_equal(errs.error_count, 1);
	unit_says(errs.lines[0],
	    ":2: score: 99999999999999999999 is too large");
	load("stop = {\n score = 2147483648;\n};\nmode = \"off\";\n");
	assert_null(conf);
	assert_int_equal(errs.error_count, 2);
	unit_says(errs.lines[0], ":2: score: 2147483648 is too large");
	unit_says(errs.lines[1], ":4: mode: \"off\"");
}

static void
test_all_at_once(void **state)
{
	static const char *const expected[] = {
		":2: mode: \"off\"",
		":3: unknown setting \"colour\"",
		":5: check.interval",
		":6: check.tries = 0",
		":7: check.resolvers: \"dns\"",
		":9: egress name \"a b\"",
		":10: addresses: \"203.0.113\"",
		":12: lists[0].weight = 5000",
	};
	size_t i, j;

	(void)state;
	load("# several mistakes\n"			/* 1 */
	    "mode = \"off\";\n"
	    "colour = \"blue\";\n"
	    "check = {\n"
	    "  interval = \"5\";\n"			/* 5 */
	    "  tries = 0;\n"
	    "  resolvers = [\"dns\"];\n"
	    "};\n"
	    "egress = ( { name = \"a b\";\n"
	    "  addresses = [\"203.0.113\"]; } );\n"	/* 10 */
	    "lists = ( { zone = \"bl.example.net\";\n"
	    "  weight = 5000; } );\n");
	assert_null(conf);
	for (i = 0; i < COUNT(expected); i++) {
		for (j = 0; j < errs.count; j++) {
			if (strstr(errs.lines[j], expected[i]) != NULL)
				break;
		}
		if (j == errs.count)
			fail_msg("nothing is said of %s", expected[i]);
	}
	assert_int_equal(errs.error_count, COUNT(expected));
}

static void
test_never_ends(void **state)
{
	char *text = xcalloc(1, 40000);
	size_t i;

	(void)state;
	for (i = 0; i < 1000; i++)
		sprintf(text + strlen(text), "unknown_%zu = 1;\n", i);
	load(text);
	free(text);
	assert_null(conf);
	assert_int_equal(errs.error_count, 1000);
	assert_in_range(errs.count, 100, 300);
}

/* Foreign bytes in a value reach the terminal only in a clean form. */
static void
test_clean_messages(void **state)
{
	(void)state;
	load("mode = \"\033[2J\\nforged: line\";");
	assert_null(conf);
	assert_int_equal(errs.error_count, 1);
	unit_says(errs.lines[0], "\"?[2J forged: line\"");
}

/* --- files -------------------------------------------------------------- */

static void
bad_file(const char *path, const char *words)
{
	forget(NULL);
	conf = config_load(path, &errs);
	assert_null(conf);
	assert_int_equal(errs.error_count, 1);
	unit_says(errs.lines[0], path);
	unit_says(errs.lines[0], words);
}

static void
test_missing(void **state)
{
	(void)state;
	bad_file(unit_file("none.conf", NULL), "No such file");
}

static void
test_directory(void **state)
{
	(void)state;
	bad_file(unit_dir(), "it is not a file");
}

static void
test_fifo(void **state)
{
	const char *path = unit_file("fifo", NULL);

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	bad_file(path, "it is not a file");	/* and nobody waits for it */
}

static void
test_unreadable(void **state)
{
	const char *path = unit_file("secret.conf", "mode = \"enforce\";");

	(void)state;
	assert_int_equal(chmod(path, 0), 0);
	unit_rights_off();
	bad_file(path, "Permission denied");
	unit_rights_back();
}

static void
test_nul(void **state)
{
	const char *path = unit_file("nul.conf", NULL);
	static const char text[] = "# \0\ncheck = { tries = 4294967298; };";
	FILE *f = fopen(path, "w");

	(void)state;
	assert_non_null(f);
	fwrite(text, 1, sizeof(text) - 1, f);
	fclose(f);
	bad_file(path, "NUL byte");
}

static void
test_unreadable_text(void **state)
{
	(void)state;
	/* A plain file whose reading fails; libconfig would exit. */
	if (access("/proc/self/mem", R_OK) != 0)
		skip();
	bad_file("/proc/self/mem", "error");
}

static void
test_include(void **state)
{
	(void)state;
	unit_file("part.conf", "check = { tries = 7; };\n");
	load_good("@include \"part.conf\"\n");
	assert_int_equal(conf->tries, 7);
}

static void
test_bad_include(void **state)
{
	(void)state;
	unit_file("part.conf", "\n\ncheck = { tries = 70; };\n");
	load("@include \"part.conf\"\n");
	assert_null(conf);
	assert_int_equal(errs.error_count, 1);
	unit_says(errs.lines[0], "part.conf:3: ");
	unit_says(errs.lines[0], "check.tries = 70");
}

static void
test_wrapped_include(void **state)
{
	(void)state;
	unit_file("part.conf", "\ncheck = { tries = 4294967298; };\n");
	load("@include \"part.conf\"\n");
	assert_null(conf);
	unit_says(errs.lines[0], "part.conf:2: ");
	unit_says(errs.lines[0], "4294967298");
}

static const struct include_row {
	const char	*claim;
	const char	*path;
	const char	*words;
} include_rows[] = {
	{ "an include that is not there", "nothing.conf", "No such file" },
	{ "an include of a directory", ".", "it is not a file" },
	{ "an include by absolute path", "/etc/passwd", "must be relative" },
};

static void
test_include_path(void **state)
{
	const struct include_row *r = *state;
	char *text = xasprintf("\n@include \"%s\"\n", r->path);

	load(text);
	free(text);
	assert_null(conf);
	assert_int_equal(errs.error_count, 1);
	unit_says(errs.lines[0], "mailbrake.conf:2: ");
	unit_says(errs.lines[0], r->words);
}

static void
test_include_loop(void **state)
{
	(void)state;
	load("@include \"mailbrake.conf\"\n");
	assert_null(conf);
	assert_true(errs.error_count > 0);
}

static void
test_include_bomb(void **state)
{
	size_t i, said = 0;

	(void)state;
	load("@include \"mailbrake.conf\"\n@include \"mailbrake.conf\"\n"
	    "@include \"mailbrake.conf\"\n");
	assert_null(conf);
	for (i = 0; i < errs.count; i++)
		said += strstr(errs.lines[i], "does one include itself?") !=
		    NULL;
	assert_int_equal(said, 1);
}

static void
test_include_in_a_string(void **state)
{
	(void)state;
	load_good("# @include \"nothing\"\n// @include \"nothing\"\n"
	    "/* 4294967298\n010 */ user = \"@include 4294967298 010\";\n");
	assert_string_equal(conf->user, "@include 4294967298 010");
}

/* --- secrets ------------------------------------------------------------ */

static const struct secret_row {
	const char	*claim;
	const char	*text;		/* holds "geheim" or 8315 */
} secret_rows[] = {
	{ "a key without quotes, in digits",
	    "lists = ( { zone = \"{key}.a.example\"; key = 8315; } );" },
	{ "a key without quotes",
	    "lists = ( { zone = \"{key}.a.example\"; key = geheim; } );" },
	{ "a key without its end",
	    "lists = ( { zone = \"{key}.a.example\";\nkey = \"geheim; } );" },
	{ "a key where none belongs",
	    "lists = ( { zone = \"bl.a.example\"; key = \"geheim\"; } );" },
	{ "a key that is no label",
	    "lists = ( { zone = \"{key}.a.example\"; key = \"geheim!\"; } );" },
	{ "a key given twice",
	    "lists = ( { zone = \"{key}.a.example\"; key = \"geheim\";\n"
	    "key = \"geheim2\"; } );" },
	{ "a key typed into the zone of a line that is wrong",
	    "lists = ( { zone = \"geheim.zen.dq.spamhaus.net\"; weight = 4x; "
	    "} );" },
	{ "a password that is a number", "redis = { password = 8315; };" },
	{ "a password without quotes", "redis = { password = geheim; };" },
	{ "a password given twice",
	    "redis = { password = \"geheim\";\npassword = \"geheim\"; };" },
};

static void
test_secret(void **state)
{
	const struct secret_row *r = *state;
	size_t i;

	load(r->text);
	assert_null(conf);
	assert_true(errs.error_count > 0);
	for (i = 0; i < errs.count; i++) {
		unit_says_not(errs.lines[i], "geheim");
		unit_says_not(errs.lines[i], "8315");
	}
}

/* --- what is good ------------------------------------------------------- */

static void
check_defaults(void)
{
	const struct policy *p = conf->policy;

	assert_int_equal(p->mode, MODE_ENFORCE);
	assert_false(conf->egress_given);
	assert_int_equal(p->egress_count, 0);
	assert_int_equal(conf->interval_ms, 5 * M);
	assert_int_equal(conf->timeout_ms, 3 * S);
	assert_int_equal(conf->tries, 2);
	assert_int_equal(conf->parallel, 256);
	assert_int_equal(conf->confirm_delay_ms, 10 * S);
	assert_int_equal(conf->resolver_count, 0);
	assert_int_equal(p->confirm, 2);
	assert_int_equal(p->stop_score, 100);
	assert_int_equal(p->resume_clean, 3);
	assert_int_equal(p->resume_after_ms, 15 * M);
	assert_int_equal(p->resume_ramp_ms, 2 * H);
	assert_int_equal(p->relapse_factor, 2);
	assert_int_equal(p->resume_max_wait_ms, 24 * H);
	assert_int_equal(p->resume_canaries, 10);
	assert_string_equal(conf->gate_file, DEFAULT_GATE_FILE);
	assert_false(conf->gate_file_given);
	assert_string_equal(conf->postfix_config, "");
	assert_true(conf->postfix_flush);
	assert_int_equal(conf->milter.kind, ENDPOINT_UNIX);
	assert_string_equal(conf->milter.path, DEFAULT_RUN_DIR
	    "/milter.sock");
	assert_int_equal(conf->policy_service.kind, ENDPOINT_INET);
	assert_int_equal(conf->policy_service.port, 10045);
	assert_int_equal(addr_scope(&conf->policy_service.addr),
	    ADDR_LOOPBACK);
	assert_int_equal(conf->socketmap.kind, ENDPOINT_UNIX);
	assert_string_equal(conf->socketmap.path, DEFAULT_RUN_DIR
	    "/map.sock");
	assert_int_equal(conf->control.kind, ENDPOINT_UNIX);
	assert_string_equal(conf->control.path, DEFAULT_RUN_DIR
	    "/control.sock");
	assert_null(conf->socket_group);
	assert_false(conf->has_redis);
	assert_string_equal(conf->state_file, DEFAULT_STATE_FILE);
	assert_string_equal(conf->user, "mailbrake");
	assert_string_equal(conf->file, conf_path);
}

static void
test_empty(void **state)
{
	(void)state;
	forget(NULL);
	conf_path = unit_file("empty.conf", "");
	conf = config_load(conf_path, &errs);
	/* Where mailbrake is not installed its catalogue is not there, and
	 * nothing else may be wrong. */
	if (conf == NULL) {
		assert_int_equal(errs.error_count, 1);
		unit_says(errs.lines[0], "cannot read " DEFAULT_CATALOGUE);
		return;
	}
	check_defaults();
	assert_true(conf->policy->list_count > 10);
}

static void
test_nearly_empty(void **state)
{
	(void)state;
	load_good("");
	check_defaults();
	/* The lists are all that is missing, and that is said. */
	assert_int_equal(conf->policy->list_count, 0);
	assert_int_equal(errs.count, 1);
	unit_says(errs.lines[0], "no list is watched");
}

static void
test_whole_catalogue(void **state)
{
	char *text = xasprintf("catalogue = \"%s\";\n",
	    unit_source("etc/lists.conf"));

	(void)state;
	load_good(text);
	free(text);
	check_defaults();
	assert_int_equal(errs.count, 0);
	assert_true(conf->policy->list_count > 10);
}

static const char full_text[] =
    "mode = \"observe\";\n"
    "egress = ( { name = \"mx1\"; addresses = [\"203.0.113.7\", "
    "\"2001:db8::7\"]; transport = \"smtp\"; hostname = "
    "\"mx1.example.org\"; },\n"
    "  { name = \"mx2\"; addresses = [\"203.0.113.8\"]; "
    "transport = \"mx2\"; weight = 0; warm = true; "
    "nexthop = \"[mx2.example.org]:10026\"; },\n"
    "  { name = \"mx3\"; addresses = [\"203.0.113.9\"]; "
    "transport = [\"mx3\", \"slow\"]; } );\n"
    "pools = ( { name = \"default\"; egress = [\"mx2\", \"mx1\"]; "
    "choose = \"spread\"; actions = [\"reroute\", \"hold\"]; "
    "submission = \"hold\"; burn_limit = 3; burn_window = \"12h\"; "
    "reroute_limit = 7; },\n"
    "  { name = \"bulk\"; egress = \"mx3\"; } );\n"
    "routes = ( { sender = \"@news.example.org\"; pool = \"bulk\"; },\n"
    "  { account = \"robot\"; recipient = \"x@example.net\"; "
    "pool = \"default\"; } );\n"
    "domains = [\"Example.ORG\", \"@example.net\"];\n"
    "local_domains = [\"intern.example\"];\n"
    "local_transports = [\"local\"];\n"
    "check = { interval = \"10m\"; resolvers = [\"127.0.0.1\", "
    "\"127.0.0.1:5353\", \"[::1]:54\"]; timeout = \"1500ms\"; tries = 3;\n"
    "  parallel = 64; confirm = 3; confirm_delay = \"0s\"; };\n"
    "stop = { score = 80; };\n"
    "resume = { clean = 5; after = \"1h\"; ramp = \"0s\"; "
    "relapse_factor = 3; max_wait = \"2d\"; canaries = 25; };\n"
    "lists = ( { zone = \"bl.example.net\"; weight = 40; } );\n"
    "catalogue = \"\";\n"
    "listen = { milter = \"inet:127.0.0.1:8891\"; "
    "control = \"unix:/run/x/control.sock\"; group = \"mail\"; };\n"
    "redis = { server = \"[::1]:6380\"; prefix = \"mb:\"; "
    "username = \"u\"; password = \"p\"; database = 3; };\n"
    "state_file = \"\";\n"
    "gate_file = \"lmdb:/var/lib/x/gate\";\n"
    "postfix = { config_directory = \"/etc/postfix-out\"; "
    "flush = false; };\n"
    "providers = \"\";\n"
    "hooks = \"/srv/hooks\";\n"
    "hooks_timeout = \"20s\";\n"
    "user = \"daemon\";\n";

static void
test_full(void **state)
{
	const struct policy *p;
	char buf[ADDR_TEXT_MAX];

	(void)state;
	load_good(full_text);
	p = conf->policy;
	assert_int_equal(p->mode, MODE_OBSERVE);
	assert_true(conf->egress_given);
	assert_int_equal(p->egress_count, 3);
	assert_string_equal(p->egress[0].name, "mx1");
	assert_int_equal(p->egress[0].addr_count, 2);
	assert_string_equal(addr_text(&p->egress[0].addrs[1], buf),
	    "2001:db8::7");
	assert_string_equal(p->egress[0].hostname, "mx1.example.org");
	assert_true(p->egress[0].watched);
	assert_int_equal(p->egress[2].transport_count, 2);
	assert_string_equal(p->egress[2].transports[1], "slow");
	assert_int_equal(p->pool_count, 2);
	assert_int_equal(p->pools[0].egress_count, 2);
	assert_int_equal(p->pools[0].egress[0], 1);	/* in that order */
	assert_int_equal(p->pools[0].egress[1], 0);
	assert_int_equal(p->egress[0].pool, 0);
	assert_int_equal(p->egress[2].pool, 1);
	assert_int_equal(p->pools[0].choose, CHOOSE_SPREAD);
	assert_int_equal(p->pools[0].action_count, 2);
	assert_int_equal(p->pools[0].actions[1], ACT_HOLD);
	assert_int_equal(p->pools[0].submission, SUBMISSION_HOLD);
	assert_int_equal(p->pools[1].submission, SUBMISSION_UNSET);
	assert_int_equal(p->pools[0].burn_limit, 3);
	assert_int_equal(p->pools[0].burn_window_ms, 12 * H);
	assert_int_equal(p->pools[0].reroute_limit, 7);
	assert_int_equal(p->pools[1].reroute_limit, 3);
	assert_int_equal(p->pools[1].burn_limit, 2);
	assert_int_equal(p->pools[1].burn_window_ms, D);
	assert_int_equal(p->pools[1].choose, CHOOSE_FAILOVER);
	assert_int_equal(p->egress[0].weight, 1);
	assert_int_equal(p->egress[1].weight, 0);
	assert_false(p->egress[0].warm);
	assert_true(p->egress[1].warm);
	assert_null(p->egress[0].nexthop);
	assert_string_equal(p->egress[1].nexthop, "[mx2.example.org]:10026");
	/* Each counts for itself. */
	assert_non_null(p->egress[0].traffic);
	assert_ptr_not_equal(p->egress[0].traffic, p->egress[1].traffic);
	assert_int_equal(p->route_count, 2);
	assert_int_equal(p->routes[0].pool, 1);
	assert_null(p->routes[0].account);
	assert_string_equal(p->routes[1].account, "robot");
	assert_int_equal(p->domain_count, 2);
	assert_string_equal(p->domains[0].name, "example.org");
	assert_string_equal(p->domains[1].name, "example.net");
	assert_string_equal(p->local_domains[0], "intern.example");
	assert_int_equal(p->local_transport_count, 1);
	assert_int_equal(conf->interval_ms, 10 * M);
	assert_int_equal(conf->resolver_count, 3);
	assert_int_equal(conf->resolvers[0].port, 53);
	assert_int_equal(conf->resolvers[1].port, 5353);
	assert_int_equal(conf->resolvers[2].addr.family, ADDR_IPV6);
	assert_int_equal(conf->timeout_ms, 1500);
	assert_int_equal(conf->tries, 3);
	assert_int_equal(conf->parallel, 64);
	assert_int_equal(p->confirm, 3);
	assert_int_equal(conf->confirm_delay_ms, 0);
	assert_int_equal(p->stop_score, 80);
	assert_int_equal(p->resume_clean, 5);
	assert_int_equal(p->resume_after_ms, H);
	assert_int_equal(p->resume_ramp_ms, 0);
	assert_int_equal(p->relapse_factor, 3);
	assert_int_equal(p->resume_max_wait_ms, 2 * D);
	assert_int_equal(p->resume_canaries, 25);
	assert_int_equal(p->provider_count, 0);
	assert_string_equal(conf->gate_file, "lmdb:/var/lib/x/gate");
	assert_true(conf->gate_file_given);
	assert_string_equal(conf->postfix_config, "/etc/postfix-out");
	assert_false(conf->postfix_flush);
	assert_int_equal(p->list_count, 1);
	assert_int_equal(p->lists[0].weight, 40);
	assert_int_equal(conf->milter.port, 8891);
	assert_int_equal(conf->policy_service.kind, ENDPOINT_NONE);
	assert_string_equal(conf->control.path, "/run/x/control.sock");
	assert_string_equal(conf->socket_group, "mail");
	assert_true(conf->has_redis);
	assert_int_equal(conf->redis_server.port, 6380);
	assert_string_equal(conf->redis_prefix, "mb:");
	assert_string_equal(conf->redis_username, "u");
	assert_string_equal(conf->redis_password, "p");
	assert_int_equal(conf->redis_database, 3);
	assert_string_equal(conf->state_file, "");
	assert_string_equal(conf->user, "daemon");
}

/* --- the gate's file, and receivers -------------------------------------- */

static const struct gate_row {
	const char	*claim;
	const char	*file;
	bool		 good;
} gate_rows[] = {
	{ "a gate file of no type", "/var/lib/mailbrake/gate", true },
	{ "of a type", "hash:/var/lib/mailbrake/gate", true },
	{ "of another", "cdb:/gate", true },
	{ "with a colon in its path", "/var/lib/a:b/gate", true },
	{ "none", "", true },
	{ "a gate file must be absolute", "gate", false },
	{ "with a type too", "hash:gate", false },
	{ "a type alone is none", "hash:", false },
};

static void
test_gate_file(void **state)
{
	const struct gate_row *r = *state;
	char *text = xasprintf("\ngate_file = \"%s\";\n", r->file);

	load(text);
	free(text);
	if (r->good) {
		assert_non_null(conf);
		assert_string_equal(conf->gate_file, r->file);
		return;
	}
	assert_null(conf);
	assert_int_equal(errs.error_count, 1);
	unit_says(errs.lines[0], ":2: gate_file: ");
	unit_says(errs.lines[0], "must be an absolute path");
}

static const struct providers_row {
	const char	*claim;
	const char	*text;
	const char	*says;		/* NULL: it is good */
} providers_rows[] = {
	{ "a receiver is known by its domains", "providers = ( { name = "
	    "\"big\"; domains = [\"Big.Example\", \"b\xc3\xbcro.example\"]; "
	    "note = \"x\"; }, { name = \"t-1.x_y\"; domains = "
	    "\"other.example\"; } );", NULL },
	{ "no receivers at all", "", NULL },
	{ "a receiver needs a name", "providers = ( { domains = "
	    "\"a.example\"; } );", "needs a name" },
	{ "of small letters", "providers = ( { name = \"Big\"; domains = "
	    "\"a.example\"; } );", "small letters" },
	{ "without spaces", "providers = ( { name = \"a b\"; domains = "
	    "\"a.example\"; } );", "small letters" },
	{ "a receiver needs domains", "providers = ( { name = \"big\"; } );",
	    "provider \"big\" needs domains" },
	{ "that are some", "providers = ( { name = \"big\"; domains = "
	    "\"a..example\"; } );", "\"a..example\" has an empty label" },
	{ "a receiver stands once", "providers = ( { name = \"big\"; "
	    "domains = \"a.example\"; }, { name = \"big\"; domains = "
	    "\"b.example\"; } );", "provider \"big\" stands twice" },
	{ "a domain is of one receiver", "providers = ( { name = \"a\"; "
	    "domains = \"a.example\"; }, { name = \"b\"; domains = "
	    "\"x.a.example\"; } );", "belongs to provider \"a\" already" },
	{ "a setting that there is none of", "providers = ( { name = "
	    "\"big\"; domian = \"a.example\"; } );", "unknown setting" },
};

static void
test_providers(void **state)
{
	const struct providers_row *r = *state;
	char *text = xasprintf("providers = \"%s\";\n",
	    unit_file("providers.conf", r->text));
	const struct policy *p;

	load(text);
	free(text);
	if (r->says != NULL) {
		assert_null(conf);
		assert_true(errs.error_count > 0);
		unit_says(errs.lines[0], "providers.conf:1: ");
		unit_says(errs.lines[0], r->says);
		return;
	}
	assert_non_null(conf);
	p = conf->policy;
	assert_int_equal(policy_find_provider(p, NULL), -1);
	if (r->text[0] == '\0') {
		assert_int_equal(p->provider_count, 0);
		return;
	}
	assert_int_equal(p->provider_count, 2);
	assert_int_equal(policy_find_provider(p, "BIG.example"), 0);
	assert_int_equal(policy_find_provider(p, "mx.big.example"), 0);
	assert_int_equal(policy_find_provider(p, "bigbig.example"), -1);
	assert_int_equal(policy_find_provider(p, "xn--bro-hoa.example"), 0);
	assert_int_equal(policy_find_provider(p, "other.example"), 1);
	assert_int_equal(policy_find_provider(p, "example"), -1);
}

static void
test_providers_file(void **state)
{
	char *text = xasprintf("providers = \"%s\";\n",
	    unit_source("etc/providers.conf"));
	size_t i, k, j, m;
	const struct policy *p;

	(void)state;
	load_good(text);
	free(text);
	/* The lists are all that is missing. */
	assert_int_equal(errs.count, 1);
	p = conf->policy;
	assert_true(p->provider_count > 10);
	assert_string_equal(p->providers[policy_find_provider(p,
	    "hotmail.co.uk")].name, "microsoft");
	/* No domain stands twice, or below that of another receiver. */
	for (i = 0; i < p->provider_count; i++) {
		const struct provider *a = &p->providers[i];

		assert_true(a->domain_count > 0);
		for (k = 0; k < a->domain_count; k++) {
			assert_int_equal(policy_find_provider(p,
			    a->domains[k]), i);
			for (j = 0; j < p->provider_count; j++) {
				const struct provider *b = &p->providers[j];

				for (m = 0; m < b->domain_count; m++)
					assert_true((i == j && k == m) ||
					    strcmp(a->domains[k],
					    b->domains[m]) != 0);
			}
		}
	}
	load("providers = \"providers.conf\";");
	assert_null(conf);
	unit_says(errs.lines[0], "providers: \"providers.conf\": must be an "
	    "absolute path");
	load("providers = \"/nowhere/providers.conf\";");
	assert_null(conf);
	unit_says(errs.lines[0], "/nowhere/providers.conf");
}

static void
test_pools_of_the_rest(void **state)
{
	const struct policy *p;

	(void)state;
	load_good("egress = ( { name = \"a\"; addresses = \"203.0.113.1\"; },"
	    "{ name = \"b\"; addresses = \"203.0.113.2\"; },"
	    "{ name = \"c\"; addresses = \"203.0.113.3\"; } );");
	p = conf->policy;
	assert_int_equal(p->pool_count, 1);
	assert_string_equal(p->pools[0].name, "default");
	assert_int_equal(p->pools[0].egress_count, 3);
	load_good("egress = ( { name = \"a\"; addresses = \"203.0.113.1\"; },"
	    "{ name = \"b\"; addresses = \"203.0.113.2\"; },"
	    "{ name = \"c\"; addresses = \"203.0.113.3\"; } );"
	    "pools = ( { name = \"p\"; egress = \"b\"; } );");
	p = conf->policy;
	assert_int_equal(p->pool_count, 3);
	assert_int_equal(p->egress[1].pool, 0);
	assert_int_not_equal(p->egress[0].pool, p->egress[2].pool);
}

static void
test_transports(void **state)
{
	const struct policy *p;

	(void)state;
	load_good("egress = ( { name = \"a\"; addresses = \"203.0.113.1\"; },"
	    "{ name = \"b\"; addresses = \"203.0.113.2\"; } );");
	p = conf->policy;
	assert_string_equal(p->egress[0].transports[0], "smtp");
	assert_string_equal(p->egress[1].transports[0], "b");
}

static void
test_redis_defaults(void **state)
{
	(void)state;
	load_good("redis = { };");
	assert_true(conf->has_redis);
	assert_int_equal(conf->redis_server.port, 6379);
	assert_int_equal(addr_scope(&conf->redis_server.addr),
	    ADDR_LOOPBACK);
	assert_string_equal(conf->redis_prefix, "mailbrake:");
	assert_null(conf->redis_password);
	assert_int_equal(conf->redis_database, 0);
}

static void
test_local(void **state)
{
	char host[256];
	const struct policy *p;
	bool localhost = false, own = false;
	size_t i;

	(void)state;
	load_good("local_domains = [\"a.example\"];");
	p = conf->policy;
	assert_int_equal(gethostname(host, sizeof(host)), 0);
	for (i = 0; i < p->local_domain_count; i++) {
		localhost |= strcmp(p->local_domains[i], "localhost") == 0;
		own |= strcmp(p->local_domains[i], host) == 0;
	}
	assert_true(localhost && own);
	assert_int_equal(p->local_domain_count, 3);
}

static void
test_sockets_that_are_not_named(void **state)
{
	char where[ENDPOINT_TEXT_MAX];
	size_t i;

	(void)state;
	load_good("");
	assert_string_equal(endpoint_text(&conf->http, where),
	    "inet:127.0.0.1:9845");
	load_good("listen = { http = \"\"; control = \"unix:/run/c\"; };");
	assert_int_equal(conf->http.kind, ENDPOINT_NONE);
	load_good("listen = { control = \"unix:/run/c\"; };");
	assert_int_equal(conf->http.kind, ENDPOINT_NONE);
	assert_int_equal(conf->milter.kind, ENDPOINT_NONE);
	assert_int_equal(conf->policy_service.kind, ENDPOINT_NONE);
	assert_int_equal(conf->socketmap.kind, ENDPOINT_NONE);
	load_good("listen = { socketmap = \"inet:[::1]:10046\";\n"
	    " control = \"unix:/run/c\"; };");
	assert_int_equal(conf->milter.kind, ENDPOINT_NONE);
	assert_int_equal(conf->policy_service.kind, ENDPOINT_NONE);
	assert_int_equal(conf->socketmap.kind, ENDPOINT_INET);
	assert_int_equal(conf->socketmap.port, 10046);
	/* That is a way for mail to be stopped: there is nothing to warn of
	 * but that no list is watched. */
	for (i = 0; i < errs.count; i++)
		unit_says_not(errs.lines[i], "listen");
}

/* --- warnings do not refuse --------------------------------------------- */

static const struct warn_row {
	const char	*claim;
	const char	*text;
	const char	*words;
} warn_rows[] = {
	{ "no way for mail to be stopped is said",
	    "listen = { control = \"unix:/run/c\"; };",
	    "no mail will be stopped" },
	{ "of two passwords the file is used",
	    "redis = { password = \"p\"; password_file = \"/dev/null\"; };",
	    "redis.password is not used" },
	{ "a file that is not there is said",
	    "redis = { password_file = \"/nonexistent/p\"; };",
	    "redis.password_file: \"/nonexistent/p\": there is no such" },
	{ "Sentinels make the server's address useless",
	    "redis = { server = \"192.0.2.9\"; sentinels = [\"192.0.2.1\"]; "
	    "master_name = \"m\"; };", "redis.server is not used" },
	{ "a server that nobody verifies is said",
	    "redis = { tls = { verify = false; }; };",
	    "whoever answers is taken for the server" },
	{ "no way for the operator to speak is said",
	    "listen = { milter = \"unix:/run/m\"; };",
	    "listen.control is not offered" },
};

static void
test_warn(void **state)
{
	const struct warn_row *r = *state;
	size_t i;

	load_good(r->text);
	assert_int_equal(errs.error_count, 0);
	for (i = 0; i < errs.count; i++) {
		assert_true(errs.warning[i]);
		if (strstr(errs.lines[i], r->words) != NULL)
			return;
	}
	fail_msg("nobody said \"%s\"", r->words);
}

/* --- the host's own addresses ------------------------------------------- */

static void
set_host(const char *const *texts, size_t count)
{
	struct addr addrs[4];
	size_t i;

	load_good("lists = ( { zone = \"bl.example.net\"; } );");
	assert_int_equal(errs.count, 0);
	for (i = 0; i < count; i++)
		assert_true(addr_parse(texts[i], &addrs[i]));
	config_set_host_egress(conf, addrs, count, &errs);
	assert_int_equal(conf->policy->egress_count, 1);
	assert_int_equal(conf->policy->pool_count, 1);
	assert_string_equal(conf->policy->egress[0].name, "default");
	assert_string_equal(conf->policy->egress[0].transports[0], "smtp");
	assert_int_equal(conf->policy->egress[0].pool, 0);
	assert_int_equal(errs.error_count, 0);
}

static void
test_host_public(void **state)
{
	static const char *const addrs[] = { "203.0.113.7", "2001:db8::7" };

	(void)state;
	set_host(addrs, 2);
	assert_int_equal(conf->policy->egress[0].addr_count, 2);
	assert_true(conf->policy->egress[0].watched);
	assert_int_equal(errs.count, 0);
}

static void
test_host_private(void **state)
{
	static const char *const addrs[] = { "192.168.1.7", "fd00::7" };

	(void)state;
	set_host(addrs, 2);
	assert_int_equal(conf->policy->egress[0].addr_count, 0);
	assert_false(conf->policy->egress[0].watched);
	assert_int_equal(errs.count, 2);
	unit_says(errs.lines[0], "192.168.1.7");
	unit_says(errs.lines[0], "not a public address");
	unit_says(errs.lines[0], "egress = (");
}

static void
test_host_mixed(void **state)
{
	static const char *const addrs[] = { "10.0.0.7", "2001:db8::7" };

	(void)state;
	set_host(addrs, 2);
	assert_int_equal(conf->policy->egress[0].addr_count, 1);
	assert_true(conf->policy->egress[0].watched);
	assert_int_equal(errs.count, 1);
	unit_says(errs.lines[0], "10.0.0.7");
}

static void
test_host_nowhere(void **state)
{
	(void)state;
	set_host(NULL, 0);
	assert_false(conf->policy->egress[0].watched);
	assert_int_equal(errs.count, 1);
	unit_says(errs.lines[0], "no default route");
}

int
main(void)
{
	int failed;

	unit_rows(bad_rows, test_bad);
	unit_claim("numbers that would wrap to others that are bad too",
	    test_wrapped);
	unit_claim("all mistakes are said at once, each with its line",
	    test_all_at_once);
	unit_claim("a thousand mistakes are counted, not all printed",
	    test_never_ends);
	unit_claim("a message is one clean line", test_clean_messages);
	unit_claim("a file that is not there is named", test_missing);
	unit_claim("a directory is no configuration", test_directory);
	unit_claim("a FIFO is no configuration", test_fifo);
	unit_claim("a file that may not be read is said", test_unreadable);
	unit_claim("a file with a NUL byte hides nothing", test_nul);
	unit_claim("a read error does not end the process",
	    test_unreadable_text);
	unit_claim("an include is read", test_include);
	unit_claim("a mistake in an include is named with its file",
	    test_bad_include);
	unit_claim("a number that would wrap in an include is found",
	    test_wrapped_include);
	unit_rows(include_rows, test_include_path);
	unit_claim("an include of itself ends", test_include_loop);
	unit_claim("an include of itself, many times, ends soon",
	    test_include_bomb);
	unit_claim("comments and strings are not looked into",
	    test_include_in_a_string);
	unit_rows(secret_rows, test_secret);
	unit_claim("the empty file is good", test_empty);
	unit_claim("every default is that of the manual", test_nearly_empty);
	unit_claim("the shipped catalogue gives no word of complaint",
	    test_whole_catalogue);
	unit_claim("everything that can be set is set", test_full);
	unit_rows(gate_rows, test_gate_file);
	unit_rows(providers_rows, test_providers);
	unit_claim("the shipped receivers are good, others may be named",
	    test_providers_file);
	unit_claim("egresses without a pool stand in for each other, or alone",
	    test_pools_of_the_rest);
	unit_claim("the first egress is smtp, the others go by their names",
	    test_transports);
	unit_claim("an empty redis group is the Redis of this host",
	    test_redis_defaults);
	unit_claim("localhost and the host's own name are always local",
	    test_local);
	unit_claim("a socket that listen does not name is not offered",
	    test_sockets_that_are_not_named);
	unit_rows(warn_rows, test_warn);
	unit_claim("public addresses of the host are watched",
	    test_host_public);
	unit_claim("private addresses are not, and it is said what to do",
	    test_host_private);
	unit_claim("of both kinds the public ones are watched",
	    test_host_mixed);
	unit_claim("a host without a default route is told so",
	    test_host_nowhere);
	failed = unit_run("config");
	forget(NULL);
	return failed;
}
