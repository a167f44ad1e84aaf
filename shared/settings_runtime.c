/*
 * Copyright (C) the Warren authors
 *
 * The settings that every worker has.
 */

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "log_private.h"
#include "settings_private.h"
#include "stats.h"
#include "wire.h"


#define BATCH_MAX     1000
#define PREFETCH_MAX  65535     /* the broker counts in 16 bits */

/* A message on its longest way home must not be forgotten; each day that is
   kept is a partition more. */
#define KEEP_MIN_MS   (8 * 3600 * 1000)
#define KEEP_MAX_MS   (90LL * 24 * 3600 * 1000)


/* integers (and milliseconds) that their type alone would let through */

struct range {
    const char  *key;
    int64_t      min;
    int64_t      max;
};


static void broker_check(struct wr_settings *settings);
static void range_check(struct wr_settings *settings,
    const struct range *range);


const struct wr_setting  wr_settings_runtime[] = {
    { "broker.url", WR_SETTING_TEXT, NULL, false,
      "amqp(s)://user@host:port/vhost of the broker; several by blanks" },
    { "broker.password_file", WR_SETTING_FILE, "", false,
      "file whose first line is the broker user's password" },
    { "broker.ca_file", WR_SETTING_TEXT,
      "/etc/ssl/certs/ca-certificates.crt", false,
      "authorities that may sign the certificate of an amqps broker" },
    { "broker.certificate_file", WR_SETTING_TEXT, "", false,
      "our certificate, for an amqps broker that asks for one" },
    { "broker.key_file", WR_SETTING_TEXT, "", false,
      "the key of that certificate" },
    { "broker.heartbeat", WR_SETTING_DURATION, "15s", false,
      "heartbeat asked of the broker, in whole seconds" },
    { "database.url", WR_SETTING_TEXT, NULL, false,
      "libpq URI of the service's database, direct or session-pooled" },
    { "database.password_file", WR_SETTING_FILE, "", false,
      "file whose first line is the database role's password" },
    { "lanes", WR_SETTING_CPUS, "1", false,
      "processes that consume, each with its own connections, or auto" },
    { "batch", WR_SETTING_INT, "32", false,
      "messages a lane takes at most into one transaction" },
    { "prefetch", WR_SETTING_INT, "0", false,
      "messages the broker sends ahead; 0: three times the batch" },
    { "queues", WR_SETTING_TEXT, "", false,
      "queues to consume: rpc, commands, events, channel.NAME; empty: all" },
    { "trusted_users", WR_SETTING_TEXT, "gateway", false,
      "broker users whose word on a caller's identity counts" },
    { "drain_timeout", WR_SETTING_DURATION, "20s", false,
      "time to finish what was delivered, when told to stop" },
    { "give_back_after", WR_SETTING_DURATION, "5m", false,
      "time without the database before what is held is given back" },
    { "stuck_after", WR_SETTING_DURATION, "60s", false,
      "a lane without a sign of life for so long is aborted; 0s: never" },
    { "retry.max_attempts", WR_SETTING_INT, "8", false,
      "failures of a message before it becomes a dead letter" },
    { "inbox.keep", WR_SETTING_DURATION, "14d", false,
      "how long a message that comes again is known to have acted" },
    { "outbox.keep", WR_SETTING_DURATION, "2d", false,
      "how long an empty partition of the outbox is kept after its day" },
    { "retry.in_order_pause", WR_SETTING_DURATION, "1s", false,
      "pause before an event in order is tried again; doubles, up to 30s" },
    { "log.level", WR_SETTING_TEXT, "info", true,
      "error, warn, info or debug" },
    { "log.format", WR_SETTING_TEXT, "json", false,
      "json (ECS field names) or text" },
    { "http.listen", WR_SETTING_TEXT, "127.0.0.1:0", false,
      "address:port of /live, /ready and /metrics; port 0: any; or off" },
    { "pid_file", WR_SETTING_TEXT, "", false,
      "where to write the supervisor's process id; empty: nowhere" },
    WR_SETTINGS_END
};


static const struct range  ranges[] = {
    { "broker.heartbeat", 1000, 600 * 1000 },
    { "lanes", 1, WR_LANES_MAX },
    { "batch", 1, BATCH_MAX },
    { "prefetch", 0, PREFETCH_MAX },
    { "drain_timeout", 0, 3600 * 1000 },
    { "give_back_after", 1000, 25 * 60 * 1000 },
    { "stuck_after", 0, 3600 * 1000 },
    { "retry.max_attempts", 1, WIRE_RUNGS },
    { "inbox.keep", KEEP_MIN_MS, KEEP_MAX_MS },
    { "outbox.keep", KEEP_MIN_MS, KEEP_MAX_MS },
    { "retry.in_order_pause", 1, 30 * 1000 },
    { NULL, 0, 0 }
};


void
wr_settings_runtime_check(struct wr_settings *settings)
{
    const char          *text;
    const struct range  *range;

    /* a value that is no number was told already */

    if (settings->errors_count != 0) {
        return;
    }

    for (range = ranges; range->key != NULL; range++) {
        range_check(settings, range);
    }

    broker_check(settings);

    text = wr_settings_text(settings, "log.level");

    if (wr_log_level_of(text) < 0) {
        wr_settings_refuse(settings, "log.level", "\"%.100s\" is not error, "
                           "warn, info or debug", text);
    }

    text = wr_settings_text(settings, "log.format");

    if (wr_log_format_of(text) < 0) {
        wr_settings_refuse(settings, "log.format", "\"%.100s\" is not json or "
                           "text", text);
    }

    text = wr_settings_text(settings, "http.listen");

    if (strcmp(text, "off") != 0 && strrchr(text, ':') == NULL) {
        wr_settings_refuse(settings, "http.listen", "\"%.100s\" is not "
                           "address:port or off", text);
    }
}


/* who can disturb the way with TLS would be told the password on the other */

static void
broker_check(struct wr_settings *settings)
{
    bool         is_tls, has_plain, has_tls;
    const char  *url;

    has_plain = false;
    has_tls = false;

    for (url = wr_settings_text(settings, "broker.url"); ; ) {
        url += strspn(url, " \t,");

        if (*url == '\0') {
            break;
        }

        is_tls = (strncmp(url, "amqps://", 8) == 0);
        has_tls = has_tls || is_tls;
        has_plain = has_plain || !is_tls;

        url += strcspn(url, " \t,");
    }

    if (has_tls && has_plain) {
        wr_settings_refuse(settings, "broker.url", "mixes amqps and amqp; "
                           "write amqps for all");
    }

    if ((wr_settings_text(settings, "broker.certificate_file")[0] == '\0')
        != (wr_settings_text(settings, "broker.key_file")[0] == '\0'))
    {
        wr_settings_refuse(settings, "broker.key_file", "must be there with "
                           "broker.certificate_file, and not without");
    }
}


static void
range_check(struct wr_settings *settings, const struct range *range)
{
    size_t   i;
    int64_t  number;

    for (i = 0; i < settings->count; i++) {
        if (strcmp(settings->entries[i].setting->key, range->key) != 0) {
            continue;
        }

        number = settings->entries[i].number;

        if (settings->entries[i].setting->type == WR_SETTING_CPUS
            && number > range->max
            && strcmp(settings->entries[i].value, "auto") == 0)
        {
            settings->entries[i].number = range->max;
            continue;
        }

        if (number < range->min || number > range->max) {
            wr_settings_refuse(settings, range->key, "%s is not within %"
                               PRId64 " and %" PRId64 "%s",
                               settings->entries[i].value, range->min,
                               range->max,
                               settings->entries[i].setting->type
                               == WR_SETTING_DURATION ? " ms" : "");
        }
    }
}
