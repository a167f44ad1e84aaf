/*
 * Copyright (C) the Warren authors
 *
 * The test kit's lane: settings, database, the service's own state.
 */

#include <stdlib.h>
#include <string.h>

#include "db_stub.h"
#include "key_private.h"
#include "memory.h"
#include "tx.h"
#include "wr_test_private.h"


/* a setting's place in the list of options: two before, one after the
   caller's, and NULL */
#define OPTIONS_OWN  4


static void read_settings(struct wr_test *test, const char *const *settings);
static void open_database(struct wr_test *test, const char *url);


struct wr_test *
wr_test_new(const struct wr_service *service, const char *const *settings,
    const char *database_url)
{
    char             mistake[WR_KEYS_ERROR_SIZE];
    const char      *error;
    struct wr_test  *test;

    test = wr_memory_alloc(1, sizeof(struct wr_test));
    test->service = service;
    test->arena = wr_arena_new();

    wr_log_setup(WR_LOG_TEXT, WR_LOG_WARN, service->name);
    read_settings(test, settings);

    if (wr_keys_verify(service, mistake) != 0) {
        wr_test_bail("%s", mistake);
    }

    test->lane.service = service;
    test->lane.settings = test->settings;
    test->lane.own.arena = test->arena;
    test->lane.keys = wr_keys_new(service);
    open_database(test, database_url);

    if (service->init != NULL
        && service->init(test->settings, &test->lane.state, &error) != 0)
    {
        wr_test_bail("the service does not start: %s", error);
    }

    return test;
}


static void
read_settings(struct wr_test *test, const char *const *settings)
{
    size_t                      n, i;
    const char                 *error, **options;
    struct wr_settings_source   source;

    for (n = 0; settings != NULL && settings[n] != NULL; n++) {
        /* void */
    }

    options = wr_memory_alloc(n + OPTIONS_OWN, sizeof(char *));
    options[0] = "broker.url=amqp://test@127.0.0.1/test";
    options[1] = "database.url=postgresql:///test";

    for (i = 0; i < n; i++) {
        options[2 + i] = settings[i];
    }

    options[2 + n] = "trusted_users=" WR_TEST_SENDER;

    test->tables[0] = wr_settings_runtime;
    test->tables[1] = test->service->settings;

    memset(&source, 0, sizeof(source));
    source.tables = test->tables;
    source.options = options;

    test->settings = wr_settings_load(&source);
    error = wr_settings_error(test->settings, 0);

    if (error != NULL) {
        wr_test_bail("%s", error);
    }

    free(options);
}


static void
open_database(struct wr_test *test, const char *url)
{
    const char      *error;
    struct wr_lane  *lane;

    lane = &test->lane;
    lane->db_config.url = url;
    lane->db_config.password = "";
    lane->db_config.name = "test";
    lane->db_config.idle_ms = 1000;
    lane->db = wr_db_new(&lane->db_config, &lane->log);

    if (url == NULL || url[0] == '\0') {
        return;
    }

    if (wr_db_open(lane->db, &error) != 0
        || wr_db_check(lane->db, test->service->schema_min, &error) != 1
        || wr_keys_check(lane, &error) != 1)
    {
        wr_test_bail("the database: %s", error);
    }

    test->has_database = true;
    wr_db_exec(lane->db, &lane->own, "begin", WR_NO_PARAMS);
    wr_db_sync(lane->db);
}


bool
wr_test_has_database(const struct wr_test *test)
{
    return test->has_database;
}


void
wr_test_free(struct wr_test **test)
{
    struct wr_test  *t;

    t = *test;

    if (t == NULL) {
        return;
    }

    *test = NULL;
    wr_test_forget(t);

    if (t->has_database) {
        wr_db_exec(t->lane.db, &t->lane.own, "rollback", WR_NO_PARAMS);
        wr_db_sync(t->lane.db);
        wr_db_owner_clear(&t->lane.own);
    }

    wr_db_free(&t->lane.db);
    wr_keys_free(&t->lane.keys);
    wr_settings_free(&t->settings);
    wr_arena_free(&t->arena);
    free(t);
}


void
wr_test_forget(struct wr_test *test)
{
    if (test->message == NULL) {
        return;
    }

    if (test->req != NULL) {
        wr_db_owner_clear(&test->req->owner);
        test->req = NULL;
    }

    test->reply = NULL;
    wr_arena_free(&test->message);
}
