/*
 * Copyright (C) the Warren authors
 *
 * What the files of the test kit share.
 */

#ifndef WARREN_TEST_PRIVATE_H
#define WARREN_TEST_PRIVATE_H


#include "lane_private.h"
#include "settings_private.h"
#include "wr_test.h"


/* the broker user that messages come from */
#define WR_TEST_SENDER  "gateway"


/* an answer that was prepared */

struct wr_test_answer {
    struct wr_test_answer      *next;
    const char                 *service;
    const char                 *method;
    int                         status;
    const char                 *json;
    bool                        is_given;
};


struct wr_test {
    const struct wr_service    *service;
    const struct wr_setting    *tables[3];
    struct wr_settings         *settings;
    struct wr_arena            *arena;      /* as long as the kit */
    struct wr_lane              lane;
    bool                        has_database;

    /* the message; all of it is the message's arena's */
    struct wr_arena            *message;
    enum wr_kind                kind;
    const char                 *type;
    struct wr_header            headers[WR_TEST_ARGS_MAX + 3];
    size_t                      nheaders;
    size_t                      nargs;
    const char                 *body;
    const char                 *subject;
    int64_t                     version;
    int64_t                     deadline_ms;    /* -1: none */
    struct wr_test_answer      *answers;
    struct wr_test_answer     **last_answer;

    struct wr_request          *req;            /* NULL: not run yet */
    const struct wr_json       *reply;
};


/* The message as the broker would deliver it. */
struct wr_message *wr_test_deliver(struct wr_test *test);

/* Frees the message and what came of it. */
void wr_test_forget(struct wr_test *test);

/* Ends the process: the test cannot go on. */
_Noreturn void wr_test_bail(const char *format, ...)
    __attribute__((format(printf, 1, 2)));


#endif /* WARREN_TEST_PRIVATE_H */
