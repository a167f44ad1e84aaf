/*
 * Copyright (C) the Warren authors
 *
 * Dead letters.
 */

#include <stdio.h>
#include <string.h>

#include "dead_letter.h"
#include "history.h"
#include "lane_private.h"
#include "request_private.h"
#include "tx.h"
#include "utf8.h"
#include "wire.h"


#define TEXT_OF(number)  TEXT_OF_TOKEN(number)
#define TEXT_OF_TOKEN(token)  #token


static const char *clean(struct wr_arena *arena, const char *text);
static const char *headers_text(struct wr_request *req);
static const char *body_text(struct wr_request *req);
static char *scrubbed(struct wr_request *req, const char *text, size_t len);


static const char  store_sql[] =
    "insert into dead_letter (message_id, home, type, content_type, sender,"
    "    headers, body, reason, attempts, first_at, history) "
    "values ($1::text, $2::text, $3::text, $4::text, $5::text, $6::jsonb,"
    "    $7::bytea, $8::text, $9::int, $10::timestamptz,"
    "    $11::jsonb) "
    "on conflict (message_id, home) do update "
    "set reason = excluded.reason, attempts = excluded.attempts,"
    "    headers = excluded.headers, last_at = now(),"
    "    first_at = least(dead_letter.first_at, excluded.first_at),"
    "    history = case"
    "        when jsonb_array_length(dead_letter.history) < "
                  TEXT_OF(WR_HISTORY_MAX)
    "        then dead_letter.history"
    "        else dead_letter.history - 1"
    "    end || (excluded.history -> -1)";


void
wr_dead_letter_store(struct wr_db *db, struct wr_db_owner *owner,
    struct wr_request *req)
{
    char                attempts[16], id[64];
    const char         *message_id;
    struct wr_arena    *arena;
    struct wr_history   history;

    arena = req->arena;
    message_id = clean(arena, req->msg->message_id);

    /* one without an id must not pass for another without */

    if (message_id[0] == '\0') {
        strcpy(id, "none-");
        wr_id_random_hex(id + 5, 8);
        message_id = id;
    }

    snprintf(attempts, sizeof(attempts), "%d", req->attempt + 1);
    wr_history_read(req, &history);

    wr_db_exec(db, owner, store_sql,
               WR_PARAMS(message_id, clean(arena, req->home),
                         clean(arena, req->msg->type),
                         clean(arena, req->msg->content_type),
                         clean(arena, req->sender), headers_text(req),
                         body_text(req),
                         clean(arena, (req->reason != NULL) ? req->reason
                                                            : "refused"),
                         attempts, history.first_at, history.failures));
}


/* Whoever sent it may have sent anything: the database takes UTF-8 alone. */

static const char *
clean(struct wr_arena *arena, const char *text)
{
    char    *p, *copy;
    size_t   i, n, len;

    len = strlen(text);

    for (i = 0; i < len; i += n) {
        n = wr_utf8_len(text + i, len - i);

        if (n == 0) {
            break;
        }
    }

    if (i == len) {
        return text;
    }

    copy = wr_arena_alloc(arena, len * WR_UTF8_REPLACEMENT_LEN + 1);

    for (i = 0, p = copy; i < len; i += n) {
        n = wr_utf8_len(text + i, len - i);

        if (n == 0) {
            n = 1;
            p = stpcpy(p, WR_UTF8_REPLACEMENT);
            continue;
        }

        memcpy(p, text + i, n);
        p += n;
    }

    return copy;
}


static const char *
headers_text(struct wr_request *req)
{
    size_t                   i, len;
    const char              *text;
    const struct wr_header  *header;
    struct wr_json_writer   *w;

    w = wr_json_writer_new(req->arena);
    wr_json_object_begin(w, NULL);

    for (i = 0; i < req->msg->nheaders; i++) {
        header = &req->msg->headers[i];

        /* it has a column of its own */

        if (strcmp(header->name, WIRE_HEADER_HISTORY) == 0) {
            continue;
        }

        if (header->text != NULL) {
            wr_json_put_text(w, clean(req->arena, header->name),
                             clean(req->arena, header->text));

        } else {
            wr_json_put_int(w, clean(req->arena, header->name),
                            header->number);
        }
    }

    wr_json_object_end(w);
    text = wr_json_writer_text(w, &len);

    return scrubbed(req, text, len);
}


/* bytea's hex form */

static const char *
body_text(struct wr_request *req)
{
    static const char  hex[] = "0123456789abcdef";

    char        *text, *p;
    size_t       i, len;
    const char  *body;

    len = req->msg->body_len;
    body = scrubbed(req, req->msg->body, len);
    text = wr_arena_alloc(req->arena, len * 2 + 3);
    p = stpcpy(text, "\\x");

    for (i = 0; i < len; i++) {
        *p++ = hex[(unsigned char) body[i] >> 4];
        *p++ = hex[(unsigned char) body[i] & 15];
    }

    return text;
}


/* A copy without what the service says must not be stored. */

static char *
scrubbed(struct wr_request *req, const char *text, size_t len)
{
    char  *copy;

    copy = wr_arena_copy(req->arena, text, len);

    if (req->lane->service->scrub != NULL) {
        req->lane->service->scrub(copy, len);
    }

    return copy;
}
