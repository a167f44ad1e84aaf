/*
 * Copyright (C) the Warren authors
 *
 * The dead letters of a service, in its database.
 */

#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "dead_store.h"
#include "text.h"
#include "wire.h"


#define FILTER_PARAMS  6

/* a letter waits there for a second, the shortest there is */
#define RUNG           (wire_rung(0)->name)

/* SQLSTATE; a class is its first two characters */
#define STATE_NO_TEXT      "22021"      /* no UTF-8, or a zero in it */
#define STATE_NO_UUID      "22P02"
#define STATE_NO_TABLE     "42P01"
#define STATE_NO_COLUMN    "42703"
#define CLASS_BAD_VALUE    "22"


struct dead_store {
    PGconn  *conn;
    bool     is_bad_value;
};


static int check_url(const char *url, const char **error_r);
static json_t *query(struct dead_store *store, const char *sql, int n,
    const char *const *params, const char **error_r);
static int run(struct dead_store *store, const char *sql,
    const char **error_r);
static const char *failure(struct dead_store *store, const PGresult *result);
static int send_again(struct dead_store *store, const json_t *letter,
    const char *home, const char *headers, const char **error_r);
static const char *find_home(const json_t *letter, const char **origin_r);
static char *make_headers(const json_t *letter, const char *home,
    const char *origin);
static char *make_history(const json_t *letter);
static const char *member(const json_t *object, const char *name);
static char *id_of(const json_t *letter);


#define FILTER                                                                \
    "where ($1::bigint[] is null or id = any ($1::bigint[]))"                 \
    "    and ($2::text is null"                                               \
    "        or position(lower($2::text) in lower(reason)) > 0)"              \
    "    and ($3::text is null or type = $3::text)"                           \
    "    and ($4::timestamptz is null or last_at >= $4::timestamptz)"         \
    "    and ($5::timestamptz is null or last_at < $5::timestamptz) "

#define FIND                                                                  \
    "select json_build_object('id', id, 'message_id', message_id,"            \
    "    'home', home, 'type', type, 'content_type', content_type,"           \
    "    'sender', sender, 'reason', reason, 'attempts', attempts,"           \
    "    'first_at', first_at, 'last_at', last_at, 'headers', headers,"       \
    "    'history', history) "                                                \
    "from dead_letter " FILTER                                                \
    "order by id "                                                            \
    "limit $6::bigint"

static const char  find_sql[] = FIND;

static const char  find_locked_sql[] = FIND " for update";

static const char  count_sql[] =
    "select count(*) from dead_letter " FILTER;

static const char  read_sql[] =
    "select json_build_object('crashes', coalesce(c.crashes, 0),"
    "    'body_hex', encode(d.body, 'hex')) "
    "from dead_letter as d "
    "left join crash as c"
    "    on c.message_id = d.message_id and c.home = d.home "
    "where d.id = $1::bigint";

/* An id in the inbox has acted, and would not act again. */

static const char  retry_sql[] =
    "with acted as ("
    "    select 1 from inbox where message_id = $2::uuid"
    "), sent as ("
    "    insert into outbox (id, exchange, routing_key, type, content_type,"
    "        body, headers, due_at)"
    "    select $2::uuid, $3::text, $4::text, type, content_type,"
    "        convert_from(body, 'UTF8'), $5::jsonb, now()"
    "    from dead_letter"
    "    where id = $1::bigint and not exists (select 1 from acted)"
    "    on conflict (id) do nothing"
    "    returning id"
    "), healed as ("
    "    delete from crash"
    "    using dead_letter as d"
    "    where d.id = $1::bigint and crash.message_id = d.message_id"
    "        and crash.home = d.home and exists (select 1 from sent)"
    "), gone as ("
    "    delete from dead_letter"
    "    where id = $1::bigint and exists (select 1 from sent)"
    ")"
    "select json_build_object('sent', exists (select 1 from sent),"
    "    'acted', exists (select 1 from acted))";

static const char  drop_sql[] =
    "delete from dead_letter where id = $1::bigint returning id";


struct dead_store *
dead_store_open(const char *url, const char *password, const char **error_r)
{
    struct dead_store  *store;

    const char  *names[] = {
        "dbname", "password", "connect_timeout", "application_name",
        "client_encoding", "options", NULL
    };
    const char  *values[] = {
        url, password, "10", "warren", "UTF8",
        "-c timezone=UTC -c lock_timeout=10s", NULL
    };

    if (check_url(url, error_r) == -1) {
        return NULL;
    }

    store = text_alloc(sizeof(*store));
    store->conn = PQconnectdbParams(names, values, 1);

    if (store->conn == NULL || PQstatus(store->conn) != CONNECTION_OK) {
        *error_r = text_error("--database: %s",
                              store->conn == NULL ? "out of memory"
                                  : PQerrorMessage(store->conn));
        dead_store_close(&store);
    }

    return store;
}


/* libpq repeats a URI that it does not understand, with all that is in it. */

static int
check_url(const char *url, const char **error_r)
{
    int                 rc;
    PQconninfoOption   *options, *option;

    options = NULL;

    if (strstr(url, "://") != NULL) {
        options = PQconninfoParse(url, NULL);
    }

    if (options == NULL) {
        *error_r = "--database must be postgresql://user@host:port/name";
        return -1;
    }

    rc = 0;

    for (option = options; option->keyword != NULL; option++) {

        if (strcmp(option->keyword, "password") == 0 && option->val != NULL) {
            *error_r = "--database has a password in it, where everybody may "
                       "read it; use --password-file";
            rc = -1;
        }
    }

    PQconninfoFree(options);

    return rc;
}


void
dead_store_close(struct dead_store **store)
{
    if (*store == NULL) {
        return;
    }

    PQfinish((*store)->conn);
    free(*store);
    *store = NULL;
}


bool
dead_store_is_bad_value(const struct dead_store *store)
{
    return store->is_bad_value;
}


json_t *
dead_store_find(struct dead_store *store, const struct dead_filter *filter,
    bool is_locked, const char **error_r)
{
    const char  *params[FILTER_PARAMS] = {
        filter->ids, filter->reason, filter->type, filter->since,
        filter->before, filter->limit
    };

    if (is_locked && run(store, "begin", error_r) == -1) {
        return NULL;
    }

    return query(store, is_locked ? find_locked_sql : find_sql, FILTER_PARAMS,
                 params, error_r);
}


json_int_t
dead_store_count(struct dead_store *store, const struct dead_filter *filter,
    const char **error_r)
{
    json_t      *rows;
    json_int_t   count;

    const char  *params[FILTER_PARAMS - 1] = {
        filter->ids, filter->reason, filter->type, filter->since,
        filter->before
    };

    rows = query(store, count_sql, FILTER_PARAMS - 1, params, error_r);

    if (rows == NULL) {
        return -1;
    }

    count = json_integer_value(json_array_get(rows, 0));
    json_decref(rows);

    return count;
}


int
dead_store_read(struct dead_store *store, json_t *letter,
    const char **error_r)
{
    char        *id;
    size_t       len;
    json_t      *rows, *body;
    const char  *hex;

    unsigned char  *bytes;

    id = id_of(letter);
    rows = query(store, read_sql, 1, (const char *[]) { id }, error_r);
    free(id);

    if (rows == NULL) {
        return -1;
    }

    hex = member(json_array_get(rows, 0), "body_hex");
    json_object_set(letter, "crashes",
                    json_object_get(json_array_get(rows, 0), "crashes"));

    /* as text if it is one: jansson takes UTF-8 alone */

    hex = text_printf("\\x%s", hex);
    bytes = PQunescapeBytea((const unsigned char *) hex, &len);
    body = bytes == NULL ? NULL : json_stringn((const char *) bytes, len);

    if (body != NULL && memchr(bytes, '\0', len) == NULL) {
        json_object_set(letter, "body", body);

    } else {
        json_object_set_new(letter, "body_hex", json_string(hex + 2));
    }

    PQfreemem(bytes);
    free((char *) hex);
    json_decref(body);
    json_decref(rows);

    return 0;
}


int
dead_store_retry(struct dead_store *store, const json_t *letter,
    const char **error_r)
{
    int          rc;
    char        *headers;
    const char  *home, *origin, *problem;

    home = find_home(letter, &origin);

    if (home == NULL) {
        *error_r = text_error("nobody knows which queue of the service it "
                              "came from (\"%s\"); send it anew, and drop it",
                              member(letter, "home"));
        return 1;
    }

    headers = make_headers(letter, home, origin);

    if (run(store, "savepoint letter", error_r) == -1) {
        free(headers);
        return -1;
    }

    rc = send_again(store, letter, home, headers, error_r);
    free(headers);

    if (rc == -1) {
        return -1;
    }

    if (run(store, rc == 0 ? "release savepoint letter"
                           : "rollback to savepoint letter", &problem)
        == -1)
    {
        *error_r = problem;
        return -1;
    }

    return rc;
}


static int
send_again(struct dead_store *store, const json_t *letter, const char *home,
    const char *headers, const char **error_r)
{
    int          rc;
    char        *id, *exchange;
    json_t      *answer;
    PGresult    *result;
    const char  *state;

    id = id_of(letter);
    exchange = text_printf(WIRE_EXCHANGE_RETRY_PREFIX "%s",
                           strchr(home, '.') + 1);
    result = PQexecParams(store->conn, retry_sql, 5, NULL,
                          (const char *[]) { id, member(letter, "message_id"),
                                             exchange, RUNG, headers },
                          NULL, NULL, 0);
    free(id);
    free(exchange);

    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        state = state != NULL ? state : "";
        rc = 1;

        if (strcmp(state, STATE_NO_TEXT) == 0) {
            *error_r = "its body is no text, so that no handler takes it; "
                       "drop it";

        } else if (strcmp(state, STATE_NO_UUID) == 0) {
            *error_r = "its message id is no UUID, so that no lane takes it; "
                       "drop it";

        } else {
            *error_r = failure(store, result);
            rc = -1;
        }

        PQclear(result);
        return rc;
    }

    answer = json_loads(PQgetvalue(result, 0, 0), 0, NULL);
    PQclear(result);
    rc = 0;

    if (json_is_true(json_object_get(answer, "acted"))) {
        *error_r = "its message has acted already, and would not act again; "
                   "drop it";
        rc = 1;

    } else if (!json_is_true(json_object_get(answer, "sent"))) {
        *error_r = "a message with its id is still in the outbox; try again "
                   "when that has left";
        rc = 1;
    }

    json_decref(answer);

    return rc;
}


/*
 * What the broker gave up on the way home carries its home and first sender
 * itself, and is believed if the service was the one who had sent it.
 */

static const char *
find_home(const json_t *letter, const char **origin_r)
{
    const char    *home, *service;
    const json_t  *headers;

    home = member(letter, "home");
    *origin_r = member(letter, "sender");
    service = strchr(home, '.');

    if (service == NULL) {
        return NULL;
    }

    service++;

    if ((strncmp(home, WIRE_QUEUE_AGAIN_PREFIX,
                 strlen(WIRE_QUEUE_AGAIN_PREFIX)) == 0
         || strncmp(home, WIRE_QUEUE_PARK_PREFIX,
                    strlen(WIRE_QUEUE_PARK_PREFIX)) == 0)
        && strcmp(*origin_r, service) == 0)
    {
        headers = json_object_get(letter, "headers");
        home = member(headers, WIRE_HEADER_HOME);
        *origin_r = member(headers, WIRE_HEADER_ORIGIN);
    }

    if ((strncmp(home, WIRE_QUEUE_COMMANDS_PREFIX,
                 strlen(WIRE_QUEUE_COMMANDS_PREFIX)) != 0
         && strncmp(home, WIRE_QUEUE_EVENTS_PREFIX,
                    strlen(WIRE_QUEUE_EVENTS_PREFIX)) != 0)
        || strcmp(strchr(home, '.') + 1, service) != 0)
    {
        return NULL;
    }

    return home;
}


/* As a lane writes them for a rung, in the outbox's form. */

static char *
make_headers(const json_t *letter, const char *home, const char *origin)
{
    char        *text;
    json_t      *list, *value;
    const char  *name;

    list = json_array();
    text = make_history(letter);
    json_array_append_new(list, json_pack("{s:s, s:s}", "name",
                                          WIRE_HEADER_HISTORY, "text", text));
    free(text);

    json_object_foreach(json_object_get(letter, "headers"), name, value) {
        if (strcmp(name, WIRE_HEADER_ATTEMPT) == 0
            || strcmp(name, WIRE_HEADER_ERROR) == 0
            || strcmp(name, WIRE_HEADER_HOME) == 0
            || strcmp(name, WIRE_HEADER_ORIGIN) == 0
            || strcmp(name, WIRE_HEADER_HISTORY) == 0)
        {
            continue;
        }

        json_array_append_new(list, json_pack("{s:s, s:O}", "name", name,
                                              json_is_string(value)
                                                  ? "text" : "number",
                                              value));
    }

    json_array_append_new(list, json_pack("{s:s, s:i}", "name",
                                          WIRE_HEADER_ATTEMPT, "number", 0));
    json_array_append_new(list, json_pack("{s:s, s:s}", "name",
                                          WIRE_HEADER_HOME, "text", home));
    json_array_append_new(list, json_pack("{s:s, s:s}", "name",
                                          WIRE_HEADER_ORIGIN, "text",
                                          origin));

    text = json_dumps(list, JSON_COMPACT);
    json_decref(list);

    return text;
}


/* What it has been through goes with it, and is there again should it die
   again. */

static char *
make_history(const json_t *letter)
{
    char    *text;
    json_t  *history;

    history = json_pack("{s:O, s:O}",
                        "first_at", json_object_get(letter, "first_at"),
                        "failures", json_object_get(letter, "history"));
    text = json_dumps(history, JSON_COMPACT);
    json_decref(history);

    return text;
}


int
dead_store_drop(struct dead_store *store, const json_t *letter,
    const char **error_r)
{
    char    *id;
    json_t  *rows;

    id = id_of(letter);
    rows = query(store, drop_sql, 1, (const char *[]) { id }, error_r);
    free(id);
    json_decref(rows);

    return rows == NULL ? -1 : 0;
}


int
dead_store_end(struct dead_store *store, bool is_kept, const char **error_r)
{
    return run(store, is_kept ? "commit" : "rollback", error_r);
}


/* The first column of each row, which is JSON. */

static json_t *
query(struct dead_store *store, const char *sql, int n,
    const char *const *params, const char **error_r)
{
    int        i;
    json_t    *rows, *row;
    PGresult  *result;

    result = PQexecParams(store->conn, sql, n, NULL, params, NULL, NULL, 0);

    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        *error_r = failure(store, result);
        PQclear(result);
        return NULL;
    }

    rows = json_array();

    for (i = 0; i < PQntuples(result); i++) {
        row = json_loads(PQgetvalue(result, i, 0),
                         JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

        if (row == NULL) {
            *error_r = "the database answers with what is no JSON";
            json_decref(rows);
            rows = NULL;
            break;
        }

        json_array_append_new(rows, row);
    }

    PQclear(result);

    return rows;
}


static int
run(struct dead_store *store, const char *sql, const char **error_r)
{
    int        rc;
    PGresult  *result;

    result = PQexec(store->conn, sql);
    rc = PQresultStatus(result) == PGRES_COMMAND_OK ? 0 : -1;

    if (rc == -1) {
        *error_r = failure(store, result);

    } else if (strcmp(sql, "commit") == 0
               && strcmp(PQcmdStatus(result), "COMMIT") != 0)
    {
        *error_r = "the database undid it all";
        rc = -1;
    }

    PQclear(result);

    return rc;
}


static const char *
failure(struct dead_store *store, const PGresult *result)
{
    const char  *state, *text, *advice;

    state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    state = state != NULL ? state : "";
    advice = "";

    store->is_bad_value = strncmp(state, CLASS_BAD_VALUE, 2) == 0;

    if (strcmp(state, STATE_NO_TABLE) == 0
        || strcmp(state, STATE_NO_COLUMN) == 0)
    {
        advice = "; is this the database of a service, and migrated?";
    }

    return text_error("%s%s", text != NULL ? text
                                           : PQerrorMessage(store->conn),
                      advice);
}


/* "" if it is no text. */

static const char *
member(const json_t *object, const char *name)
{
    const char  *text;

    text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : "";
}


static char *
id_of(const json_t *letter)
{
    return text_printf("%" JSON_INTEGER_FORMAT,
                       json_integer_value(json_object_get(letter, "id")));
}
