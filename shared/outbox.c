/*
 * Copyright (C) the Warren authors
 *
 * The outbox.
 */

#include <stdlib.h>
#include <string.h>

#include "broker.h"
#include "clock.h"
#include "debug.h"
#include "json.h"
#include "memory.h"
#include "outbox.h"
#include "pg_array.h"
#include "request_private.h"
#include "stats.h"
#include "tx.h"
#include "wire.h"


/* Rows deleted by one statement. */
#define DELETE_MAX  1000

/* Rows taken over by one statement. */
#define SWEEP_MAX   200

/* Rows of which the oldest one is looked for. */
#define LEFT_MAX    100

#define COLUMNS     9

/* behind them, when it is swept: how old it is, in milliseconds */
#define COLUMN_AGE  COLUMNS

#define TEXT_OF(number)  TEXT_OF_TOKEN(number)
#define TEXT_OF_TOKEN(token)  #token


enum column {
    COLUMN_ID = 0,
    COLUMN_EXCHANGE,
    COLUMN_KEY,
    COLUMN_TYPE,
    COLUMN_CONTENT_TYPE,
    COLUMN_TRACEPARENT,
    COLUMN_SUB,
    COLUMN_BODY,
    COLUMN_HEADERS          /* beside the others; NULL: none */
};


/* a row in memory, its texts behind it */

struct row {
    struct row         *next;
    struct wr_confirm   confirm;
    bool                is_swept;
    bool                is_passing;         /* has no row in the table */
    int64_t             made_ms;            /* wr_clock_wall_ms() */
    const char         *columns[COLUMNS];
    char                texts[];
};

struct fifo {
    struct row         *first;
    struct row        **last;
    size_t              count;
};

struct wr_outbox {
    struct wr_broker     *broker;
    const struct wr_log  *log;
    struct fifo           queued;       /* to be published */
    struct fifo           sent;         /* wait for their confirms */
    struct fifo           confirmed;    /* to be deleted */
    size_t                ndeleting;    /* of confirmed, from its head */
    bool                  is_doubtful;  /* what became of the last time */
    int64_t               deleted_ms;
};


static void row_columns(const struct wr_request *req,
    const struct wr_announcement *announcement, const char **columns_r);
static void add_row(struct wr_outbox *outbox, const char **columns,
    bool is_swept, bool is_passing, int64_t made_ms);
static void tell(const struct wr_outbox *outbox);
static void collect(struct wr_outbox *outbox);
static void publish(struct wr_outbox *outbox);
static enum wr_published publish_row(struct wr_outbox *outbox,
    struct row *row, struct wr_arena *arena);
static int add_headers(struct wr_publishing *pub, struct wr_header *headers,
    const char *text, struct wr_arena *arena);
static bool has(const struct fifo *fifo, const char *id);
static void fifo_init(struct fifo *fifo);
static void fifo_push(struct fifo *fifo, struct row *row);
static struct row *fifo_pop(struct fifo *fifo);


static const char  store_sql[] =
    "insert into outbox (id, exchange, routing_key, type, content_type,"
    "    traceparent, sub, body, headers) "
    "select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[],"
    "    $5::text[], $6::text[], $7::text[], $8::text[], $9::jsonb[])";

static const char  delete_sql[] =
    "select runtime_outbox_delete($1::uuid[])";

/* A transaction that was lost may still hold the rows that it deleted: nobody
   waits for it.  If it ends without a commit they are swept, and sent twice. */

static const char  delete_free_sql[] =
    "delete from outbox "
    "where id = any (array("
    "    select id from outbox where id = any ($1::uuid[])"
    "    for update skip locked))";

/* No transaction stays open while they are published: due_at is a lease. */

static const char  sweep_sql[] =
    "select id, exchange, routing_key, type, content_type, traceparent,"
    "    sub, body, headers,"
    "    (extract(epoch from now() - created_at) * 1000)::bigint "
    "from runtime_outbox_sweep(" TEXT_OF(SWEEP_MAX) ", '30 seconds')";


/* Ids are in the order of time, but for dead letters that are sent again: of
   some with the smallest ids the oldest is near enough.  What is younger is
   still in the memory of who made it. */

static const char  left_sql[] =
    "select (extract(epoch from now() - min(created_at)) * 1000)::bigint "
    "from ("
    "    select created_at from outbox order by id limit " TEXT_OF(LEFT_MAX)
    ") as t "
    "where created_at < now() - interval '10 seconds'";


struct wr_outbox *
wr_outbox_new(struct wr_broker *broker, const struct wr_log *log)
{
    struct wr_outbox  *outbox;

    outbox = wr_memory_alloc(1, sizeof(struct wr_outbox));
    outbox->broker = broker;
    outbox->log = log;
    fifo_init(&outbox->queued);
    fifo_init(&outbox->sent);
    fifo_init(&outbox->confirmed);

    return outbox;
}


void
wr_outbox_free(struct wr_outbox **outbox)
{
    struct row  *row;

    if (*outbox == NULL) {
        return;
    }

    while ((row = fifo_pop(&(*outbox)->queued)) != NULL) {
        free(row);
    }

    while ((row = fifo_pop(&(*outbox)->sent)) != NULL) {
        wr_broker_forget((*outbox)->broker, &row->confirm);
        free(row);
    }

    while ((row = fifo_pop(&(*outbox)->confirmed)) != NULL) {
        free(row);
    }

    free(*outbox);
    *outbox = NULL;
}


void
wr_outbox_store(struct wr_db *db, struct wr_db_owner *owner,
    struct wr_request **reqs, size_t n)
{
    size_t                          i, j;
    const char                     *columns[COLUMNS], *params[COLUMNS];
    struct wr_pg_array              arrays[COLUMNS];
    const struct wr_announcement   *announcement;

    memset(arrays, 0, sizeof(arrays));

    for (j = 0; j < COLUMNS; j++) {
        arrays[j].arena = owner->arena;
    }

    for (i = 0; i < n; i++) {
        if (reqs[i]->outcome != WR_DONE) {
            continue;
        }

        for (announcement = reqs[i]->announcements; announcement != NULL;
             announcement = announcement->next)
        {
            if (announcement->is_passing) {
                continue;
            }

            row_columns(reqs[i], announcement, columns);

            for (j = 0; j < COLUMNS; j++) {
                wr_pg_array_add(&arrays[j], columns[j]);
            }
        }
    }

    if (arrays[0].len == 0) {
        return;
    }

    for (j = 0; j < COLUMNS; j++) {
        params[j] = wr_pg_array_text(&arrays[j]);
    }

    wr_db_exec(db, owner, store_sql, COLUMNS, params);
}


static void
row_columns(const struct wr_request *req,
    const struct wr_announcement *announcement, const char **columns_r)
{
    columns_r[COLUMN_ID] = announcement->id;
    columns_r[COLUMN_EXCHANGE] = announcement->exchange;
    columns_r[COLUMN_KEY] = announcement->key;
    columns_r[COLUMN_TYPE] = announcement->type;
    columns_r[COLUMN_CONTENT_TYPE] = announcement->content_type;
    columns_r[COLUMN_TRACEPARENT] = wr_message_text(req->msg,
                                                    WIRE_HEADER_TRACEPARENT);
    columns_r[COLUMN_SUB] = req->sub;
    columns_r[COLUMN_BODY] = announcement->body;
    columns_r[COLUMN_HEADERS] = announcement->headers;
}


void
wr_outbox_add(struct wr_outbox *outbox, struct wr_request **reqs, size_t n)
{
    size_t                         i;
    const char                    *columns[COLUMNS];
    const struct wr_announcement  *announcement;

    for (i = 0; i < n; i++) {
        if (reqs[i]->outcome != WR_DONE) {
            continue;
        }

        for (announcement = reqs[i]->announcements; announcement != NULL;
             announcement = announcement->next)
        {
            row_columns(reqs[i], announcement, columns);
            add_row(outbox, columns, false, announcement->is_passing,
                    wr_clock_wall_ms());
        }
    }

    tell(outbox);
}


static void
add_row(struct wr_outbox *outbox, const char **columns, bool is_swept,
    bool is_passing, int64_t made_ms)
{
    char        *p;
    size_t       j, size;
    struct row  *row;

    if (wr_outbox_depth(outbox) >= WR_OUTBOX_MEMORY_MAX) {
        return;
    }

    for (j = 0, size = sizeof(struct row); j < COLUMNS; j++) {
        size += (columns[j] != NULL) ? strlen(columns[j]) + 1 : 0;
    }

    row = wr_memory_alloc(1, size);
    row->is_swept = is_swept;
    row->is_passing = is_passing;
    row->made_ms = made_ms;

    for (j = 0, p = row->texts; j < COLUMNS; j++) {
        if (columns[j] != NULL) {
            row->columns[j] = p;
            p = stpcpy(p, columns[j]) + 1;
        }
    }

    fifo_push(&outbox->queued, row);
}


void
wr_outbox_publish(struct wr_outbox *outbox)
{
    collect(outbox);
    publish(outbox);
    tell(outbox);
}


/* What is queued or sent first is the oldest, or nearly so. */

static void
tell(const struct wr_outbox *outbox)
{
    int64_t            oldest_ms;
    const struct row  *queued, *sent;

    queued = outbox->queued.first;
    sent = outbox->sent.first;
    oldest_ms = (queued != NULL) ? queued->made_ms : 0;

    if (sent != NULL && (queued == NULL || sent->made_ms < oldest_ms)) {
        oldest_ms = sent->made_ms;
    }

    wr_stats_outbox((int64_t) (outbox->queued.count + outbox->sent.count),
                    oldest_ms);
}


/* Confirms come nearly in order: what is behind an open one waits with it. */

static void
collect(struct wr_outbox *outbox)
{
    struct row  *row;

    while (outbox->sent.first != NULL
           && outbox->sent.first->confirm.state != WR_CONFIRM_WAITING)
    {
        row = fifo_pop(&outbox->sent);

        if (row->confirm.state == WR_CONFIRM_ACKED) {
            wr_debug_step(WR_DEBUG_after_confirm);
            wr_stats_add(WR_STAT_events_published, 1);

            if (row->is_passing) {
                free(row);

            } else {
                fifo_push(&outbox->confirmed, row);
            }

            continue;
        }

        if (row->confirm.state == WR_CONFIRM_LOST) {
            memset(&row->confirm, 0, sizeof(row->confirm));
            fifo_push(&outbox->queued, row);
            continue;
        }

        /* it stays in the table and leaves when it is due */

        if (row->confirm.state == WR_CONFIRM_RETURNED) {
            wr_log_warn(outbox->log, "no queue takes \"%s\" for \"%s\"",
                        row->columns[COLUMN_TYPE], row->columns[COLUMN_KEY]);

        } else if (row->confirm.state == WR_CONFIRM_NACKED) {
            wr_log_warn(outbox->log, "the broker refuses \"%s\" for \"%s\"",
                        row->columns[COLUMN_TYPE], row->columns[COLUMN_KEY]);
        }

        free(row);
    }
}


static void
publish(struct wr_outbox *outbox)
{
    struct row         *row;
    struct wr_arena    *arena;
    enum wr_published   rc;

    arena = wr_arena_new();

    while ((row = outbox->queued.first) != NULL) {
        wr_debug_step(WR_DEBUG_before_publish);
        rc = publish_row(outbox, row, arena);
        wr_arena_reset(arena);

        if (rc == WR_PUBLISH_LATER
            || (rc == WR_PUBLISH_DOWN
                && row->confirm.state == WR_CONFIRM_NONE))
        {
            break;
        }

        row = fifo_pop(&outbox->queued);

        if (rc == WR_PUBLISH_REFUSED) {
            wr_log_error(outbox->log, "outbox row %s cannot be sent",
                         row->columns[COLUMN_ID]);
            free(row);
            continue;
        }

        wr_stats_add(WR_STAT_events_swept, row->is_swept);
        fifo_push(&outbox->sent, row);
    }

    wr_arena_free(&arena);
}


static enum wr_published
publish_row(struct wr_outbox *outbox, struct row *row,
    struct wr_arena *arena)
{
    struct wr_header       headers[WR_BROKER_HEADERS_MAX];
    struct wr_publishing   pub;

    memset(&pub, 0, sizeof(pub));
    pub.exchange = row->columns[COLUMN_EXCHANGE];
    pub.key = row->columns[COLUMN_KEY];
    pub.type = row->columns[COLUMN_TYPE];
    pub.content_type = row->columns[COLUMN_CONTENT_TYPE];
    pub.message_id = row->columns[COLUMN_ID];
    pub.body = row->columns[COLUMN_BODY];
    pub.body_len = strlen(pub.body);
    pub.is_persistent = !row->is_passing;
    pub.headers = headers;

    /* what nobody listens to, and nobody sees, is well; a command is not */

    pub.is_mandatory = strcmp(pub.exchange, WIRE_EXCHANGE_EVENTS) != 0
                       && strcmp(pub.exchange, WIRE_EXCHANGE_NOTIFICATIONS)
                          != 0;

    if (row->columns[COLUMN_TRACEPARENT] != NULL) {
        headers[pub.nheaders].name = WIRE_HEADER_TRACEPARENT;
        headers[pub.nheaders++].text = row->columns[COLUMN_TRACEPARENT];
    }

    if (row->columns[COLUMN_SUB] != NULL) {
        headers[pub.nheaders].name = WIRE_HEADER_SUB;
        headers[pub.nheaders++].text = row->columns[COLUMN_SUB];
    }

    if (row->columns[COLUMN_HEADERS] != NULL
        && add_headers(&pub, headers, row->columns[COLUMN_HEADERS], arena)
           == -1)
    {
        return WR_PUBLISH_REFUSED;
    }

    return wr_broker_publish(outbox->broker, &pub, &row->confirm);
}


/* [{"name": …, "text": … or "number": …}, …] */

static int
add_headers(struct wr_publishing *pub, struct wr_header *headers,
    const char *text, struct wr_arena *arena)
{
    size_t                   i;
    const char              *error;
    struct wr_header        *header;
    struct wr_json_errors    errors;
    const struct wr_json    *list, *item;

    memset(&errors, 0, sizeof(errors));
    errors.arena = arena;
    list = wr_json_parse(arena, text, strlen(text), &error);

    if (list == NULL
        || wr_json_count(list) > WR_BROKER_HEADERS_MAX - pub->nheaders)
    {
        return -1;
    }

    for (i = 0; i < wr_json_count(list); i++) {
        item = wr_json_item(list, i);
        header = &headers[pub->nheaders++];
        header->name = wr_json_text(item, "name", 1, 255, &errors);
        header->text = NULL;
        header->number = 0;

        if (wr_json_has(item, "text")) {
            header->text = wr_json_text(item, "text", 0, WIRE_BODY_MAX,
                                        &errors);

        } else {
            header->number = wr_json_int(item, "number", INT64_MIN, INT64_MAX,
                                         &errors);
        }
    }

    return (errors.count == 0) ? 0 : -1;
}


size_t
wr_outbox_confirmed(const struct wr_outbox *outbox)
{
    return outbox->confirmed.count;
}


size_t
wr_outbox_depth(const struct wr_outbox *outbox)
{
    return outbox->queued.count + outbox->sent.count
           + outbox->confirmed.count;
}


void
wr_outbox_delete(struct wr_outbox *outbox, struct wr_db *db,
    struct wr_db_owner *owner)
{
    const struct row    *row;
    struct wr_pg_array   ids;

    memset(&ids, 0, sizeof(ids));
    ids.arena = owner->arena;
    outbox->ndeleting = 0;

    for (row = outbox->confirmed.first;
         row != NULL && outbox->ndeleting < DELETE_MAX; row = row->next)
    {
        wr_pg_array_add(&ids, row->columns[COLUMN_ID]);
        outbox->ndeleting++;
    }

    if (outbox->ndeleting != 0) {
        wr_db_exec(db, owner, outbox->is_doubtful ? delete_free_sql
                                                  : delete_sql,
                   WR_PARAMS(wr_pg_array_text(&ids)));
    }
}


void
wr_outbox_deleted(struct wr_outbox *outbox, bool is_committed)
{
    if (is_committed) {
        outbox->deleted_ms = wr_clock_ms();
    }

    if (outbox->ndeleting != 0) {
        outbox->is_doubtful = !is_committed;
    }

    for ( ; outbox->ndeleting != 0; outbox->ndeleting--) {
        if (is_committed) {
            free(fifo_pop(&outbox->confirmed));
        }
    }
}


int64_t
wr_outbox_deleted_ms(const struct wr_outbox *outbox)
{
    return outbox->deleted_ms;
}


bool
wr_outbox_sweep(struct wr_outbox *outbox, struct wr_db *db,
    struct wr_db_owner *owner)
{
    int              i, j, count;
    const char      *columns[COLUMNS];
    struct wr_rows  *rows;

    rows = wr_db_query(db, owner, sweep_sql, WR_NO_PARAMS);
    wr_db_sync(db);
    count = wr_rows_count(rows);

    for (i = 0; i < count; i++) {
        for (j = 0; j < COLUMNS; j++) {
            columns[j] = wr_rows_text(rows, i, j);
        }

        if (!has(&outbox->queued, columns[COLUMN_ID])
            && !has(&outbox->sent, columns[COLUMN_ID])
            && !has(&outbox->confirmed, columns[COLUMN_ID]))
        {
            add_row(outbox, columns, true, false,
                    wr_clock_wall_ms() - wr_rows_int(rows, i, COLUMN_AGE));
        }
    }

    return count == SWEEP_MAX;
}


void
wr_outbox_look(struct wr_db *db, struct wr_db_owner *owner)
{
    const char      *age_ms;
    struct wr_rows  *rows;

    rows = wr_db_query(db, owner, left_sql, WR_NO_PARAMS);
    wr_db_sync(db);
    age_ms = wr_rows_text(rows, 0, 0);

    if (wr_db_failure(db, NULL, NULL) == WR_DB_OK) {
        wr_stats_outbox_left((age_ms != NULL) ? wr_clock_wall_ms()
                                                - wr_rows_int(rows, 0, 0)
                                              : 0);
    }
}


static bool
has(const struct fifo *fifo, const char *id)
{
    const struct row  *row;

    for (row = fifo->first; row != NULL; row = row->next) {
        if (strcmp(row->columns[COLUMN_ID], id) == 0) {
            return true;
        }
    }

    return false;
}


static void
fifo_init(struct fifo *fifo)
{
    fifo->first = NULL;
    fifo->last = &fifo->first;
    fifo->count = 0;
}


static void
fifo_push(struct fifo *fifo, struct row *row)
{
    row->next = NULL;
    *fifo->last = row;
    fifo->last = &row->next;
    fifo->count++;
}


static struct row *
fifo_pop(struct fifo *fifo)
{
    struct row  *row;

    row = fifo->first;

    if (row == NULL) {
        return NULL;
    }

    fifo->first = row->next;
    fifo->count--;

    if (fifo->first == NULL) {
        fifo->last = &fifo->first;
    }

    return row;
}
