/*
 * Copyright (C) the Warren authors
 *
 * The inbox.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "digest.h"
#include "inbox.h"
#include "json.h"
#include "pg_array.h"
#include "request_private.h"
#include "stats.h"
#include "tx.h"
#include "wire.h"


/* Rows that one statement deletes. */
#define EXPIRE_MAX  5000

#define TEXT_OF(number)  TEXT_OF_TOKEN(number)
#define TEXT_OF_TOKEN(token)  #token


static struct wr_request *find(struct wr_request **reqs, size_t n,
    const char *id);
static void recall(struct wr_request *req, struct wr_rows *rows, int row);
static void recall_headers(struct wr_request *req, const char *text);
static bool is_secret(const struct wr_request *req);
static bool is_keyed(const struct wr_request *req);
static void fingerprint(const struct wr_request *req,
    char text_r[WR_DIGEST_SIZE]);
static int compare_names(const void *one, const void *two);
static const char *headers_text(struct wr_request *req);


/* A plain insert would wait for another lane's transaction, and overlapping
   batches would deadlock: the lock is tried, never waited for. */

static const char  take_sql[] =
    "with k as materialized ("
    "    select id, pg_try_advisory_xact_lock(hashtextextended(id::text, 42))"
    "        as got"
    "    from unnest($1::uuid[]) as id), "
    "ins as ("
    "    insert into inbox (message_id)"
    "    select id from k where got"
    "    on conflict do nothing"
    "    returning message_id) "
    "select k.id, got, ins.message_id is not null as fresh "
    "from k left join ins on ins.message_id = k.id";

/* Each id by itself, so that it is looked for in its own partition alone. */

static const char  recall_sql[] =
    "select i.message_id, i.status, i.fingerprint, i.content_type, i.headers,"
    "    i.body "
    "from unnest($1::uuid[]) as k (id) "
    "cross join lateral ("
    "    select * from inbox where message_id = k.id limit 1) as i";

static const char  give_back_sql[] =
    "delete from inbox where message_id = $1::uuid";

/* The rows are there; an update would join them with all partitions. */

static const char  store_sql[] =
    "insert into inbox (message_id, status, fingerprint, content_type,"
    "    headers, body) "
    "select * from unnest($1::uuid[], $2::smallint[], $3::text[], $4::text[],"
    "    $5::text[], $6::text[]) "
    "on conflict (message_id) do update "
    "set status = excluded.status, fingerprint = excluded.fingerprint,"
    "    content_type = excluded.content_type, headers = excluded.headers,"
    "    body = excluded.body";

/* Days are dropped; what lies in no day's partition is deleted. */

#define EXPIRE(table)                                                         \
    "delete from " table " "                                                  \
    "where ctid = any (array("                                                \
    "    select ctid from " table                                             \
    "    where taken_at < now() - $1::interval"                               \
    "    order by taken_at limit " TEXT_OF(EXPIRE_MAX)                        \
    "    for update skip locked))"

static const char  expire_default_sql[] = EXPIRE("inbox_default");

static const char  expire_far_sql[] = EXPIRE("inbox_far");


struct wr_rows *
wr_inbox_take(struct wr_db *db, struct wr_db_owner *owner,
    struct wr_request **reqs, size_t n)
{
    size_t              i;
    struct wr_pg_array  ids;

    memset(&ids, 0, sizeof(ids));
    ids.arena = owner->arena;

    for (i = 0; i < n; i++) {
        if (is_secret(reqs[i])) {
            reqs[i]->inbox = WR_INBOX_FRESH;
            reqs[i]->is_unsure = false;

        } else {
            wr_pg_array_add(&ids, reqs[i]->msg->message_id);
        }
    }

    return wr_db_query(db, owner, take_sql,
                       WR_PARAMS(wr_pg_array_text(&ids)));
}


void
wr_inbox_read(struct wr_rows *rows, struct wr_request **reqs, size_t n)
{
    int                 i, count;
    struct wr_request  *req;

    count = wr_rows_count(rows);

    for (i = 0; i < count; i++) {
        req = find(reqs, n, wr_rows_text(rows, i, 0));

        if (req == NULL) {
            continue;
        }

        if (wr_rows_text(rows, i, 2)[0] == 't') {
            req->inbox = WR_INBOX_FRESH;
            req->is_unsure = false;

        } else if (wr_rows_text(rows, i, 1)[0] == 't') {
            req->inbox = WR_INBOX_REPEATED;

        } else {
            req->inbox = WR_INBOX_BUSY;
        }
    }
}


/* PostgreSQL writes ids in lower case; a sender may not. */

static struct wr_request *
find(struct wr_request **reqs, size_t n, const char *id)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (strcasecmp(reqs[i]->msg->message_id, id) == 0) {
            return reqs[i];
        }
    }

    return NULL;
}


void
wr_inbox_recall(struct wr_db *db, struct wr_db_owner *owner,
    struct wr_request **reqs, size_t n)
{
    int                  row;
    size_t               i, calls;
    struct wr_rows      *rows;
    struct wr_request   *req;
    struct wr_pg_array   ids;

    memset(&ids, 0, sizeof(ids));
    ids.arena = owner->arena;
    calls = 0;

    for (i = 0; i < n; i++) {
        if (reqs[i]->inbox != WR_INBOX_REPEATED || reqs[i]->is_decided) {
            continue;
        }

        wr_stats_add(WR_STAT_messages_repeated, 1);

        if (reqs[i]->kind == WR_CALL) {
            wr_pg_array_add(&ids, reqs[i]->msg->message_id);
            calls++;

        } else {
            wr_log_info(&reqs[i]->log, "has acted before");
            wr_request_decide(reqs[i], WR_DONE, NULL);
        }
    }

    if (calls == 0) {
        return;
    }

    rows = wr_db_query(db, owner, recall_sql,
                       WR_PARAMS(wr_pg_array_text(&ids)));

    for (row = 0; row < wr_rows_count(rows); row++) {
        req = find(reqs, n, wr_rows_text(rows, row, 0));

        if (req != NULL && !req->is_decided) {
            recall(req, rows, row);
        }
    }
}


static void
recall(struct wr_request *req, struct wr_rows *rows, int row)
{
    char         print[WR_DIGEST_SIZE];
    const char  *stored, *body;

    stored = wr_rows_text(rows, row, 2);
    body = wr_rows_text(rows, row, 5);

    if (is_keyed(req) && stored != NULL) {
        fingerprint(req, print);

        if (strcmp(stored, print) != 0) {
            wr_request_fail(req, WR_REFUSED, WIRE_ERROR_IDEMPOTENCY_MISMATCH,
                            "the key was used for another request");
            return;
        }
    }

    if (wr_rows_int(rows, row, 1) == 0 || body == NULL) {
        wr_request_fail(req, WR_UNCERTAIN, WIRE_ERROR_INTERRUPTED,
                        "has acted before, and its reply was not kept");
        return;
    }

    wr_log_info(&req->log, "has acted before: the reply is sent again");
    req->status = (int) wr_rows_int(rows, row, 1);
    req->reply_type = wr_arena_strdup(req->arena, wr_rows_text(rows, row, 3));
    req->reply_len = strlen(body);
    req->reply = wr_arena_copy(req->arena, body, req->reply_len);
    recall_headers(req, wr_rows_text(rows, row, 4));
    wr_request_decide(req, req->status < 300 ? WR_DONE : WR_REFUSED, NULL);
}


static void
recall_headers(struct wr_request *req, const char *text)
{
    size_t                 i;
    const char            *error, *name;
    const struct wr_json  *headers;

    req->nreply_headers = 0;
    headers = (text != NULL)
              ? wr_json_parse(req->arena, text, strlen(text), &error) : NULL;

    for (i = 0;
         headers != NULL && (name = wr_json_name(headers, i)) != NULL;
         i++)
    {
        wr_reply_header(req, name, wr_json_text(headers, name, 0, 8192, NULL));
    }
}


/* What the inbox never hears of. */

static bool
is_secret(const struct wr_request *req)
{
    return req->handler != NULL && req->handler->is_secret;
}


static bool
is_keyed(const struct wr_request *req)
{
    const char  *keyed;

    keyed = wr_message_text(req->msg, WIRE_HEADER_KEYED);

    return keyed != NULL && strcmp(keyed, "1") == 0;
}


/* Of arguments and body: the same key for another request is a client's
   mistake. */

static void
fingerprint(const struct wr_request *req, char text_r[WR_DIGEST_SIZE])
{
    size_t                    i, n;
    struct wr_digest         *digest;
    const struct wr_message  *msg;
    const struct wr_header   *header, *args[WR_BROKER_HEADERS_MAX];

    msg = req->msg;

    for (i = 0, n = 0; i < msg->nheaders; i++) {
        header = &msg->headers[i];

        if (header->text != NULL
            && strncmp(header->name, WIRE_HEADER_ARG_PREFIX,
                       strlen(WIRE_HEADER_ARG_PREFIX))
               == 0)
        {
            args[n++] = header;
        }
    }

    /* the order of headers is nobody's */

    qsort(args, n, sizeof(args[0]), compare_names);
    digest = wr_digest_new();
    wr_digest_add(digest, msg->body, msg->body_len);

    for (i = 0; i < n; i++) {
        wr_digest_add(digest, args[i]->name, strlen(args[i]->name));
        wr_digest_add(digest, args[i]->text, strlen(args[i]->text));
    }

    wr_digest_end(&digest, text_r);
}


static int
compare_names(const void *one, const void *two)
{
    const struct wr_header *const  *a, *const  *b;

    a = one;
    b = two;

    return strcmp((*a)->name, (*b)->name);
}


void
wr_inbox_give_back(struct wr_db *db, struct wr_db_owner *owner,
    struct wr_request *req)
{
    wr_db_exec(db, owner, give_back_sql, WR_PARAMS(req->msg->message_id));
}


void
wr_inbox_store(struct wr_db *db, struct wr_db_owner *owner,
    struct wr_request **reqs, size_t n)
{
    char                 status[16], print[WR_DIGEST_SIZE];
    size_t               i, count;
    struct wr_request   *req;
    struct wr_pg_array   columns[6];

    memset(columns, 0, sizeof(columns));

    for (i = 0; i < 6; i++) {
        columns[i].arena = owner->arena;
    }

    for (i = 0, count = 0; i < n; i++) {
        req = reqs[i];

        /* what was given back must not be there again */

        if (req->kind != WR_CALL || req->inbox != WR_INBOX_FRESH
            || req->status == 0 || is_secret(req)
            || wr_dispatch_rule(req->outcome, req->kind)->commit
               == WR_COMMIT_NOTHING)
        {
            continue;
        }

        snprintf(status, sizeof(status), "%d", req->status);

        if (is_keyed(req)) {
            fingerprint(req, print);
        }

        wr_pg_array_add(&columns[0], req->msg->message_id);
        wr_pg_array_add(&columns[1], status);
        wr_pg_array_add(&columns[2], is_keyed(req) ? print : NULL);
        wr_pg_array_add(&columns[3], req->reply_type);
        wr_pg_array_add(&columns[4], headers_text(req));
        wr_pg_array_add(&columns[5], (req->reply_len <= WR_INBOX_REPLY_MAX)
                                     ? req->reply : NULL);
        count++;
    }

    if (count != 0) {
        wr_db_exec(db, owner, store_sql,
                   WR_PARAMS(wr_pg_array_text(&columns[0]),
                             wr_pg_array_text(&columns[1]),
                             wr_pg_array_text(&columns[2]),
                             wr_pg_array_text(&columns[3]),
                             wr_pg_array_text(&columns[4]),
                             wr_pg_array_text(&columns[5])));
    }
}


static const char *
headers_text(struct wr_request *req)
{
    size_t                  i;
    struct wr_json_writer  *w;

    if (req->nreply_headers == 0) {
        return NULL;
    }

    w = wr_json_writer_new(req->arena);
    wr_json_object_begin(w, NULL);

    for (i = 0; i < req->nreply_headers; i++) {
        wr_json_put_text(w, req->reply_headers[i].name
                            + strlen(WIRE_HEADER_HTTP_PREFIX),
                         req->reply_headers[i].text);
    }

    wr_json_object_end(w);

    return wr_json_writer_text(w, NULL);
}


bool
wr_inbox_expire(struct wr_db *db, struct wr_db_owner *owner, const char *keep)
{
    struct wr_rows  *near, *far;

    near = wr_db_query(db, owner, expire_default_sql, WR_PARAMS(keep));
    far = wr_db_query(db, owner, expire_far_sql, WR_PARAMS(keep));
    wr_db_sync(db);

    return wr_rows_affected(near) == EXPIRE_MAX
           || wr_rows_affected(far) == EXPIRE_MAX;
}
