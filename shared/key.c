/*
 * Copyright (C) the Warren authors
 *
 * Keys.
 *
 * Every program that runs a service's handlers has the same tables, sorts them
 * by name, and lets PostgreSQL sort the rows of each: so all lanes lock in one
 * order.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "id.h"
#include "key_private.h"
#include "lane_private.h"
#include "memory.h"
#include "pg_array.h"
#include "tx.h"
#include "utf8.h"


/* PostgreSQL would cut longer ones. */
#define NAME_MAX_LEN  63

#define INTEGER_MAX_LEN  20


/* a table and its statement */

struct slot {
    const struct wr_key_table  *table;
    const char                 *handler;    /* the first that locks it */
    const char                 *regclass;   /* its name, quoted */
    const char                 *sql;
};


struct wr_keys {
    struct wr_arena            *arena;
    struct slot                *slots;      /* by name */
    size_t                      count;
    char                        error[WR_KEYS_ERROR_SIZE];
};


static const char *verify_handler(const struct wr_handler *handler);
static const char *verify_table(const struct wr_key_table *table);
static const char *verify_names(const struct wr_handler *handler);
static bool is_name(const char *text, size_t len);
static const struct wr_handler *find_other(const struct wr_service *service,
    const struct wr_key_table *table);
static bool is_same(const struct wr_key_table *one,
    const struct wr_key_table *two);
static void add(struct wr_keys *keys, const struct wr_handler *handler,
    const struct wr_key_table *table);
static const char *quote(struct wr_arena *arena, const char *name, size_t len);
static int compare_slots(const void *one, const void *two);
static int check_slot(struct wr_lane *lane, const struct slot *slot);
static bool names_table(const struct wr_handler *handler,
    const struct wr_key_table *table);
static bool is_value(const struct wr_key_table *table, const char *value);
static bool is_utf8(const char *text);
static bool is_integer(const char *text);


/* Of one column alone, of all rows, and whole: keys that several rows share
   would have no order. */

static const char  unique_sql[] =
    "select count(*) "
    "from pg_catalog.pg_index as i "
    "join pg_catalog.pg_attribute as a"
    "    on a.attrelid = i.indrelid and a.attnum = i.indkey[0] "
    "where i.indrelid = $1::regclass and a.attname = $2 and i.indisunique"
    "    and i.indisvalid and i.indnkeyatts = 1 and i.indpred is null";


int
wr_keys_verify(const struct wr_service *service,
    char error_r[WR_KEYS_ERROR_SIZE])
{
    size_t                    i;
    const char               *error;
    const struct wr_handler  *handler, *other;

    for (handler = service->handlers; handler->type != NULL; handler++) {
        error = verify_handler(handler);

        if (error != NULL) {
            snprintf(error_r, WR_KEYS_ERROR_SIZE, "handler \"%s\" %s",
                     handler->type, error);
            return -1;
        }

        for (i = 0; i < WR_KEY_TABLES_MAX && handler->locks[i] != NULL; i++) {
            other = find_other(service, handler->locks[i]);

            if (other != NULL) {
                snprintf(error_r, WR_KEYS_ERROR_SIZE, "handlers \"%s\" and "
                         "\"%s\" lock rows of \"%s\" in two ways: .locks must "
                         "tell one", other->type, handler->type,
                         handler->locks[i]->name);
                return -1;
            }
        }
    }

    return 0;
}


static const char *
verify_handler(const struct wr_handler *handler)
{
    if (handler->keys == NULL && handler->locks[0] == NULL) {
        return NULL;
    }

    if (handler->keys == NULL) {
        return "has .locks and no .keys";
    }

    if (handler->locks[0] == NULL) {
        return "has .keys and no .locks: tell it the tables";
    }

    if (handler->read_only) {
        return "is read-only and has .keys: there is no transaction to lock "
               "rows in";
    }

    return verify_names(handler);
}


static const char *
verify_names(const struct wr_handler *handler)
{
    size_t       i;
    const char  *error;

    for (i = 0; i < WR_KEY_TABLES_MAX && handler->locks[i] != NULL; i++) {
        error = verify_table(handler->locks[i]);

        if (error != NULL) {
            return error;
        }
    }

    return NULL;
}


static const char *
verify_table(const struct wr_key_table *table)
{
    static const char  *types[] = {
        "text", "uuid", "bigint", "integer", "smallint"
    };

    size_t       i, len;
    const char  *name;

    name = (table->name != NULL) ? table->name : "";
    len = strcspn(name, ".");

    if (!is_name(name, len)
        || (name[len] == '.'
            && !is_name(name + len + 1, strlen(name + len + 1))))
    {
        return "has .locks whose table is not a name, or two with a dot, of "
               "1 to 63 letters, digits, \"_\" and \"$\"";
    }

    if (table->column == NULL
        || !is_name(table->column, strlen(table->column)))
    {
        return "has .locks whose column is not a name of 1 to 63 letters, "
               "digits, \"_\" and \"$\"";
    }

    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (table->type != NULL && strcmp(table->type, types[i]) == 0) {
            return NULL;
        }
    }

    return "has .locks whose type is none of text, uuid, bigint, integer, "
           "smallint";
}


/* Letters beyond ASCII are letters. */

static bool
is_name(const char *text, size_t len)
{
    size_t         i;
    unsigned char  c;

    if (len == 0 || len > NAME_MAX_LEN) {
        return false;
    }

    for (i = 0; i < len; i++) {
        c = (unsigned char) text[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z')
            && !(c >= '0' && c <= '9') && c != '_' && c != '$' && c < 0x80)
        {
            return false;
        }
    }

    return true;
}


/* Who locks the same table in another way; NULL: nobody. */

static const struct wr_handler *
find_other(const struct wr_service *service, const struct wr_key_table *table)
{
    size_t                    i;
    const struct wr_handler  *handler;

    for (handler = service->handlers; handler->type != NULL; handler++) {
        for (i = 0; i < WR_KEY_TABLES_MAX && handler->locks[i] != NULL; i++) {
            if (handler->locks[i]->name != NULL
                && strcmp(handler->locks[i]->name, table->name) == 0
                && !is_same(handler->locks[i], table))
            {
                return handler;
            }
        }
    }

    return NULL;
}


static bool
is_same(const struct wr_key_table *one, const struct wr_key_table *two)
{
    return one->column != NULL && one->type != NULL
           && strcmp(one->name, two->name) == 0
           && strcmp(one->column, two->column) == 0
           && strcmp(one->type, two->type) == 0
           && one->is_removed == two->is_removed;
}


struct wr_keys *
wr_keys_new(const struct wr_service *service)
{
    size_t                    i, n;
    struct wr_keys           *keys;
    const struct wr_handler  *handler;

    for (handler = service->handlers, n = 0; handler->type != NULL; handler++)
    {
        n += WR_KEY_TABLES_MAX;
    }

    keys = wr_memory_alloc(1, sizeof(struct wr_keys));
    keys->arena = wr_arena_new();
    keys->slots = wr_arena_alloc(keys->arena, (n + 1) * sizeof(struct slot));

    for (handler = service->handlers; handler->type != NULL; handler++) {
        for (i = 0; i < WR_KEY_TABLES_MAX && handler->locks[i] != NULL; i++) {
            add(keys, handler, handler->locks[i]);
        }
    }

    qsort(keys->slots, keys->count, sizeof(struct slot), compare_slots);

    return keys;
}


static void
add(struct wr_keys *keys, const struct wr_handler *handler,
    const struct wr_key_table *table)
{
    size_t        i, len;
    const char   *type;
    struct slot  *slot;

    for (i = 0; i < keys->count; i++) {
        if (is_same(keys->slots[i].table, table)) {
            return;
        }
    }

    slot = &keys->slots[keys->count++];
    slot->table = table;
    slot->handler = handler->type;
    len = strcspn(table->name, ".");
    slot->regclass = quote(keys->arena, table->name, len);

    if (table->name[len] == '.') {
        slot->regclass =
            wr_arena_printf(keys->arena, "%s.%s", slot->regclass,
                            quote(keys->arena, table->name + len + 1,
                                  strlen(table->name + len + 1)));
    }

    /* integers of all sizes compare, and none is beyond this one */

    type = (strcmp(table->type, "text") == 0
            || strcmp(table->type, "uuid") == 0) ? table->type : "bigint";

    slot->sql =
        wr_arena_printf(keys->arena, "select 1 from %s where %s = any "
                        "($1::%s[]) order by %s for %s", slot->regclass,
                        quote(keys->arena, table->column,
                              strlen(table->column)),
                        type,
                        quote(keys->arena, table->column,
                              strlen(table->column)),
                        table->is_removed ? "update" : "no key update");
}


/* There is no quote in it. */

static const char *
quote(struct wr_arena *arena, const char *name, size_t len)
{
    return wr_arena_printf(arena, "\"%.*s\"", (int) len, name);
}


static int
compare_slots(const void *one, const void *two)
{
    const struct slot  *a, *b;

    a = one;
    b = two;

    return strcmp(a->table->name, b->table->name);
}


void
wr_keys_free(struct wr_keys **keys)
{
    if (*keys == NULL) {
        return;
    }

    wr_arena_free(&(*keys)->arena);
    free(*keys);
    *keys = NULL;
}


int
wr_keys_check(struct wr_lane *lane, const char **error_r)
{
    int              rc;
    size_t           i;
    struct wr_keys  *keys;

    keys = lane->keys;
    *error_r = keys->error;
    rc = 1;

    for (i = 0; i < keys->count && rc == 1; i++) {
        wr_db_clear(lane->db);
        wr_db_budget(lane->db, WR_BATCH_BUDGET_MS);
        rc = check_slot(lane, &keys->slots[i]);
        wr_db_owner_clear(&lane->own);
    }

    wr_db_budget(lane->db, 0);
    wr_db_clear(lane->db);

    return rc;
}


static int
check_slot(struct wr_lane *lane, const struct slot *slot)
{
    char                *error;
    const char          *text;
    struct wr_rows      *rows;
    enum wr_db_failure   failed;

    error = lane->keys->error;
    rows = wr_db_query(lane->db, &lane->own, unique_sql,
                       WR_PARAMS(slot->regclass, slot->table->column));
    wr_db_exec(lane->db, &lane->own, slot->sql, WR_PARAMS("{}"));
    wr_db_sync(lane->db);
    failed = wr_db_failure(lane->db, NULL, &text);

    if (failed != WR_DB_OK) {
        snprintf(error, WR_KEYS_ERROR_SIZE, "handler \"%s\" cannot lock rows "
                 "of \"%s\": %s", slot->handler, slot->table->name, text);
        return (failed == WR_DB_PERMANENT) ? 0 : -1;
    }

    if (wr_rows_int(rows, 0, 0) == 0) {
        snprintf(error, WR_KEYS_ERROR_SIZE, "handler \"%s\" cannot lock rows "
                 "of \"%s\": the column \"%s\" is not unique by itself",
                 slot->handler, slot->table->name, slot->table->column);
        return 0;
    }

    return 1;
}


void
wr_keys_declare(struct wr_request **reqs, size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        reqs[i]->keys = NULL;

        if (reqs[i]->is_decided || reqs[i]->handler->keys == NULL) {
            continue;
        }

        reqs[i]->is_declaring = true;
        reqs[i]->handler->keys(reqs[i]);
        reqs[i]->is_declaring = false;
    }
}


void
wr_key(struct wr_request *req, const struct wr_key_table *table,
    const char *value)
{
    const char              *reason;
    struct wr_declared_key  *key;

    if (!req->is_declaring) {
        wr_log_error(&req->log, "handler calls wr_key() outside of .keys");
        return;
    }

    if (!names_table(req->handler, table)) {
        reason = "handler locks rows of a table that its .locks do not name";
        wr_log_error(&req->log, "%s: \"%s\"", reason, table->name);

        if (!req->is_decided) {
            wr_request_fail(req, WR_BROKEN, WIRE_ERROR_INTERNAL, reason);
        }

        return;
    }

    if (value == NULL || !is_value(table, value)) {
        return;
    }

    key = wr_arena_alloc(req->arena, sizeof(struct wr_declared_key));
    key->table = table;
    key->value = wr_arena_strdup(req->arena, value);
    key->next = req->keys;
    req->keys = key;
}


static bool
names_table(const struct wr_handler *handler, const struct wr_key_table *table)
{
    size_t  i;

    for (i = 0; i < WR_KEY_TABLES_MAX && handler->locks[i] != NULL; i++) {
        if (handler->locks[i] == table) {
            return true;
        }
    }

    return false;
}


/* One that PostgreSQL cannot read would fail the statement of the batch. */

static bool
is_value(const struct wr_key_table *table, const char *value)
{
    if (strcmp(table->type, "uuid") == 0) {
        return wr_id_is_uuid(value);
    }

    if (strcmp(table->type, "text") == 0) {
        return is_utf8(value);
    }

    return is_integer(value);
}


static bool
is_utf8(const char *text)
{
    size_t  len, n;

    for (len = strlen(text); len != 0; text += n, len -= n) {
        n = wr_utf8_len(text, len);

        if (n == 0) {
            return false;
        }
    }

    return true;
}


static bool
is_integer(const char *text)
{
    size_t       len;
    const char  *digits;

    digits = text + (text[0] == '-');
    len = strlen(digits);

    if (len == 0 || len > INTEGER_MAX_LEN
        || strspn(digits, "0123456789") != len)
    {
        return false;
    }

    errno = 0;
    (void) strtoll(text, NULL, 10);

    return errno == 0;
}


void
wr_keys_lock(struct wr_lane *lane, struct wr_request **reqs, size_t n)
{
    size_t                         i, slot;
    struct wr_pg_array             values;
    const struct wr_declared_key  *key;

    for (slot = 0; slot < lane->keys->count; slot++) {
        memset(&values, 0, sizeof(values));
        values.arena = lane->own.arena;

        for (i = 0; i < n; i++) {
            if (reqs[i]->inbox == WR_INBOX_BUSY
                || reqs[i]->inbox == WR_INBOX_REPEATED)
            {
                continue;
            }

            for (key = reqs[i]->keys; key != NULL; key = key->next) {
                if (is_same(key->table, lane->keys->slots[slot].table)) {
                    wr_pg_array_add(&values, key->value);
                }
            }
        }

        if (values.len != 0) {
            wr_db_exec(lane->db, &lane->own, lane->keys->slots[slot].sql,
                       WR_PARAMS(wr_pg_array_text(&values)));
        }
    }
}
